// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services.h"

static int by_cookie(const void *a, const void *b)
{
	__u64 x = ((const struct service_end *)a)->cookie, y = ((const struct service_end *)b)->cookie;

	return (x > y) - (x < y);
}

void services_begin(struct services *s)
{
	struct service *other = &s->service[SERVICES_MAX];

	snprintf(other->label, sizeof(other->label), "%s", SERVICES_OTHER);
	other->kind = "";
	for (size_t i = 0; i <= SERVICES_MAX; i++)
		s->service[i].members = s->service[i].candidates = 0;
}

/* The names of services without ends are free for others; called between two looks. */
static void drop_empty(struct services *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->service[i].members || s->service[i].candidates)
			s->service[kept++] = s->service[i];
	s->n = kept;
}

static struct service *find(struct services *s, const struct who *who)
{
	char label[WHO_LABEL];

	if (!who)
		return &s->service[SERVICES_MAX];
	who_label(who, label);
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->service[i].label, label))
			return &s->service[i];
	if (s->n == SERVICES_MAX)
		return &s->service[SERVICES_MAX];
	s->service[s->n] = (struct service){.kind = who_kind_name(who->kind)};
	memcpy(s->service[s->n].label, label, sizeof(label));
	return &s->service[s->n++];
}

/* Counts of an end do not shrink; if they do, they began anew. */
static unsigned long long grown(unsigned long long before, unsigned long long now)
{
	return now >= before ? now - before : now;
}

int services_add(struct services *s, const struct who *who, const struct service_end *end)
{
	struct service *service = find(s, who);
	struct service_end *copy = malloc(sizeof(*copy)), *const * at, old = {0};

	if (!copy)
		return -ENOMEM;
	*copy = *end;
	at = tsearch(copy, &s->now, by_cookie);
	if (!at || *at != copy) { /* no memory, or a second record of one socket */
		free(copy);
		return at ? 0 : -ENOMEM;
	}
	if (end->member)
		service->members++;
	else
		service->candidates++;
	at = tfind(end, &s->before, by_cookie);
	if (at)
		old = **at;
	else if (!s->began)
		old = *end;
	service->hops += grown(old.hops, end->hops);
	service->stays += grown(old.stays, end->stays);
	service->hop_bytes += grown(old.hop_bytes, end->hop_bytes);
	return 0;
}

void services_end(struct services *s)
{
	tdestroy(s->before, free);
	s->before = s->now;
	s->now = NULL;
	s->began = true;
	if (s->n == SERVICES_MAX)
		drop_empty(s);
}

void services_free(struct services *s)
{
	tdestroy(s->before, free);
	tdestroy(s->now, free);
	*s = (struct services){0};
}
