// SPDX-License-Identifier: GPL-2.0-only
/* Where cgroup2 is mounted. */
#include <errno.h>
#include <string.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "agent/lib/util.h"
#include "cgroup/cgroup.h"
#include "cgroup/path.h"

static bool is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7';
}

/* The kernel writes space, tab, newline and backslash as \ooo (fs/proc_namespace.c, mangle()). In place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (*s == '\\' && is_octal(s + 1)) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = 0;
}

/*
 * "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw": any number of optional
 * fields stands before the dash. Changes `line`; false if it is no cgroup2 mount.
 */
static bool parse_line(char *line, struct cgroup_mountpoint *out)
{
	char *rest = line, *dash = strstr(line, " - ");
	char *field[5];

	if (!dash || strncmp(dash + 3, "cgroup2 ", strlen("cgroup2 ")))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
		field[i] = strsep(&rest, " ");
		if (!field[i])
			return false;
	}
	unescape(field[3]);
	unescape(field[4]);
	return !path_copy(out->root, sizeof(out->root), field[3]) &&
	       !path_copy(out->point, sizeof(out->point), field[4]);
}

int cgroup_mountinfo_pick(FILE *mountinfo, bool (*usable)(const char *point), struct cgroup_mountpoint *out)
{
	_cleanup_free_ char *line = NULL;
	struct cgroup_mountpoint m;
	bool found = false;
	size_t room = 0;

	while (getline(&line, &room, mountinfo) > 0) {
		bool whole;

		if (!parse_line(line, &m) || (usable && !usable(m.point)))
			continue;
		whole = !strcmp(m.root, "/");
		if (!found || whole)
			*out = m;
		found = true;
		if (whole)
			break;
	}
	return found ? 0 : -ENOENT;
}

/* A mount that another one hides is still listed. */
static bool is_visible(const char *point)
{
	struct statfs fs;

	return !statfs(point, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC;
}

int cgroup_mountpoint_get(struct cgroup_mountpoint *out)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");

	return f ? cgroup_mountinfo_pick(f, is_visible, out) : -errno;
}

int cgroup_mount(char *buf, size_t size)
{
	struct cgroup_mountpoint m;
	int err = cgroup_mountpoint_get(&m);

	return err ? err : path_copy(buf, size, m.point);
}
