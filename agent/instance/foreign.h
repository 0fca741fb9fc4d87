/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * foreign.h: sockmaps and sockhashes of other programs on this host. A socket is in one sockmap user's hands
 * only (sk_user_data), so one that a tracer or a mesh has entered in its own never joins (reason
 * other-sockmap).
 */
#ifndef SOCKHOP_INSTANCE_FOREIGN_H
#define SOCKHOP_INSTANCE_FOREIGN_H

#include <stddef.h>
#include <linux/types.h>

struct foreign_map {
	__u32 id;
	char name[16];	 /* BPF_OBJ_NAME_LEN */
	char progs[192]; /* the sockops, sk_msg and sk_skb programs that use it: "name (id 7), ..."; may be
			    cut */
	char pin[160];	 /* where it is pinned below /sys/fs/bpf; "" if nowhere that was looked at */
};

/*
 * All of them; the caller frees *out. 0 or -errno: -EPERM without CAP_SYS_ADMIN, which walks by id need. Ours
 * are left out: those that a program of ours uses.
 */
int foreign_sockmaps(struct foreign_map **out, size_t *n);

#endif
