// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "foreign.h"
#include "folder.h"
#include "agent/lib/util.h"

#define USED_MAPS 64   /* maps of one program that are looked at */
#define PIN_LIMIT 4096 /* files below the bpffs that are looked at */

struct found {
	struct foreign_map *map;
	size_t n, room;
};

static bool is_ours(const char *prog)
{
	return !strncmp(prog, "hop_", 4) || !strncmp(prog, "probe_", 6) || !strncmp(prog, "relay_", 6);
}

static struct foreign_map *find(struct found *f, __u32 id)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->map[i].id == id)
			return &f->map[i];
	return NULL;
}

static int add_map(struct found *f, __u32 id)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	_cleanup_close_ int fd = bpf_map_get_fd_by_id(id);
	struct foreign_map *p;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) ||
	    (info.type != BPF_MAP_TYPE_SOCKHASH && info.type != BPF_MAP_TYPE_SOCKMAP))
		return 0;
	p = array_grow(f->map, f->n, &f->room, sizeof(*p));
	if (!p)
		return -ENOMEM;
	f->map = p;
	p += f->n++;
	*p = (struct foreign_map){.id = id};
	memcpy(p->name, info.name, sizeof(p->name));
	return 0;
}

static void forget(struct found *f, __u32 id)
{
	struct foreign_map *p = find(f, id);

	if (p)
		*p = f->map[--f->n];
}

/* Name a program with its maps, or take them off the list if it is ours. */
static void add_prog(struct found *f, __u32 id)
{
	__u32 ids[USED_MAPS] = {};
	struct bpf_prog_info info = {.nr_map_ids = USED_MAPS, .map_ids = (__u64)(long)ids};
	__u32 len = sizeof(info);
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return;
	for (__u32 i = 0; i < info.nr_map_ids && i < USED_MAPS; i++) {
		struct foreign_map *m = find(f, ids[i]);
		size_t at = m ? strlen(m->progs) : 0;

		if (m && is_ours(info.name))
			forget(f, ids[i]);
		else if (m && (info.type == BPF_PROG_TYPE_SOCK_OPS || info.type == BPF_PROG_TYPE_SK_MSG ||
			       info.type == BPF_PROG_TYPE_SK_SKB))
			snprintf(m->progs + at, sizeof(m->progs) - at, "%s%s (id %u)", at ? ", " : "",
				 info.name[0] ? info.name : "?", id);
	}
}

/* nftw() has no argument for its callback. */
static struct found *looking;
static unsigned int looked;

static int look_at_pin(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	_cleanup_close_ int fd = -1;
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	char link[64], kind[32] = "";
	struct foreign_map *m;

	(void)st;
	(void)ftw;
	if (++looked > PIN_LIMIT)
		return 1;
	if (type != FTW_F)
		return 0;
	fd = bpf_obj_get(path);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (fd < 0 || readlink(link, kind, sizeof(kind) - 1) < 0 || !strstr(kind, "bpf-map") ||
	    bpf_obj_get_info_by_fd(fd, &info, &len))
		return 0;
	m = find(looking, info.id);
	if (m && !m->pin[0])
		snprintf(m->pin, sizeof(m->pin), "%s", path);
	return 0;
}

int foreign_sockmaps(struct foreign_map **out, size_t *n)
{
	struct found f = {};
	__u32 id = 0;
	int err = 0;

	while (!err && !bpf_map_get_next_id(id, &id))
		err = add_map(&f, id);
	if (!err && errno != ENOENT)
		err = -errno;
	for (id = 0; !err && f.n && !bpf_prog_get_next_id(id, &id);)
		add_prog(&f, id);
	if (!err && f.n) {
		looking = &f;
		looked = 0;
		nftw(FOLDER_BPFFS, look_at_pin, 16, FTW_PHYS | FTW_MOUNT);
	}
	if (err) {
		free(f.map);
		return err;
	}
	*out = f.map;
	*n = f.n;
	return 0;
}
