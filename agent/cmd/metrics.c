// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "configured.h"
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

/* Says what is wrong with the instance, as every command does. Not attached: a server waits for it. */
static int try_open(const char *name, bool serving)
{
	struct instance in;
	int err = instance_open(&in, name, INSTANCE_READ), status;

	if (err == -ENOENT && serving) {
		msg_warn("instance '%s' is not attached: sockhop_attached is 0 until it is",
			 name ?: INSTANCE_DEFAULT);
		return EXIT_OK;
	}
	status = cmd_opened(&in, name, INSTANCE_READ, err);
	if (!err)
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

struct metrics_args {
	const char *instance, *where, *config;
	bool openmetrics;
};

static int collect_or_serve(const struct metrics_args *a)
{
	struct listener l = {.fd = -1};
	const char *why = NULL;
	int status, err;

	if (a->where && a->openmetrics)
		return cmd_usage_error("metrics", "with --listen the client asks for its format");
	if (a->where && !metrics_can_serve()) {
		msg_error("this build has no HTTP server: let a textfile collector read `sockhop metrics`");
		return EXIT_UNSUPPORTED;
	}
	if (a->where && (err = listener_open(a->where, &l, &why)))
		return cannot_listen("metrics", a->where, err, why);
	status = try_open(a->instance, a->where);
	if (!status || (!a->where && status == EXIT_NOT_ATTACHED))
		status = run(a->instance, a->where ? &l : NULL, status,
			     a->openmetrics ? METRICS_OPENMETRICS : METRICS_TEXT);
	listener_close(&l);
	return status;
}

/* Instance and address are those of the file, unless they are given. */
static int metrics_main(void *args, int n, char **operand)
{
	struct metrics_args a = *(const struct metrics_args *)args;
	struct configured c = {0};
	int status;

	(void)n;
	(void)operand;
	if (!a.config)
		return collect_or_serve(&a);
	status = cmd_configured_read(a.config, a.instance, &c);
	if (status)
		return status;
	a.instance = c.instance;
	a.where = a.where ?: c.listen;
	if (a.where)
		status = collect_or_serve(&a);
	else
		status = cmd_usage_error("metrics", "%s has no listen = in [metrics]", c.config.file);
	configured_free(&c);
	return status;
}

static const struct cmd_option options[] = {
	{
		.name = "listen",
		.type = CMD_STRING,
		.offset = offsetof(struct metrics_args, where),
		.arg = "ADDR",
		.help = "serve them over HTTP, in the foreground",
		.more = "It is a port (on 127.0.0.1), _ADDRESS:PORT_, *unix:*_PATH_, or *fd*: the socket "
			"that the service manager hands over. The client asks for its format.",
	},
	{
		.name = "openmetrics",
		.type = CMD_FLAG,
		.offset = offsetof(struct metrics_args, openmetrics),
		.help = "print OpenMetrics, not the text format of Prometheus",
	},
	CMD_CONFIG(offsetof(struct metrics_args, config)),
	CMD_INSTANCE(offsetof(struct metrics_args, instance)),
	{0},
};

const struct command cmd_metrics = {
	.name = "metrics",
	.summary = "print metrics for Prometheus, or serve them",
	.options = options,
	.size = sizeof(struct metrics_args),
	.text = "Without --listen it prints them once, for a textfile collector. Alert rules and a "
		"dashboard are in share/sockhop.",
	.run = metrics_main,
};
