/* SPDX-License-Identifier: GPL-2.0-only */
/* rule.h: part of abi.h: rules of a policy, and a connection as they see it. */
#ifndef SOCKHOP_RULE_H
#define SOCKHOP_RULE_H

/* Largest number of rules in a policy; the kernel side walks them linearly when an end registers. */
#define HOP_RULES_MAX 64

/*
 * A policy rule. Addresses are 16 bytes in network order, IPv4 as v4-mapped (::ffff:a.b.c.d, prefix + 96).
 * Ports are in host order, ranges inclusive; 0..65535 matches all. A rule matches when all its parts match.
 */
enum hop_action {
	HOP_ACTION_LATE,  /* join when the facts allow: the default */
	HOP_ACTION_EARLY, /* insert at ESTABLISHED */
	HOP_ACTION_NEVER,
	HOP_ACTION_TRUST, /* late, and a vetoed program may join */
	HOP_ACTION_COUNT,
	HOP_ACTION_ASK = 255 /* kernel side only: a program decides, user space must */
};

struct hop_prefix {
	__u8 addr[16];
	__u32 len; /* in bits, 0 matches everything */
};

struct hop_rule {
	__u32 action;			    /* enum hop_action */
	__u16 port_lo, port_hi;		    /* local or peer port */
	__u16 local_lo, local_hi;	    /* local port */
	__u16 peer_lo, peer_hi;		    /* peer port */
	struct hop_prefix any, local, peer; /* local or peer address; local; peer */
	char program[128]; /* "" any; with a '/': path of the executable; else its name (comm) */
};

struct hop_policy {
	__u32 count, pad;
	struct hop_rule rule[HOP_RULES_MAX];
};

/* A connection as one end sees it, for policy and display. Same conventions as struct hop_rule. */
struct hop_tuple {
	__u8 local[16], peer[16];
	__u16 lport, rport;
};

#endif
