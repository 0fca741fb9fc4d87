// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "agent/lib/text.h"
#include "agent/lib/util.h"

#define BLANKS	 " \t\r\n"
#define PORT_MAX 65535
#define V4_BITS	 96 /* length of ::ffff:0:0/96, which holds the v4-mapped addresses */

/* TASK_COMM_LEN is 16 with its NUL: a longer name never matches. */
#define COMM_MAX 15

static const char *const actions[] = {
	[HOP_ACTION_LATE] = "late",   [HOP_ACTION_EARLY] = "early", [HOP_ACTION_NEVER] = "never",
	[HOP_ACTION_TRUST] = "trust", [HOP_ACTION_COUNT] = NULL,
};
_Static_assert(ARRAY_SIZE(actions) == HOP_ACTION_COUNT + 1, "every action needs its word");

/* What a rule may match, as bits of what a line has had already. */
enum match { ANY_PORT, LOCAL_PORT, PEER_PORT, ANY_ADDR, LOCAL_ADDR, PEER_ADDR, PROGRAM, ALL };
static const char *const match_names[] = {
	"port", "local port", "peer port", "addr", "local", "peer", "program", "all",
};

struct parser {
	const char *pos;  /* what is not read yet */
	char word[256];	  /* the last word, without its quotes */
	unsigned int had; /* bits: enum match */
	struct hop_rule rule;
	char *err;
	size_t size;
};

static const unsigned char v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

const char *policy_action_name(__u32 action)
{
	return action < HOP_ACTION_COUNT ? actions[action] : NULL;
}

