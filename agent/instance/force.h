/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * force.h: SOCKHOP_TEST_FORCE, which takes rules away to show what they protect from (enum hop_force). Only
 * the build for tests knows it (HOP_TEST): the program that `make install` installs refuses to attach with
 * it.
 */
#ifndef SOCKHOP_INSTANCE_FORCE_H
#define SOCKHOP_INSTANCE_FORCE_H

#include <stddef.h>
#include <linux/types.h>

#define FORCE_ENV "SOCKHOP_TEST_FORCE"

/*
 * The switches of a text: names or numbers, separated by commas ("order,trim", "0x8"). -EINVAL: one of them
 * is unknown; *out is untouched then.
 */
int force_parse(const char *text, __u32 *out);

/* The switches of the environment, 0 without. -EINVAL as above; -EOPNOTSUPP: not in this build. */
int force_from_env(__u32 *out);

/* Their names, "order,trim"; "" for none. */
void force_names(__u32 force, char *buf, size_t size);

#endif
