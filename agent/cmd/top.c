// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "agent/instance/instance.h"
#include "agent/lib/util.h"
#include "agent/top/top.h"
#include "agent/view/names.h"

struct source {
	const char *instance; /* NULL: the default */
	struct names *names;
};

/* The instance is opened for each sample: it may have been detached, and another one attached. */
static int sample(void *arg, struct sample *s)
{
	struct source *source = arg;
	struct instance in;
	int err = instance_open(&in, source->instance, INSTANCE_READ);

	if (err)
		return err;
	err = top_sample(&in, source->names, s);
	instance_close(&in);
	return err;
}

static void put_line(void *arg, enum top_style style, const char *line)
{
	(void)arg;
	if (style != TOP_HELP)
		puts(line);
}

/* As top(1) -b: count frames (0: without end), an empty line between two. */
static int batch(struct top_view *v, struct source *source, unsigned int count)
{
	struct sample both[2] = {0};
	int newer = 0, err = sample(source, &both[0]);
	char clock[16];

	for (unsigned int i = 0; !err && (!count || i < count); i++) {
		const struct top_frame frame = {source->instance ?: INSTANCE_DEFAULT, clock, &both[newer],
						&both[!newer]};

		sleep(v->delay);
		newer = !newer;
		err = sample(source, &both[newer]);
		if (err)
			break;
		top_clock(clock);
		if (i)
			putchar('\n');
		err = top_write(v, &frame, 0, 0, put_line, NULL);
		if (fflush(stdout))
			break; /* main() says that it failed */
	}
	sample_free(&both[0]);
	sample_free(&both[1]);
	if (!err)
		return EXIT_OK;
	if (err == -ENOENT) {
		msg_error("the instance was detached");
		return EXIT_NOT_ATTACHED;
	}
	msg_error("cannot read the instance: %s", strerror(-err));
	return exit_status(err);
}

/* The letters that top(1) has for the same. */
static void spell_out(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-b"))
			argv[i] = "--batch";
		else if (!strcmp(argv[i], "-n"))
			argv[i] = "--count";
		else if (!strcmp(argv[i], "-d"))
			argv[i] = "--delay";
	}
}

static int no_such(const char *cmd, const char *what, const char *given, const char *known)
{
	return cmd_usage_error(cmd, "there is no %s '%s': %s", what, given, known);
}

static int set_view(const char *cmd, struct top_view *v, const char *what, const char *key,
		    const char *filter)
{
	int w = what ? top_what_find(what) : TOP_PAIRS, k = key ? top_key_find(key) : RATES_BY_MESSAGES;

	if (w < 0)
		return no_such(cmd, "view", what, "pairs, programs, services, why");
	if (k < 0)
		return no_such(cmd, "order", key, "messages, bytes, share, saved, connections, name");
	if (filter && strlen(filter) >= sizeof(v->filter))
		return cmd_usage_error(cmd, "a filter has less than %zu characters", sizeof(v->filter));
	if (!v->delay)
		return cmd_usage_error(cmd, "option '--delay' wants at least 1 second");
	v->what = w;
	v->key = k;
	strcpy(v->filter, filter ?: "");
	return EXIT_OK;
}

static int show(struct top_view *v, struct source *source, bool in_batch, unsigned int count)
{
	struct instance in;
	int status = instance_open_explained(&in, source->instance, INSTANCE_READ);

	if (status)
		return status;
	instance_close(&in);
	source->names = names_new();
	if (!source->names)
		return EXIT_FAIL;
	if (in_batch)
		status = batch(v, source, count);
	else
		status = top_screen(v, source->instance ?: INSTANCE_DEFAULT, sample, source);
	names_free(source->names);
	return status;
}

int cmd_top(int argc, char **argv)
{
	struct top_view v = {.delay = TOP_DELAY_S};
	const char *what = NULL, *key = NULL, *filter = NULL;
	struct source source = {0};
	unsigned int count = 0;
	bool in_batch = false;
	const struct cmd_option options[] = {{"instance", CMD_STRING, &source.instance},
					     {"batch", CMD_FLAG, &in_batch},
					     {"count", CMD_NUMBER, &count},
					     {"delay", CMD_NUMBER, &v.delay},
					     {"view", CMD_STRING, &what},
					     {"sort", CMD_STRING, &key},
					     {"filter", CMD_STRING, &filter},
					     {0}};
	int n, status;

	spell_out(argc, argv);
	n = cmd_parse(argc, argv, options, CMD_PERMUTE);
	if (n < 0)
		return cmd_parse_status(n);
	if (n)
		return cmd_usage_error(argv[0], "unexpected argument '%s'", argv[1]);
	status = set_view(argv[0], &v, what, key, filter);
	if (status)
		return status;
	if (!in_batch && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		return cmd_usage_error(argv[0], "this is no terminal: use --batch");
	return show(&v, &source, in_batch, count);
}
