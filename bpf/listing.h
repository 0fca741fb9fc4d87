/* SPDX-License-Identifier: GPL-2.0-only */
/* listing.h: part of abi.h: records of sockets and of their holders, for `list` and for the agent. */
#ifndef SOCKHOP_LISTING_H
#define SOCKHOP_LISTING_H

/* A socket, for `list`: what hop_show_tcp writes with bpf_seq_write(), and what hop_show_end answers. */
struct hop_show {
	__u64 cookie, peer_cookie;
	struct hop_tuple tuple;
	__u32 netns, state; /* enum hop_state */
	__u32 why, last_stay, end_flags, tcp_state;
	__u64 bytes; /* TCP-path bytes both ways */
	__u64 hops, hop_bytes, stays;
	__u64 cgroup;
	__u32 relay, relay_tag; /* of struct hop_sock */
	__u32 places;		/* of struct hop_sock */
	__u32 segs;		/* data segments both ways, on TCP */
};

/* The context of hop_show_end: which end, and what was found. */
struct hop_show_call {
	struct hop_key key;   /* in: of the end, as in map `ends` */
	struct hop_show show; /* out, if the program returned 0 */
};

/* What the holders iterator writes: a process that holds a registered socket. */
struct hop_holder {
	__u64 cookie;
	__u32 pid;
	__u32 why; /* enum hop_why: FLIPS, BLOCKS or 0 from the kernel; then the judgement of user space */
	struct hop_tuple tuple;
	char comm[16];
	__u64 cred, task, start; /* as in map `programs`; cred 0: another process made the socket */
};

#endif
