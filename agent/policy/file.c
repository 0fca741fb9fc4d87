// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "agent/lib/util.h"

int policy_insert(struct hop_policy *policy, const struct hop_rule *rule, unsigned int at)
{
	unsigned int i = at ? at - 1 : policy->count;

	if (policy->count >= HOP_RULES_MAX)
		return -ENOSPC;
	if (i > policy->count)
		return -ERANGE;
	memmove(&policy->rule[i + 1], &policy->rule[i], (policy->count - i) * sizeof(*rule));
	policy->rule[i] = *rule;
	policy->count++;
	return 0;
}

int policy_remove(struct hop_policy *policy, unsigned int n)
{
	if (!n || n > policy->count)
		return -ERANGE;
	policy->count--;
	memmove(&policy->rule[n - 1], &policy->rule[n], (policy->count - (n - 1)) * sizeof(policy->rule[0]));
	memset(&policy->rule[policy->count], 0, sizeof(policy->rule[0]));
	return 0;
}

static int add_line(struct hop_policy *policy, const char *line, size_t len, char *err, size_t size)
{
	struct hop_rule rule;
	int r;

	if (strlen(line) != len) {
		snprintf(err, size, "NUL byte in the line: this is no text file");
		return -EINVAL;
	}
	r = policy_parse_line(line, &rule, err, size);
	if (r)
		return r < 0 ? r : 0;
	r = policy_insert(policy, &rule, 0);
	if (r)
		snprintf(err, size, "too many rules: a policy holds %d", HOP_RULES_MAX);
	return r;
}

static int read_rules(FILE *f, struct hop_policy *policy, unsigned int *line_no, char *err, size_t size)
{
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	ssize_t n;

	errno = 0;
	while ((n = getline(&line, &room, f)) >= 0) {
		int r;

		++*line_no;
		r = add_line(policy, line, n, err, size);
		if (r)
			return r;
		errno = 0;
	}
	if (feof(f))
		return 0;
	*line_no = 0;
	snprintf(err, size, "%s", strerror(errno));
	return -errno;
}

int policy_parse_file(const char *path, struct hop_policy *out, char *err, size_t size)
{
	bool standard = !strcmp(path, "-");
	const char *name = standard ? "standard input" : path;
	_cleanup_fclose_ FILE *file = standard ? NULL : fopen(path, "re");
	_cleanup_free_ struct hop_policy *policy = calloc(1, sizeof(*policy));
	unsigned int line = 0;
	char why[512];
	int r;

	if (!policy || (!standard && !file)) {
		r = -errno;
		snprintf(err, size, "cannot read '%s': %s", name, strerror(-r));
		return r;
	}
	r = read_rules(file ?: stdin, policy, &line, why, sizeof(why));
	if (!r)
		*out = *policy;
	else if (line)
		snprintf(err, size, "%s:%u: %s", name, line, why);
	else
		snprintf(err, size, "cannot read '%s': %s", name, why);
	return r;
}
