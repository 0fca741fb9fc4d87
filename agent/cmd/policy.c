// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "agent/instance/instance.h"
#include "agent/lib/util.h"
#include "agent/policy/policy.h"
#include "agent/view/output.h"

/* Change the policy. Returns EXIT_OK or what was printed about it. */
typedef int change_fn(struct hop_policy *policy, char **operands, unsigned int at);

/* "never port 22   # 1": what is shown can be set again. */
static void print_rules(json_object *rules)
{
	size_t count = json_object_array_length(rules);
	int width = 0;

	for (size_t i = 0; i < count; i++) {
		json_object *rule = json_object_object_get(json_object_array_get_idx(rules, i), "rule");
		int n = json_object_get_string_len(rule);

		width = n > width ? n : width;
	}
	for (size_t i = 0; i < count; i++) {
		json_object *o = json_object_array_get_idx(rules, i);

		printf("%-*s  # %d\n", width, json_object_get_string(json_object_object_get(o, "rule")),
		       json_object_get_int(json_object_object_get(o, "number")));
	}
	printf("# %s: late\n", count ? "what no rule matches" : "no rules");
}

static json_object *rule_json(const struct hop_rule *rule, unsigned int number)
{
	json_object *o = json_object_new_object();
	char text[POLICY_RULE_TEXT_MAX];

	policy_format_rule(rule, text, sizeof(text));
	json_object_object_add(o, "number", json_object_new_int(number));
	json_object_object_add(o, "action", json_object_new_string(policy_action_name(rule->action) ?: "?"));
	json_object_object_add(o, "rule", output_string(text, sizeof(text)));
	return o;
}

static int show(const struct instance *in, const struct hop_policy *policy, bool json)
{
	_cleanup_json_ json_object *o = json_object_new_object();
	json_object *rules = json_object_new_array();

	for (__u32 i = 0; i < policy->count && i < HOP_RULES_MAX; i++)
		json_object_array_add(rules, rule_json(&policy->rule[i], i + 1));
	json_object_object_add(o, "instance", json_object_new_string(in->name));
	json_object_object_add(o, "default", json_object_new_string(policy_action_name(HOP_ACTION_LATE)));
	json_object_object_add(o, "rules", rules);
	if (json)
		return exit_status(output_print(o, NULL, true));
	print_rules(rules);
	return EXIT_OK;
}

static int change_set(struct hop_policy *policy, char **operands, unsigned int at)
{
	char err[1024];
	int r = policy_parse_file(operands[0], policy, err, sizeof(err));

	(void)at;
	if (!r)
		return EXIT_OK;
	msg_error("%s; the policy is unchanged", err);
	return r == -EINVAL || r == -ENOSPC ? EXIT_USAGE : exit_status(r);
}

static int insert_line(struct hop_policy *policy, const char *line, unsigned int at)
{
	struct hop_rule rule;
	char err[512] = "it is empty";
	int r = policy_parse_line(line, &rule, err, sizeof(err));

	if (r)
		return cmd_usage_error("policy", "rule '%s': %s", line, err);
	r = policy_insert(policy, &rule, at);
	if (r == -ENOSPC) {
		msg_error("the policy is full: it holds %d rules; `sockhop policy del N` makes room",
			  HOP_RULES_MAX);
		return EXIT_FAIL;
	}
	if (r)
		return cmd_usage_error("policy", "no place --at %u: there are %u rules", at, policy->count);
	return EXIT_OK;
}

/* The words of one rule, as the shell split them; those that it kept together are quoted again. */
static char *join_words(char **words)
{
	char *line = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&line, &size);

	if (!f)
		return NULL;
	for (; *words; words++) {
		bool quote = **words != '"' && (!**words || **words == '#' || strpbrk(*words, " \t"));

		if (quote)
			fputc('"', f);
		for (const char *s = *words; *s; s++) {
			if (quote && (*s == '"' || *s == '\\'))
				fputc('\\', f);
			fputc(*s, f);
		}
		fputs(quote ? "\" " : " ", f);
	}
	fclose(f);
	return line;
}

/* Either each operand is a rule ("never port 22" "early all"), or all of them are the words of one. */
static int change_add(struct hop_policy *policy, char **operands, unsigned int at)
{
	_cleanup_free_ char *line = NULL;

	if (!strpbrk(operands[0], " \t")) {
		line = join_words(operands);
		return line ? insert_line(policy, line, at) : EXIT_FAIL;
	}
	for (; *operands; operands++) {
		int status = insert_line(policy, *operands, at);

		if (status)
			return status;
		at += at > 0;
	}
	return EXIT_OK;
}

