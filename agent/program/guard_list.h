/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guard_list.h: programs that do not go on by read(2) when even the first splice(2) of a copy says EINVAL.
 * Their veto stands, guard or not. X(name of the executable, where that can be read).
 *
 * Go programs built before Go 1.13 are among them as well: elf.c tells them by their missing build
 * information (golang/go issues 27355 and 27513).
 */
#ifndef SOCKHOP_PROGRAM_GUARD_LIST_H
#define SOCKHOP_PROGRAM_GUARD_LIST_H

#define GUARD_PASST \
	"passt: tcp_splice.c, tcp_splice_sock_handler(): any error of splice() but EAGAIN closes both sides"

#define GUARD_LIST(X)                                                                  \
	X("systemd-socket-proxyd",                                                     \
	  "systemd: src/socket-proxy/socket-proxyd.c, connection_shovel(): any error " \
	  "of splice() that is not transient closes the connection")                   \
	X("passt", GUARD_PASST)                                                        \
	X("passt.avx2", GUARD_PASST)                                                   \
	X("pasta", GUARD_PASST)                                                        \
	X("pasta.avx2", GUARD_PASST)

#endif
