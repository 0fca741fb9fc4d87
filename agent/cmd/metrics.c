// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "agent/instance/instance.h"
#include "agent/lib/util.h"
#include "agent/metrics/http.h"
#include "agent/metrics/listen.h"
#include "agent/metrics/metrics.h"
#include "agent/view/output.h"

/* For a textfile collector: what is not attached is said there, too. */
static int print_once(struct metrics *m, int status, enum metrics_format format)
{
	_cleanup_json_ json_object *o = NULL;
	int err;

	o = metrics_collect(m, &err);
	metrics_write(stdout, o, format);
	return status;
}

static int cannot_listen(const char *cmd, const char *where, int err, const char *why)
{
	if (err == -EINVAL && why)
		return cmd_usage_error(cmd, "cannot listen on '%s': %s", where, why);
	msg_error("cannot listen on %s: %s%s", where, strerror(-err),
		  err == -EADDRINUSE ? " (another process listens there: give another --listen, or end it)"
				     : "");
	return exit_status(err);
}

static int serve(struct metrics *m, struct listener *l)
{
	int err;

	fprintf(stderr, "sockhop: metrics are at %s\n", l->name);
	err = metrics_serve(m, l->fd);
	if (!err)
		l->fd = -1; /* closed by the server */
	if (err)
		msg_error("cannot serve %s: %s", l->name, strerror(-err));
	return exit_status(err);
}

/* Says what is wrong with the instance, as every command does. Not attached: who serves waits for it. */
static int try_open(const char *name, bool serving)
{
	struct instance in;
	int err = instance_open(&in, name, INSTANCE_READ), status;

	if (err == -ENOENT && serving) {
		msg_warn("instance '%s' is not attached: sockhop_attached is 0 until it is",
			 name ?: INSTANCE_DEFAULT);
		return EXIT_OK;
	}
	if (!err)
		instance_close(&in);
	status = instance_open_explained(&in, name, INSTANCE_READ);
	if (!status)
		instance_close(&in);
	return status;
}

static int run(const char *name, struct listener *l, int status, enum metrics_format format)
{
	struct metrics *m = metrics_new(name);

	if (!m)
		return EXIT_FAIL;
	status = l ? serve(m, l) : print_once(m, status, format);
	metrics_free(m);
	return status;
}

int cmd_metrics(int argc, char **argv)
{
	const char *name = NULL, *where = NULL, *why = NULL;
	struct listener l = {.fd = -1};
	bool openmetrics = false;
	const struct cmd_option options[] = {{"instance", CMD_STRING, &name},
					     {"listen", CMD_STRING, &where},
					     {"openmetrics", CMD_FLAG, &openmetrics},
					     {0}};
	int n = cmd_parse(argc, argv, options, CMD_PERMUTE), status, err;

	if (n < 0)
		return cmd_parse_status(n);
	if (n)
		return cmd_usage_error(argv[0], "unexpected argument '%s'", argv[1]);
	if (where && openmetrics)
		return cmd_usage_error(argv[0], "with --listen the client asks for its format");
	if (where && !metrics_can_serve()) {
		msg_error("this build has no HTTP server: let a textfile collector read `sockhop metrics`");
		return EXIT_UNSUPPORTED;
	}
	if (where && (err = listener_open(where, &l, &why)))
		return cannot_listen(argv[0], where, err, why);
	status = try_open(name, where);
	if (!status || (!where && status == EXIT_NOT_ATTACHED))
		status = run(name, where ? &l : NULL, status,
			     openmetrics ? METRICS_OPENMETRICS : METRICS_TEXT);
	listener_close(&l);
	return status;
}
