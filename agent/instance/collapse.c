// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <bpf/bpf.h>

#include "collapse.h"
#include "instance.h"
#include "agent/lib/map.h"
#include "agent/lib/util.h"

struct sweep {
	struct hop_key *key;
	size_t count, room;
	__u32 alive; /* the last owner that was found alive: most often there is one */
};

static int note_orphan(const void *key, const void *value, void *arg)
{
	const struct hop_collapse *c = value;
	struct sweep *s = arg;
	struct hop_key *p;

	if (c->owner == s->alive)
		return 0;
	if (process_alive(c->owner)) {
		s->alive = c->owner;
		return 0;
	}
	p = array_grow(s->key, s->count, &s->room, sizeof(*p));
	if (!p)
		return -ENOMEM;
	s->key = p;
	s->key[s->count++] = *(const struct hop_key *)key;
	return 0;
}

void collapse_sweep(const struct instance *in)
{
	struct sweep s = {0};

	(void)map_each(in->map[MAP_COLLAPSE], sizeof(struct hop_key), sizeof(struct hop_collapse),
		       note_orphan, &s);
	for (size_t i = 0; i < s.count; i++)
		bpf_map_delete_elem(in->map[MAP_COLLAPSE], &s.key[i]);
	if (s.count)
		msg_debug("removed %zu records of relays that are no more", s.count);
	free(s.key);
}
