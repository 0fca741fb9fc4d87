/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * conntrack.h: asks netfilter's connection tracking, over its netlink interface (ctnetlink,
 * net/netfilter/nf_conntrack_netlink.c), whether it translates one pair of addresses into another.
 */
#ifndef SOCKHOP_LIB_CONNTRACK_H
#define SOCKHOP_LIB_CONNTRACK_H

#include <linux/types.h>

#include "bpf/hop.h"

/*
 * A descriptor by which the network namespace of the caller can be asked for as long as it is open, whatever
 * namespace the caller goes to. The caller closes it. -errno: -EPROTONOSUPPORT and -EAFNOSUPPORT without
 * netfilter's netlink.
 */
int conntrack_open(void);

/*
 * Is there a TCP connection, in the default zone, of which one end sends from a->local to a->peer and the
 * other one from b->local to b->peer? Then what one sends arrives at the other, translated. It does not wait,
 * and takes no socket's lock. 1: yes; 0: no, or it is not tracked; -errno: it could not be asked. -EINVAL and
 * -EOPNOTSUPP: this kernel has no ctnetlink.
 */
int conntrack_translates(int fd, const struct hop_tuple *a, const struct hop_tuple *b);

#endif