static int __attribute__((format(printf, 2, 3))) fail(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->err, p->size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int unknown_word(struct parser *p, const char *what, const char *const *words)
{
	const char *like = text_closest(p->word, words);

	if (like)
		return fail(p, "unknown %s '%s', did you mean '%s'?", what, p->word, like);
	return fail(p, "unknown %s '%s'", what, p->word);
}

/* The next word: 1 and it is in p->word, 0 at the end of the line, -EINVAL. */
static int next_word(struct parser *p)
{
	const char *s = p->pos + strspn(p->pos, BLANKS);
	size_t n = 0;
	bool quoted;

	if (!*s || *s == '#') {
		p->pos = s + strlen(s);
		return 0;
	}
	quoted = *s == '"';
	s += quoted;
	for (; *s && !strchr(quoted ? "\"" : BLANKS, *s); s++) {
		if (quoted && *s == '\\' && (s[1] == '"' || s[1] == '\\'))
			s++;
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return fail(p, "control character in the rule");
		if (n == sizeof(p->word) - 1)
			return fail(p, "a word of the rule is too long");
		p->word[n++] = *s;
	}
	p->word[n] = '\0';
	if (quoted && *s++ != '"')
		return fail(p, "a quote is not closed");
	if (quoted && *s && !strchr(BLANKS, *s))
		return fail(p, "a blank is missing after the closing quote");
	p->pos = s;
	return 1;
}

/* The argument of a match. */
static int next_arg(struct parser *p, enum match m, const char *wants)
{
	int r = next_word(p);

	if (r < 0)
		return r;
	return r ? 0 : fail(p, "'%s' wants %s", match_names[m], wants);
}

/* Decimal digits without sign or leading zeros, up to max; *end is set behind them. -1 otherwise. */
static long number(const char *s, const char **end, long max)
{
	size_t digits = strspn(s, "0123456789");
	long n;

	*end = s + digits;
	if (!digits || digits > 5 || (s[0] == '0' && digits > 1))
		return -1;
	n = strtol(s, NULL, 10);
	return n <= max ? n : -1;
}

static int parse_ports(struct parser *p, enum match m, __u16 *lo, __u16 *hi)
{
	const char *end;
	long from, to;
	int r = next_arg(p, m, "a port or a range P-Q");

	if (r)
		return r;
	from = to = number(p->word, &end, PORT_MAX);
	if (*end == '-')
		to = number(end + 1, &end, PORT_MAX);
	if (*end || from < 1 || to < 1)
		return fail(p, "'%s' is no port or range of ports: they go from 1 to %d", p->word, PORT_MAX);
	if (to < from)
		return fail(p, "the range %ld-%ld is upside down: write %ld-%ld", from, to, to, from);
	*lo = from;
	*hi = to;
	return 0;
}

static void format_prefix(const struct hop_prefix *prefix, char *buf, size_t size)
{
	bool v4 = prefix->len >= V4_BITS && !memcmp(prefix->addr, v4_mapped, sizeof(v4_mapped));
	__u32 len = v4 ? prefix->len - V4_BITS : prefix->len;
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(v4 ? AF_INET : AF_INET6, prefix->addr + (v4 ? sizeof(v4_mapped) : 0), addr, sizeof(addr));
	if (prefix->len == 128)
		snprintf(buf, size, "%s", addr);
	else
		snprintf(buf, size, "%s/%u", addr, len);
}

/* Clear the bits behind the prefix; true if there were any. */
static bool clear_host_bits(struct hop_prefix *prefix)
{
	bool had = false;

	for (__u32 i = 0; i < sizeof(prefix->addr); i++) {
		__u32 keep = prefix->len > i * 8 ? prefix->len - i * 8 : 0;
		__u8 mask = keep >= 8 ? 0xff : 0xff << (8 - keep);

		had = had || (prefix->addr[i] & ~mask);
		prefix->addr[i] &= mask;
	}
	return had;
}

/* p->word is "ADDRESS[/LENGTH]". */
static int parse_prefix(struct parser *p, struct hop_prefix *out)
{
	struct hop_prefix prefix = {.len = 128};
	char *slash = strchr(p->word, '/'), net[INET6_ADDRSTRLEN + 8];
	bool v4 = !memchr(p->word, ':', strlen(p->word));
	int bits = v4 ? 32 : 128, ok;
	const char *end = "";
	long len = bits;

	if (slash) {
		len = number(slash + 1, &end, bits);
		*slash = '\0';
	}
	if (v4)
		memcpy(prefix.addr, v4_mapped, sizeof(v4_mapped));
	ok = inet_pton(v4 ? AF_INET : AF_INET6, p->word, prefix.addr + (v4 ? sizeof(v4_mapped) : 0));
	if (slash)
		*slash = '/';
	if (ok != 1)
		return fail(p, "'%s' is no IPv4 or IPv6 address or network", p->word);
	if (*end || len < 0)
		return fail(p, "the prefix length of '%s' is not a number from 0 to %d", p->word, bits);
	prefix.len = len + 128 - bits;
	if (clear_host_bits(&prefix)) {
		format_prefix(&prefix, net, sizeof(net));
		return fail(p, "'%s' has bits set behind its prefix: the network is %s", p->word, net);
	}
	*out = prefix;
	return 0;
}

static int parse_program(struct parser *p)
{
	int r = next_arg(p, PROGRAM, "a name or the absolute path of an executable");
	size_t n = strlen(p->word);

	if (r)
		return r;
	if (!n)
		return fail(p, "the name of the program is empty");
	if (!strchr(p->word, '/') && n > COMM_MAX)
		return fail(p,
			    "the program name '%s' is too long: the kernel keeps %d bytes ('%.*s'); "
			    "give those or a path",
			    p->word, COMM_MAX, COMM_MAX, p->word);
	if (strchr(p->word, '/') && p->word[0] != '/')
		return fail(p, "'%s' is neither a name nor an absolute path", p->word);
	if (n >= sizeof(p->rule.program))
		return fail(p, "the path of the program is longer than %zu bytes",
			    sizeof(p->rule.program) - 1);
	memcpy(p->rule.program, p->word, n);
	return 0;
}

static int once(struct parser *p, enum match m)
{
	if (p->had & 1u << m)
		return fail(p, "'%s' is given twice", match_names[m]);
	p->had |= 1u << m;
	return 0;
}

/* "local" or "peer" was read: what follows is "port P[-Q]" or a network. */
static int parse_side(struct parser *p, enum match port, enum match addr)
{
	bool local = port == LOCAL_PORT;
	int r = next_arg(p, addr, "'port P[-Q]' or a network");

	if (r)
		return r;
	if (strcmp(p->word, "port"))
		return once(p, addr) ?: parse_prefix(p, local ? &p->rule.local : &p->rule.peer);
	if (local)
		return once(p, port) ?: parse_ports(p, port, &p->rule.local_lo, &p->rule.local_hi);
	return once(p, port) ?: parse_ports(p, port, &p->rule.peer_lo, &p->rule.peer_hi);
}

static int parse_match(struct parser *p)
{
	static const char *const words[] = {"port", "local", "peer", "addr", "program", "all", NULL};
	int r;

	if (!strcmp(p->word, "local"))
		return parse_side(p, LOCAL_PORT, LOCAL_ADDR);
	if (!strcmp(p->word, "peer"))
		return parse_side(p, PEER_PORT, PEER_ADDR);
	if (!strcmp(p->word, "port"))
		return once(p, ANY_PORT) ?: parse_ports(p, ANY_PORT, &p->rule.port_lo, &p->rule.port_hi);
	if (!strcmp(p->word, "program"))
		return once(p, PROGRAM) ?: parse_program(p);
	if (!strcmp(p->word, "all"))
		return once(p, ALL);
	if (strcmp(p->word, "addr"))
		return unknown_word(p, "word", words);
	r = once(p, ANY_ADDR) ?: next_arg(p, ANY_ADDR, "an address or a network");
	return r ?: parse_prefix(p, &p->rule.any);
}

static int parse_action(struct parser *p)
{
	while (actions[p->rule.action] && strcmp(p->word, actions[p->rule.action]))
		p->rule.action++;
	return actions[p->rule.action] ? 0 : unknown_word(p, "action", actions);
}

int policy_parse_line(const char *line, struct hop_rule *out, char *err, size_t size)
{
	struct parser p = {
		.pos = line,
		.rule = {.port_hi = PORT_MAX, .local_hi = PORT_MAX, .peer_hi = PORT_MAX},
		.err = err,
		.size = size,
	};
	int r = next_word(&p);

	if (r <= 0)
		return r ?: 1;
	r = parse_action(&p);
	while (!r && (r = next_word(&p)) > 0)
		r = parse_match(&p);
	if (r)
		return r;
	if (p.had & 1u << ALL && p.had != 1u << ALL)
		return fail(&p, "'all' stands on its own: leave it out");
	if (p.rule.action == HOP_ACTION_EARLY && p.rule.program[0])
		return fail(&p, "'early' cannot depend on a program, which is not known when a connection is "
				"established: name ports or addresses");
	*out = p.rule;
	return 0;
}

/* Does next_word() take s as it is, without quotes? */
static bool plain_word(const char *s)
{
	return *s && *s != '#' && *s != '"' && !s[strcspn(s, BLANKS)];
}

static void put_program(FILE *f, const char *s)
{
	fputs(" program ", f);
	if (plain_word(s)) {
		fputs(s, f);
		return;
	}
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		fputc(*s, f);
	}
	fputc('"', f);
}

