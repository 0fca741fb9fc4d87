/* SPDX-License-Identifier: GPL-2.0-only */
/* collapse.h: records of hop collapse that outlived their relay. */
#ifndef SOCKHOP_INSTANCE_COLLAPSE_H
#define SOCKHOP_INSTANCE_COLLAPSE_H

struct instance;

/*
 * Remove the records of killed relays, which could not do so themselves. Such a record misleads no end, since
 * the socket that it names is gone (cross_check() in bpf/visit.bpf.c), but takes its place.
 */
void collapse_sweep(const struct instance *in);

#endif
