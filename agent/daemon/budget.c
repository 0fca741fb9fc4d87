// SPDX-License-Identifier: GPL-2.0-only
#include "budget.h"

void budget_spend(struct budget *p, unsigned long long now, unsigned long long cost, bool joins)
{
	p->ended = now;
	p->cost = cost;
	if (!joins)
		return;
	if (p->paid < now)
		p->paid = now;
	/* crowds cost more than the share: they leave no savings, but no debts either */
	if (p->paid > now + BUDGET_SAVED)
		p->paid = now + BUDGET_SAVED;
	p->paid += BUDGET_SHARE * cost;
}

unsigned long long budget_not_before(const struct budget *p, enum budget_reason reason)
{
	unsigned long long again = p->ended + BUDGET_SHARE * p->cost,
			   soon = p->ended + BUDGET_NEW_SHARE * p->cost;
	unsigned long long saved = p->paid > BUDGET_SAVED ? p->paid - BUDGET_SAVED : 0;

	switch (reason) {
	case BUDGET_CROWD:
		return p->ended + BUDGET_CROWD_SHARE * p->cost;
	case BUDGET_NEW:
		if (saved < soon)
			return soon;
		return saved < again ? saved : again;
	default:
		return again;
	}
}
