// SPDX-License-Identifier: GPL-2.0-only
#include "direction.h"
#include "kern.h"

struct relay_ep *relay_dir_ep(const struct relay_dir *d)
{
	return relay_kern_ep(d->pair->worker->kern, d->pair->slot + relay_dir_index(d));
}

uint64_t relay_dir_kernel_bytes(const struct relay_dir *d)
{
	return d->pair->slot < 0 ? 0 : __atomic_load_n(&relay_dir_ep(d)->redirected, __ATOMIC_ACQUIRE);
}

uint64_t relay_dir_trimmed(const struct relay_dir *d)
{
	return d->pair->slot < 0 ? 0 : __atomic_load_n(&relay_dir_ep(d)->trimmed, __ATOMIC_ACQUIRE);
}
