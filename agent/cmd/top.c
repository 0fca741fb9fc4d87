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

static int on_screen(struct top_view *v, struct source *source)
{
	const char *instance = source->instance ?: INSTANCE_DEFAULT;
	int err = top_screen(v, instance, sample, source);

	if (err == -ENOTTY)
		msg_error("cannot use a terminal of type '%s': set TERM, or use --batch",
			  getenv("TERM") ?: "");
	else if (err)
		msg_error("cannot read the instance '%s': %s", instance, strerror(-err));
	return exit_status(err);
}

static int show(struct top_view *v, struct source *source, bool in_batch, unsigned int count)
{
	struct instance in;
	int status = cmd_open(&in, source->instance, INSTANCE_READ);

	if (status)
		return status;
	instance_close(&in);
	source->names = names_new();
	if (!source->names)
		return EXIT_FAIL;
	status = in_batch ? batch(v, source, count) : on_screen(v, source);
	names_free(source->names);
	return status;
}

struct top_args {
	const char *instance, *filter;
	unsigned int what, key, delay, count;
	bool batch;
};

static int top_main(void *args, int n, char **operand)
{
	const struct top_args *a = args;
	struct top_view v = {.what = a->what, .key = a->key, .delay = a->delay};
	struct source source = {.instance = a->instance};

	(void)n;
	(void)operand;
	if (a->filter && strlen(a->filter) >= sizeof(v.filter))
		return cmd_usage_error("top", "a filter has less than %zu characters", sizeof(v.filter));
	strcpy(v.filter, a->filter ?: "");
	if (!a->batch && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		return cmd_usage_error("top", "this is not a terminal: use --batch");
	return show(&v, &source, a->batch, a->count);
}

static const struct cmd_option options[] = {
	{
		.name = "view",
		.type = CMD_CHOICE,
		.offset = offsetof(struct top_args, what),
		.arg = "VIEW",
		.words = top_whats,
		.preset = TOP_PAIRS,
		.help = "what each row shows",
		.more = "The keys 1, 2, 3 and w change it.",
	},
	{
		.name = "sort",
		.type = CMD_CHOICE,
		.offset = offsetof(struct top_args, key),
		.arg = "KEY",
		.words = top_keys,
		.preset = RATES_BY_MESSAGES,
		.help = "the order of the rows",
	},
	{
		.name = "filter",
		.type = CMD_STRING,
		.offset = offsetof(struct top_args, filter),
		.arg = "TEXT",
		.help = "only rows that contain TEXT",
	},
	{
		.name = "delay",
		.letter = 'd',
		.type = CMD_SECONDS,
		.offset = offsetof(struct top_args, delay),
		.arg = "S",
		.min = 1,
		.max = 86400,
		.preset = TOP_DELAY_S,
		.help = "the time between two updates",
	},
	{
		.name = "batch",
		.letter = 'b',
		.type = CMD_FLAG,
		.offset = offsetof(struct top_args, batch),
		.help = "print plain text",
	},
	{
		.name = "count",
		.letter = 'n',
		.type = CMD_NUMBER,
		.offset = offsetof(struct top_args, count),
		.arg = "N",
		.max = 1000000000,
		.help = "with --batch: end after N updates",
		.zero = "never",
	},
	CMD_INSTANCE(offsetof(struct top_args, instance)),
	{0},
};

const struct command cmd_top = {
	.name = "top",
	.summary = "show what hops each second, live",
	.options = options,
	.size = sizeof(struct top_args),
	.text = "Key ? shows the keys and what the columns mean. What a hop saves is estimated from "
		"benchmarks.",
	.run = top_main,
};
