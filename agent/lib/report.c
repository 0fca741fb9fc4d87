// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "report.h"
#include "util.h"

int report_add_detail(struct report *r, enum failure_kind kind, int err, const char *object,
		      const char *detail)
{
	struct failure *list = r ? array_grow(r->list, r->n, &r->room, sizeof(*list)) : NULL;

	if (!list)
		return err;
	r->list = list;
	list[r->n++] = (struct failure){.kind = kind,
					.err = err,
					.object = object ? strdup(object) : NULL,
					.detail = detail ? strdup(detail) : NULL};
	return err;
}

int report_add(struct report *r, enum failure_kind kind, int err, const char *object)
{
	return report_add_detail(r, kind, err, object, NULL);
}

void report_free(struct report *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->list[i].object);
		free(r->list[i].detail);
	}
	free(r->list);
	*r = (struct report){0};
}
