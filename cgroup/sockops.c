// SPDX-License-Identifier: GPL-2.0-only
/* The programs of a cgroup. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "agent/lib/util.h"
#include "cgroup/cgroup.h"
#include "cgroup/path.h"

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int cgroup_sockops_progs(const char *path, bool effective, __u32 *ids, __u32 *count)
{
	_cleanup_close_ int fd = open_dir(path);

	if (fd < 0)
		return fd;
	return bpf_prog_query(fd, BPF_CGROUP_SOCK_OPS, effective ? BPF_F_QUERY_EFFECTIVE : 0, NULL, ids,
			      count);
}

/* How many programs the cgroup itself has, and the flags that they were attached with. */
static int query(const char *path, enum bpf_attach_type type, __u32 *flags, __u32 *count)
{
	_cleanup_close_ int fd = open_dir(path);

	if (fd < 0)
		return fd;
	*flags = *count = 0;
	return bpf_prog_query(fd, type, 0, flags, NULL, count);
}

int cgroup_hook_exclusive(const char *path, enum bpf_attach_type type, char *where, size_t size)
{
	char at[PATH_MAX], mount[PATH_MAX];
	__u32 allowed = BPF_F_ALLOW_MULTI, flags, count;
	int err = cgroup_mount(mount, sizeof(mount));

	if (!err)
		err = path_copy(at, sizeof(at), path);
	while (!err) {
		err = query(at, type, &flags, &count);
		if (err)
			break;
		if (count && !(flags & allowed)) {
			err = where ? path_copy(where, size, at) : 0;
			return err ? err : 1;
		}
		/* above `path` the nearest program decides, and one that may be overridden is no obstacle */
		if (count && allowed != BPF_F_ALLOW_MULTI)
			break;
		if (!strcmp(at, mount) || !cgroup_is_below(at, mount))
			break;
		allowed = BPF_F_ALLOW_MULTI | BPF_F_ALLOW_OVERRIDE;
		*strrchr(at, '/') = 0;
	}
	return err;
}
