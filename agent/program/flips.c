// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "flips.h"

int flips_program(pid_t pid, const char *comm, struct flips_program *out)
{
	struct stat st;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (stat(path, &st))
		return -errno;
	memset(out, 0, sizeof(*out));
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	snprintf(out->comm, sizeof(out->comm), "%s", comm);
	return 0;
}

bool flips_has(const struct flips *f, const struct flips_program *p)
{
	for (unsigned int i = 0; i < f->n && i < FLIPS_MAX; i++)
		if (f->seen[i].dev == p->dev && f->seen[i].ino == p->ino &&
		    !strncmp(f->seen[i].comm, p->comm, sizeof(p->comm)))
			return true;
	return false;
}

bool flips_add(struct flips *f, const struct flips_program *p)
{
	if (flips_has(f, p))
		return false;
	f->seen[f->n % FLIPS_MAX] = *p;
	if (++f->n == 2 * FLIPS_MAX) /* stays above FLIPS_MAX, and never wraps */
		f->n = FLIPS_MAX;
	return true;
}
