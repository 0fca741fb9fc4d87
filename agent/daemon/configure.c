// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "configure.h"
#include "lifecycle.h"
#include "agent/config/record.h"
#include "agent/config/runtime.h"
#include "agent/config/scan.h"
#include "agent/lib/util.h"
#include "cgroup/cgroup.h"

/* Detaching what is taken back: it was attached a moment ago, so hardly anybody has joined. */
#define BACK_MS 2000

struct ids {
	__u64 *id;
	size_t n, room;
};

static int ids_add(struct ids *l, __u64 id)
{
	__u64 *p = array_grow(l->id, l->n, &l->room, sizeof(*p));

	if (!p)
		return -ENOMEM;
	l->id = p;
	p[l->n++] = id;
	return 0;
}

static bool has_entry(const struct instance *in, __u64 id)
{
	struct hop_cgroup cg;

	return !bpf_map_lookup_elem(in->map[MAP_CGROUPS], &id, &cg);
}

static int attach_one(struct instance *in, const char *path, struct ids *added, struct report *r)
{
	bool known;
	__u64 id;
	int err;

	if (cgroup_id(path, &id)) /* it has gone */
		return 0;
	known = has_entry(in, id);
	err = lifecycle_attach(in, path, HOP_CG_SELECTED, r);
	return err ?: known || !has_entry(in, id) ? 0 : ids_add(added, id);
}

int configure_attach(struct instance *in, const struct config *c, struct report *r)
{
	struct matches m = {};
	struct ids added = {};
	int err = matches_find(c, &m);

	for (size_t i = 0; i < m.n && !err; i++)
		err = attach_one(in, m.match[i].path, &added, r);
	if (!err) {
		err = record_write(in->name, c);
		if (err)
			report_add(r, FAILED_RECORD, err, in->name);
	}
	if (err && added.n)
		lifecycle_detach_some(in, added.id, added.n, BACK_MS, r);
	matches_free(&m);
	free(added.id);
	return err;
}

struct unselected {
	const struct config *config;
	const char *mount;
	struct ids ids;
	struct report *r;
};

/* By the path alone: its cgroup may have gone, and then the agent sees to it. */
static bool is_selected(const struct config *c, const char *below)
{
	size_t len;

	for (size_t i = 0; i < c->n; i++)
		if (selector_match(&c->selector[i], below, &runtime_names, &len) == SELECTED_HERE &&
		    len == strlen(below))
			return true;
	return false;
}

static int find_unselected(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	struct unselected *u = arg;
	size_t len = strlen(u->mount);
	const char *below = cgroup_is_below(cg->path, u->mount) ? cg->path + len : cg->path;

	if (!(cg->flags & HOP_CG_SELECTED) || instance_cgroup_state(id, cg) == CGROUP_GONE ||
	    is_selected(u->config, *below ? below : "/"))
		return 0;
	report_add(u->r, NOTED_UNSELECTED, 0, cg->path);
	return ids_add(&u->ids, id);
}

int configure_drop(struct instance *in, const struct config *c, unsigned int timeout_ms, struct report *r)
{
	char mount[PATH_MAX];
	struct unselected u = {.config = c, .mount = mount, .r = r};
	int err = cgroup_mount(mount, sizeof(mount));

	if (!err)
		err = instance_each_cgroup(in, find_unselected, &u);
	if (!err && u.ids.n)
		err = lifecycle_detach_some(in, u.ids.id, u.ids.n, timeout_ms, r);
	free(u.ids.id);
	return err;
}
