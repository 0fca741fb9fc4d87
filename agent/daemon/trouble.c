// SPDX-License-Identifier: GPL-2.0-only
#include "trouble.h"

unsigned long long trouble_note(struct trouble *t, unsigned long long now, bool *say, unsigned int *silent)
{
	unsigned long long wait = TROUBLE_WAIT;

	for (unsigned int i = 0; i < t->row && wait < TROUBLE_WAIT_MAX; i++)
		wait *= 2;
	t->row++;
	*say = !t->said || now - t->said >= TROUBLE_SAY_EVERY;
	*silent = t->silent;
	t->silent = *say ? 0 : t->silent + 1;
	if (*say)
		t->said = now;
	return wait < TROUBLE_WAIT_MAX ? wait : TROUBLE_WAIT_MAX;
}

void trouble_over(struct trouble *t)
{
	t->row = 0;
}
