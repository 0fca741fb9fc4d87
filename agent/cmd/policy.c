// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "cmd.h"
#include "agent/instance/instance.h"
#include "agent/lib/text.h"
#include "agent/lib/util.h"
#include "agent/policy/policy.h"
#include "agent/view/output.h"

#define AT_NONE UINT_MAX /* no --at was given */

struct verb {
	const char *name;
	int operands; /* -1: one or more */
	const char *operand;
	/* Change the policy. Returns EXIT_OK or what was printed about it. NULL: show it. */
	int (*change)(struct hop_policy *policy, char **operands, unsigned int at);
};

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
		return output_print(o, NULL, true);
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

static const struct verb verbs[] = {
	{"show", 0, NULL, NULL},
	{"set", 1, "a FILE, or - for standard input", change_set},
	{"add", -1, "a RULE", change_add},
	{"del", 1, "a rule number", change_del},
};

static const struct verb *find_verb(const char *word)
{
	const char *names[ARRAY_SIZE(verbs) + 1] = {NULL}, *like;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!strcmp(word, verbs[i].name))
			return &verbs[i];
		names[i] = verbs[i].name;
	}
	like = text_closest(word, names);
	if (like)
		cmd_usage_error("policy", "unknown verb '%s', did you mean '%s'?", word, like);
	else
		cmd_usage_error("policy", "unknown verb '%s'", word);
	return NULL;
}

/* What is in force at once, and what waits. */
static void warn_no_agent(const struct instance *in)
{
	bool other = strcmp(in->name, INSTANCE_DEFAULT);

	msg_warn("the policy is in force, but no agent runs: all connections of instance '%s' take TCP, none "
		 "joins or "
		 "leaves, until one has judged them; start it: `sockhop agent%s%s`",
		 in->name, other ? " --instance " : "", other ? in->name : "");
}

/* Read, change, and make the whole live at once; the instance lock keeps others from changing it in between.
 */
static int run_verb(const struct verb *verb, struct instance *in, char **operands, unsigned int at, bool json)
{
	_cleanup_free_ struct hop_policy *policy = calloc(1, sizeof(*policy));
	int r = policy ? instance_policy_get(in, policy) : -ENOMEM, status;

	if (r) {
		msg_error("cannot read the policy of instance '%s': %s", in->name, strerror(-r));
		return exit_status(r);
	}
	if (!verb->change)
		return show(in, policy, json);
	status = verb->change(policy, operands, at);
	if (status)
		return status;
	r = instance_policy_set(in, policy);
	if (r)
		msg_error("cannot change the policy of instance '%s': %s", in->name, strerror(-r));
	else if (!instance_agent_alive(in, NULL))
		warn_no_agent(in);
	return exit_status(r);
}

static int check_operands(const struct verb *verb, int n, bool json, unsigned int at)
{
	if (verb->operands < 0 ? n < 1 : n != verb->operands) {
		if (!verb->operand)
			return cmd_usage_error("policy", "`%s` takes no operand", verb->name);
		return cmd_usage_error("policy", "`%s` wants %s", verb->name, verb->operand);
	}
	if (json && verb->change)
		return cmd_usage_error("policy", "--json goes with `show`");
	if (at != AT_NONE && verb->change != change_add)
		return cmd_usage_error("policy", "--at goes with `add`");
	if (!at)
		return cmd_usage_error("policy", "rules are counted from 1: --at 0 is no place");
	return EXIT_OK;
}

int cmd_policy(int argc, char **argv)
{
	const char *name = NULL;
	unsigned int at = AT_NONE;
	bool json = false;
	const struct cmd_option options[] = {
		{"instance", CMD_STRING, &name}, {"json", CMD_FLAG, &json}, {"at", CMD_NUMBER, &at}, {0}};
	int n = cmd_parse(argc, argv, options, CMD_PERMUTE), status;
	const struct verb *verb;
	struct instance in;

	if (n < 0)
		return cmd_parse_status(n);
	if (!n)
		return cmd_usage_error("policy", "what is to be done? show, set, add or del");
	verb = find_verb(argv[1]);
	if (!verb)
		return EXIT_USAGE;
	status = check_operands(verb, n - 1, json, at);
	if (status)
		return status;
	status = instance_open_explained(&in, name, verb->change ? INSTANCE_LOCK : INSTANCE_READ);
	if (status)
		return status;
	status = run_verb(verb, &in, argv + 2, at == AT_NONE ? 0 : at, json);
	instance_close(&in);
	return status;
}
