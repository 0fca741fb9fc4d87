// SPDX-License-Identifier: GPL-2.0-only
#include "late.h"

#define AGAIN	  10000000000ull /* ns until the next try, at first */
#define AGAIN_MAX 5		 /* doublings of that */

void late_note(struct late *l, pid_t pid, int err, unsigned long long now)
{
	struct late_process *p = &l->slot[pid % LATE_SLOTS];

	if (p->pid != pid)
		p->times = 0;
	else if (p->times < AGAIN_MAX)
		p->times++;
	p->pid = pid;
	p->err = err;
	p->until = now + (AGAIN << p->times);
}

int late_error(const struct late *l, pid_t pid, unsigned long long now)
{
	const struct late_process *p = &l->slot[pid % LATE_SLOTS];

	return p->pid == pid && now < p->until ? p->err : 0;
}
