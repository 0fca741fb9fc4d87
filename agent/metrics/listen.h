/* SPDX-License-Identifier: GPL-2.0-only */
/* listen.h: where metrics are served: a TCP address, a Unix socket, or what the service manager hands
 * over. */
#ifndef SOCKHOP_METRICS_LISTEN_H
#define SOCKHOP_METRICS_LISTEN_H

#include <sys/un.h>

struct listener {
	int fd;
	char name[160]; /* for messages: "http://127.0.0.1:9436/metrics", "unix:PATH" */
	char unlink[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* to be removed at the end, or "" */
};

/*
 * "PORT" (on 127.0.0.1), "ADDR:PORT" (numeric, IPv6 in brackets), "unix:PATH", or "fd": the listening socket
 * that sd_listen_fds(3) describes. 0, with *l to be closed by listener_close(); -EINVAL: it is none of these,
 * *why says more; another -errno: it cannot be listened on. A stale Unix socket is replaced.
 */
int listener_open(const char *where, struct listener *l, const char **why);
/* Is it one of these? 0, or -EINVAL. */
int listener_check(const char *where, const char **why);
void listener_close(struct listener *l);

#endif
