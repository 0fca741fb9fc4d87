// SPDX-License-Identifier: GPL-2.0-only
/* sample.c: a sample of an instance, with the names of the ends. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <netinet/in.h>

#include "top.h"
#include "agent/instance/instance.h"
#include "agent/instance/snapshot.h"
#include "agent/lib/util.h"
#include "agent/relay/addr.h"
#include "agent/view/names.h"
#include "agent/view/pair.h"
#include "agent/view/reasons.h"

struct collect {
	const struct instance *in;
	struct names *names;
	struct sample *out;
	int err;
};

static void address_label(const unsigned char addr[16], unsigned int port, char *buf, size_t size)
{
	struct relay_addr a = {.len = sizeof(struct sockaddr_in6)};
	struct sockaddr_in6 *in6 = (void *)&a.ss;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, addr, 16);
	relay_addr_format(&a, buf, size);
}

static void name_end(const struct collect *c, const struct hop_show *s, struct rates_end *out)
{
	const struct who *who = names_cgroup(c->names, s->cgroup);
	char label[PROGRAM_LABEL];
	struct program p;

	names_program(c->names, c->in, s->cookie, &p);
	program_label(&p, label);
	snprintf(out->program, sizeof(out->program), "%s", p.comm);
	if (who)
		who_label(who, out->service);
	if (p.pid)
		snprintf(out->label, sizeof(out->label), "%s:%u", label, s->tuple.lport);
	else
		address_label(s->tuple.local, s->tuple.lport, out->label, sizeof(out->label));
}

static void collect_pair(const struct hop_show *a, const struct hop_show *b, void *arg)
{
	struct collect *c = arg;
	const struct pair pair = {a, b};
	const struct reason *why = pair_reason(&pair, pair_state_of(&pair));
	struct rates_pair p = {
		.id = b && b->cookie < a->cookie ? b->cookie : a->cookie,
		.hops = a->hops + (b ? b->hops : 0),
		.stays = a->stays + (b ? b->stays : 0),
		.hop_bytes = a->hop_bytes + (b ? b->hop_bytes : 0),
		/* either end sees both directions */
		.tcp_bytes = a->bytes,
		.segs = a->segs,
		.member = b && hop_in(a->state) && hop_in(b->state),
		.why = why ? why->name : NULL,
	};

	name_end(c, a, &p.a);
	if (b)
		name_end(c, b, &p.b);
	else
		address_label(a->tuple.peer, a->tuple.rport, p.b.label, sizeof(p.b.label));
	c->err = c->err ?: sample_add(c->out, &p);
}

/* As in the metrics: an end without a reason waits for the next pass. */
static void count_out(const struct snapshot *show, struct sample *s)
{
	for (size_t i = 0; i < show->count; i++) {
		unsigned int why = show->record[i].why;

		if (!hop_in(show->record[i].state) && why < HOP_WHY_COUNT)
			s->out[why == HOP_WHY_NONE ? HOP_WHY_WAITING : why]++;
	}
}

static void read_counters(const struct instance *in, struct sample *s)
{
	s->hops = instance_counter(in, HOP_CNT_HOPS);
	s->hop_bytes = instance_counter(in, HOP_CNT_HOP_BYTES);
	s->stay_bytes = instance_counter(in, HOP_CNT_STAY_BYTES);
	for (unsigned int i = 0; i < HOP_STAY_COUNT; i++)
		s->stays[i] = instance_counter(in, HOP_CNT_STAY + i);
	for (unsigned int i = 0; i < HOP_WHY_COUNT; i++)
		s->whys[i] = instance_counter(in, HOP_CNT_WHY + i);
	s->members = in->config->members;
}

int top_sample(const struct instance *in, struct names *names, struct sample *s)
{
	struct collect c = {.in = in, .names = names, .out = s};
	struct snapshot show = {0};

	sample_free(s);
	names_forget(names);
	s->at_ns = now_ns();
	s->attached = true;
	read_counters(in, s);
	c.err = snapshot_load(in, &show);
	count_out(&show, s);
	snapshot_pairs(&show, collect_pair, &c);
	snapshot_free(&show);
	sample_sort(s);
	return c.err;
}

void top_clock(char buf[16])
{
	time_t now = time(NULL);
	struct tm tm;

	strftime(buf, 16, "%H:%M:%S", localtime_r(&now, &tm));
}
