/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * probe.h: what this kernel can do, found by doing it: a loopback pair in a private network namespace, two
 * small programs, nothing left behind. Never by version: distributions backport both features and bugs.
 *
 * The door of agent/probe: what this kernel does is found out by doing it, on sockets of our own. It owns
 * nothing that stays. It may call lib; instance and above call it.
 */
#ifndef SOCKHOP_AGENT_PROBE_H
#define SOCKHOP_AGENT_PROBE_H

#include <stdbool.h>

struct probe {
	int load;	      /* 0, or -errno with which loading the probe programs failed */
	bool iter_insert;     /* iter/tcp can put a socket into a sockhash: late joins */
	bool iter_setsockopt; /* bpf_setsockopt() works in iter/tcp: connections older than the attach join */
	bool kern_ctx;	      /* bpf_cast_to_kern_ctx() (6.2) */
	/* the stream verdict program may be used: TCP bytes of a member join its hop queue, and
	 * bpf_sock_destroy() ends the connection should one of them not (6.5) */
	bool one_queue;
	bool hop;	   /* a redirected message arrived */
	bool charged;	   /* and counted in the receiver's sk_rmem_alloc, by which a backlog is bounded */
	bool fionread_tcp; /* FIONREAD counts TCP-path bytes of a member, and does so behind hop bytes */
	bool fionread_hop; /* FIONREAD counts hop bytes */
	bool splice;	   /* splice(2) delivers hop bytes (no kernel known does) */
};

/*
 * Fill *out. Takes about 20 ms and needs CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and CAP_SYS_ADMIN (for the
 * private network namespace). 0, or -errno when the probe itself could not run (-ETIMEDOUT: it did not end
 * within PROBE_SECONDS; -EIO: it was killed); out->load tells whether the programs were refused.
 */
int probe_kernel(struct probe *out);

#endif
