/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy.h: the text form of a policy. What a policy means is in bpf/policy.h.
 *
 *   ACTION [MATCH...]          one rule a line; `#` begins a comment; the first rule that matches wins
 *
 *   ACTION  late | early | never | trust
 *   MATCH   port P[-Q]         either port          local port P[-Q]   peer port P[-Q]
 *           addr CIDR          either address       local CIDR         peer CIDR
 *           program NAME       name of the process, or the absolute path of its executable
 *           all                everything, on its own (as is an ACTION without MATCH)
 *
 * All matches of a rule must hold; each may be given once. "local" is the end that is being judged: every
 * connection is judged twice. A NAME with blanks, quotes or a leading `#` stands in double quotes, with \"
 * and \\.
 *
 * The door of agent/policy: the text of rules to and from struct hop_policy, and files of them. It owns the
 * language; the rules that are in force are the instance's. It may call lib; instance and above call it.
 */
#ifndef SOCKHOP_AGENT_POLICY_H
#define SOCKHOP_AGENT_POLICY_H

#include <stddef.h>
#include "bpf/policy.h"

/* Room for any formatted rule and its NUL: a program may need a backslash for every byte. */
#define POLICY_RULE_TEXT_MAX 640

/* "late", ...; NULL for what is no action. */
const char *policy_action_name(__u32 action);

/*
 * Parse one line into *out. Returns 0; 1 if it holds no rule (blank, comment); -EINVAL with the reason in
 * err. *out is untouched unless 0 is returned, and then has no stray bytes: equal rules compare equal by
 * memcmp().
 */
int policy_parse_line(const char *line, struct hop_rule *out, char *err, size_t size);

/*
 * Parse a file, "-" is stdin, into *out, untouched on failure. err then says what, with file and line:
 * -EINVAL for its contents, -ENOSPC for too many rules, else why it could not be read.
 */
int policy_parse_file(const char *path, struct hop_policy *out, char *err, size_t size);

/* The canonical text, without a newline; policy_parse_line() of it gives the same rule again. */
void policy_format_rule(const struct hop_rule *rule, char *buf, size_t size);

/* Insert before the rule that is number `at` (from 1); 0 or count + 1 is the end. -ENOSPC, -ERANGE. */
int policy_insert(struct hop_policy *policy, const struct hop_rule *rule, unsigned int at);

/* Remove rule number n (from 1). -ERANGE. */
int policy_remove(struct hop_policy *policy, unsigned int n);

#endif