static int change_del(struct hop_policy *policy, char **operands, unsigned int at)
{
	unsigned long n;
	char *end;

	(void)at;
	errno = 0;
	n = strtoul(operands[0], &end, 10);
	if (*operands[0] < '0' || *operands[0] > '9' || *end || errno)
		return cmd_usage_error("policy", "'%s' is no rule number", operands[0]);
	if (n > HOP_RULES_MAX || policy_remove(policy, n))
		return cmd_usage_error("policy", "no rule number %s: there are %u", operands[0],
				       policy->count);
	return EXIT_OK;
}

enum { SHOW, SET, ADD, DEL };
static const struct cmd_verb verbs[] = {
	[SHOW] = {.name = "show",
		  .help = "print the rules with their numbers",
		  .more = "What is printed can be *set* again."},
	[SET] = {.name = "set",
		 .operand = "FILE",
		 .completes = CMD_FILES,
		 .help = "replace all rules by those of FILE; - is standard input"},
	[ADD] = {.name = "add", .operand = "RULE", .many = true, .help = "add a rule at the end"},
	[DEL] = {.name = "del", .operand = "N", .help = "remove rule number N"},
	{0},
};
static change_fn *const changes[] = {
	[SHOW] = NULL, [SET] = change_set, [ADD] = change_add, [DEL] = change_del};

/* What is in force at once, and what waits. */
static void warn_no_agent(const struct instance *in)
{
	bool other = strcmp(in->name, INSTANCE_DEFAULT);

	msg_warn("the policy is in force, but no agent runs: all connections of instance '%s' take TCP, "
		 "and none joins or leaves, until an agent has judged them; start it: `sockhop agent%s%s`",
		 in->name, other ? " --instance " : "", other ? in->name : "");
}

/*
 * Read, change, and make the whole live at once; the instance lock keeps others from changing it in between.
 */
static int run_verb(change_fn *change, struct instance *in, char **operands, unsigned int at, bool json)
{
	_cleanup_free_ struct hop_policy *policy = calloc(1, sizeof(*policy));
	int r = policy ? instance_policy_get(in, policy) : -ENOMEM, status;

	if (r) {
		msg_error("cannot read the policy of instance '%s': %s", in->name, strerror(-r));
		return exit_status(r);
	}
	if (!change)
		return show(in, policy, json);
	status = change(policy, operands, at);
	if (status)
		return status;
	r = instance_policy_set(in, policy);
	if (r)
		return cmd_failed(FAILED_POLICY_SET, r, in->name);
	if (!instance_agent_alive(in, NULL)) {
		warn_no_agent(in);
		return EXIT_OK;
	}
	r = instance_poke(in);
	return r ? cmd_failed(NOTED_NOT_WOKEN, r, in->name) : EXIT_OK;
}

struct policy_args {
	const char *instance;
	unsigned int at;
	bool json;
};

static int policy(void *args, int n, char **operand)
{
	const struct policy_args *a = args;
	change_fn *change = changes[cmd_verb(&cmd_policy, operand[0])];
	struct instance in;
	int status = cmd_open(&in, a->instance, change ? INSTANCE_LOCK : INSTANCE_READ);

	(void)n;
	if (status)
		return status;
	status = run_verb(change, &in, operand + 1, a->at == CMD_NONE ? 0 : a->at, a->json);
	instance_close(&in);
	return status;
}

static const struct cmd_option options[] = {
	{
		.name = "json",
		.type = CMD_FLAG,
		.offset = offsetof(struct policy_args, json),
		.verb = "show",
		.help = "print JSON",
	},
	{
		.name = "at",
		.type = CMD_NUMBER,
		.offset = offsetof(struct policy_args, at),
		.verb = "add",
		.arg = "N",
		.min = 1,
		.max = HOP_RULES_MAX,
		.preset = CMD_NONE,
		.help = "insert before rule number N, not at the end",
	},
	CMD_INSTANCE(offsetof(struct policy_args, instance)),
	{0},
};

const struct command cmd_policy = {
	.name = "policy",
	.summary = "show or change which connections may hop",
	.verbs = verbs,
	.options = options,
	.size = sizeof(struct policy_args),
	.text = "The first rule that matches wins. sockhop(8) describes the rules.",
	.run = policy,
};
