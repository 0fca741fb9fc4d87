/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * advisory.h: defects of the kernel that our own hooks meet, and whether a kernel has them.
 *
 * By version and by the changelog of the distribution's package, never by provoking them. A distribution's
 * kernel carries fixes that its version does not show, so of such a one only the changelog can say that it is
 * fixed.
 */
#ifndef SOCKHOP_CHECK_ADVISORY_H
#define SOCKHOP_CHECK_ADVISORY_H

#include <stdbool.h>
#include <stddef.h>

enum advisory_state {
	ADVISORY_FIXED,	      /* or never there */
	ADVISORY_AFFECTED,    /* a plain kernel of an affected version */
	ADVISORY_CANNOT_TELL, /* a distribution's kernel of such a version; its changelog says nothing */
};

/*
 * X(name, since, fixed, meets, remedy). since: first version that has the defect, "" for all. fixed: the
 * first fixed version of each stable series, oldest series first; the last is mainline's or that of the
 * newest series: later ones have the fix. A series between two of these never got it. Sources: the CVE
 * records of kernel.org, as osv.dev shows them (November 2026). docs/kernels.md has the same table; a test
 * compares them.
 */
#define ADVISORIES(X)                                                                                      \
	X("CVE-2026-74714", "5.15", "6.1.183 6.6.152 6.12.104 6.18.45 7.1.9",                              \
	  "iter/tcp takes a request socket that is not counted yet (use after free): passes walk while "   \
	  "local users connect",                                                                           \
	  "update the kernel; until then keep net.ipv4.tcp_syncookies=1")                                  \
	X("CVE-2026-64575", "6.17", "6.18.42 7.1.6",                                                       \
	  "iter/tcp releases a batch twice when it cannot grow it (panic): passes under memory pressure",  \
	  "update the kernel")                                                                             \
	X("CVE-2026-74363", "", "5.15.212 6.1.178 6.6.145 6.12.97 6.18.40 7.1.5",                          \
	  "a pin's inode is freed while a path is walked (use after free): who may enter the pin folder, " \
	  "root alone",                                                                                    \
	  "update the kernel; keep the bpffs mode 0700")                                                   \
	X("CVE-2026-68399", "5.2", "7.1.6",                                                                \
	  "accepting frees a listener's socket storage (use after free): not met, no listener ever has "   \
	  "ours",                                                                                          \
	  "update the kernel")                                                                             \
	X("CVE-2025-38165", "", "5.15.190 6.1.142 6.6.94 6.12.34 6.15.3",                                  \
	  "a panic in skb_linearize() on the sk_skb path: the verdict program, the relay",                 \
	  "update the kernel")                                                                             \
	X("CVE-2024-41048", "4.20", "5.15.163 6.1.100 6.6.41 6.9.10",                                      \
	  "an empty segment in the hop queue (a panic on some architectures): the verdict program, the "   \
	  "relay",                                                                                         \
	  "update the kernel")                                                                             \
	X("CVE-2024-26731", "", "6.1.80 6.6.19 6.7.7",                                                     \
	  "a NULL pointer in sk_psock_verdict_data_ready(): the verdict program, the relay",               \
	  "update the kernel")                                                                             \
	X("CVE-2023-53836", "5.13", "5.15.189 6.1.54 6.5.4",                                               \
	  "a segment is used after it was read on the sk_skb path: the verdict program, the relay",        \
	  "update the kernel")                                                                             \
	X("CVE-2023-52735", "", "5.15.95 6.1.13",                                                          \
	  "closing a member may recurse until the stack ends: members", "update the kernel")

struct advisory {
	const char *name, *since, *fixed, *meets, *remedy;
};

/* Row i of the table, NULL behind the last. */
const struct advisory *advisory_at(size_t i);

/*
 * The parts of a kernel's version: "6.1.0-28-amd64" is {6, 1, 0}. *plain: no distribution's, as far as the
 * text shows: nothing, or "-rcN", or a local version without a number ("-custom") follows. -rc of x.y counts
 * as before it. -EINVAL if it is none; *out is untouched then.
 */
struct kernel_version {
	int part[3];
	int rc; /* 0: no release candidate */
	bool plain;
};
int kernel_version_parse(const char *text, struct kernel_version *out);
/* < 0, 0, > 0 */
int kernel_version_compare(const struct kernel_version *a, const struct kernel_version *b);

/* Does a plain kernel of this version have the defect? */
bool advisory_affects(const struct advisory *a, const struct kernel_version *v);

/*
 * What to say of the kernel `release`; upstream: the version that it was made from, of the distribution's
 * version text, NULL if unknown; changelog: that of its package, NULL if it cannot be read.
 */
enum advisory_state advisory_judge(const struct advisory *a, const char *release, const char *upstream,
				   const char *changelog);

#endif
