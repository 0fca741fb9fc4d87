// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <signal.h>
#include <bpf/bpf.h>

#include "collapse.h"
#include "instance.h"
#include "show.h"
#include "util.h"

struct sweep {
	struct hop_key *key;
	size_t count, room;
	__u32 alive; /* the last owner that was found alive: most often there is one */
};

static int note_orphan(const void *key, const void *value, void *arg)
{
	const struct hop_collapse *c = value;
	struct sweep *s = arg;

	if (c->owner == s->alive)
		return 0;
	if (!kill((pid_t)c->owner, 0) || errno != ESRCH) {
		s->alive = c->owner;
		return 0;
	}
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct hop_key *bigger = reallocarray(s->key, room, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		s->key = bigger;
		s->room = room;
	}
	s->key[s->count++] = *(const struct hop_key *)key;
	return 0;
}

void collapse_sweep(const struct instance *in)
{
	struct sweep s = {0};

	(void)show_map(in->map[MAP_COLLAPSE], sizeof(struct hop_key), sizeof(struct hop_collapse),
		       note_orphan, &s);
	for (size_t i = 0; i < s.count; i++)
		bpf_map_delete_elem(in->map[MAP_COLLAPSE], &s.key[i]);
	if (s.count)
		msg_debug("removed %zu records of relays that are no more", s.count);
	free(s.key);
}