static void put_ports(FILE *f, enum match m, __u16 lo, __u16 hi)
{
	if (lo == 0 && hi == PORT_MAX)
		return;
	fprintf(f, " %s %u", match_names[m], lo);
	if (lo != hi)
		fprintf(f, "-%u", hi);
}

static void put_prefix(FILE *f, enum match m, const struct hop_prefix *prefix)
{
	char text[INET6_ADDRSTRLEN + 8];

	if (!prefix->len)
		return;
	format_prefix(prefix, text, sizeof(text));
	fprintf(f, " %s %s", match_names[m], text);
}

void policy_format_rule(const struct hop_rule *rule, char *buf, size_t size)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0, action;
	FILE *f = open_memstream(&text, &len);

	if (!f) {
		snprintf(buf, size, "?");
		return;
	}
	action = fprintf(f, "%s", policy_action_name(rule->action) ?: "?");
	put_ports(f, ANY_PORT, rule->port_lo, rule->port_hi);
	put_ports(f, LOCAL_PORT, rule->local_lo, rule->local_hi);
	put_ports(f, PEER_PORT, rule->peer_lo, rule->peer_hi);
	put_prefix(f, ANY_ADDR, &rule->any);
	put_prefix(f, LOCAL_ADDR, &rule->local);
	put_prefix(f, PEER_ADDR, &rule->peer);
	if (rule->program[0])
		put_program(f, rule->program);
	if (!fflush(f) && len == action)
		fputs(" all", f);
	fclose(f);
	snprintf(buf, size, "%s", text ?: "?");
}
