/* SPDX-License-Identifier: GPL-2.0-only */
/* list_columns.h: the columns of `sockhop list`, and which of them are shown. */
#ifndef SOCKHOP_CMD_LIST_COLUMNS_H
#define SOCKHOP_CMD_LIST_COLUMNS_H

#include "agent/view/output.h"

/*
 * The columns that `names` lists ("state,a,b"), in that order, for a view of output.h; NULL: those shown
 * unless others are asked for. The caller frees *out. 0; -EINVAL: there is no such column, its name is in
 * `bad`; or -ENOMEM.
 */
int list_columns(const char *names, struct output_column **out, char *bad, size_t size);

/* Those of relayed connections, which are always shown. */
extern const struct output_column list_relay_columns[];

/* The name in the list that is most like `bad`, or NULL. */
const char *list_columns_like(const char *bad);

#endif
