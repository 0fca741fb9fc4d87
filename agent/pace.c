// SPDX-License-Identifier: GPL-2.0-only
#include "pace.h"

void pace_spend(struct pace *p, unsigned long long now, unsigned long long cost, bool joins)
{
	p->ended = now;
	p->cost = cost;
	if (!joins)
		return;
	if (p->paid < now)
		p->paid = now;
	/* crowds cost more than the share: they leave no savings, but no debts either */
	if (p->paid > now + PACE_SAVED)
		p->paid = now + PACE_SAVED;
	p->paid += PACE_SHARE * cost;
}

unsigned long long pace_not_before(const struct pace *p, enum pace_reason reason)
{
	unsigned long long again = p->ended + PACE_SHARE * p->cost,
			   soon = p->ended + PACE_NEW_SHARE * p->cost;
	unsigned long long saved = p->paid > PACE_SAVED ? p->paid - PACE_SAVED : 0;

	switch (reason) {
	case PACE_CROWD:
		return p->ended + PACE_CROWD_SHARE * p->cost;
	case PACE_NEW:
		if (saved < soon)
			return soon;
		return saved < again ? saved : again;
	default:
		return again;
	}
}
