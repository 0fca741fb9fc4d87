// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/policy/policy.h"

static struct hop_rule rule(const char *line)
{
	char err[512] = "";
	struct hop_rule r;

	if (policy_parse_line(line, &r, err, sizeof(err)))
		fail_msg("'%s': %s", line, err);
	return r;
}

/* IPv4 becomes v4-mapped, as everywhere. */
static void addr(const char *text, __u8 out[16])
{
	memset(out, 0, 16);
	if (inet_pton(AF_INET6, text, out) == 1)
		return;
	out[10] = out[11] = 0xff;
	assert_int_equal(inet_pton(AF_INET, text, out + 12), 1);
}

static struct hop_tuple tuple(const char *local, __u16 lport, const char *peer, __u16 rport)
{
	struct hop_tuple t = {.lport = lport, .rport = rport};

	addr(local, t.local);
	addr(peer, t.peer);
	return t;
}

static bool matches(const char *line, const char *local, __u16 lport, const char *peer, __u16 rport)
{
	struct hop_tuple t = tuple(local, lport, peer, rport);
	struct hop_rule r = rule(line);

	return hop_rule_match_tuple(&r, &t);
}

static void rule_parts_land_in_their_fields(void **state)
{
	struct hop_rule r = rule("early local port 6379 peer 10.0.0.0/8");
	static const __u8 net[16] = {[10] = 0xff, 0xff, 10};

	(void)state;
	assert_int_equal(r.action, HOP_ACTION_EARLY);
	assert_int_equal(r.local_lo, 6379);
	assert_int_equal(r.local_hi, 6379);
	assert_int_equal(r.port_lo, 0);
	assert_int_equal(r.port_hi, 65535);
	assert_int_equal(r.peer.len, 104);
	assert_memory_equal(r.peer.addr, net, 16);
	assert_int_equal(r.local.len, 0);
	r = rule(" trust\tprogram /usr/sbin/haproxy port 8080-8090 # why\r\n");
	assert_int_equal(r.action, HOP_ACTION_TRUST);
	assert_string_equal(r.program, "/usr/sbin/haproxy");
	assert_int_equal(r.port_lo, 8080);
	assert_int_equal(r.port_hi, 8090);
}

static void lines_without_a_rule(void **state)
{
	static const char *const lines[] = {"", " \t\n", "# never all", "  #x", NULL};
	struct hop_rule r;
	char err[64];

	(void)state;
	for (int i = 0; lines[i]; i++)
		assert_int_equal(policy_parse_line(lines[i], &r, err, sizeof(err)), 1);
}

/* Each wrong line and what its message must say. */
static const char *const wrong[][2] = {
	{"nevr port 22", "did you mean 'never'?"},
	{"deny port 22", "unknown action 'deny'"},
	{"NEVER", "unknown action"},
	{"never prot 22", "did you mean 'port'?"},
	{"never 22", "unknown word '22'"},
	{"never port", "'port' wants a port"},
	{"never port # 22", "'port' wants a port"},
	{"never port 0", "from 1 to 65535"},
	{"never port 65536", "from 1 to 65535"},
	{"never port 99999999999999999999", "from 1 to 65535"},
	{"never port -22", "from 1 to 65535"},
	{"never port +22", "from 1 to 65535"},
	{"never port 022", "from 1 to 65535"},
	{"never port 22x", "from 1 to 65535"},
	{"never port 22-", "from 1 to 65535"},
	{"never port 0-22", "from 1 to 65535"},
	{"never port 1-70000", "from 1 to 65535"},
	{"never port 1-2-3", "from 1 to 65535"},
	{"never port 22 - 24", "unknown word '-'"},
	{"never port ssh", "from 1 to 65535"},
	{"never port 23-22", "write 22-23"},
	{"never port 22 port 23", "'port' is given twice"},
	{"never local port 22 local port 23", "'local port' is given twice"},
	{"never peer 1.2.3.4 peer 1.2.3.5", "'peer' is given twice"},
	{"never peer ::/0 peer ::/0", "'peer' is given twice"},
	{"never local", "'local' wants 'port P[-Q]' or a network"},
	{"never local peer", "'peer' is no IPv4 or IPv6"},
	{"never addr", "'addr' wants"},
	{"never addr 10.0.0.1/8", "the network is 10.0.0.0/8"},
	{"never addr 10.255.255.255/9", "the network is 10.128.0.0/9"},
	{"never addr 1.2.3.4/0", "the network is 0.0.0.0/0"},
	{"never addr fd00::1/64", "the network is fd00::/64"},
	{"never addr fd00:0:0:1::/63", "the network is fd00::/63"},
	{"never addr ::1/0", "the network is ::/0"},
	{"never addr ::ffff:10.0.0.1/104", "the network is 10.0.0.0/8"},
	{"never addr 10.0.0.0/33", "from 0 to 32"},
	{"never addr ::/129", "from 0 to 128"},
	{"never addr 10.0.0.0/", "from 0 to 32"},
	{"never addr 10.0.0.0/-1", "from 0 to 32"},
	{"never addr 10.0.0.0/08", "from 0 to 32"},
	{"never addr 10.0.0.0/8/8", "from 0 to 32"},
	{"never addr 10.0.0/8", "no IPv4 or IPv6"},
	{"never addr 010.0.0.1", "no IPv4 or IPv6"},
	{"never addr fe80::1%lo", "no IPv4 or IPv6"},
	{"never addr localhost", "no IPv4 or IPv6"},
	{"never program", "'program' wants a name"},
	{"never program \"\"", "is empty"},
	{"never program sixteen-bytes-xx", "('sixteen-bytes-x')"},
	{"never program ./redis", "neither a name nor an absolute path"},
	{"never program \"a", "quote is not closed"},
	{"never program \"a\"b", "blank is missing"},
	{"never program a\x01", "control character"},
	{"early program redis-server", "'early' cannot depend on a program"},
	{"early port 6379 program /usr/bin/redis-server", "'early' cannot depend on a program"},
	{"never all port 22", "'all' stands on its own"},
	{"never port 22 all", "'all' stands on its own"},
	{"never all all", "'all' is given twice"},
};

static void errors_say_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hop_rule r = {.action = 77};
		char err[512] = "";

		if (policy_parse_line(wrong[i][0], &r, err, sizeof(err)) != -EINVAL)
			fail_msg("'%s' was taken", wrong[i][0]);
		if (!strstr(err, wrong[i][1]))
			fail_msg("'%s': '%s' does not say '%s'", wrong[i][0], err, wrong[i][1]);
		assert_int_equal(r.action, 77);
	}
}

static void overlong_paths_are_refused(void **state)
{
	char line[512] = "never program /", err[512] = "";
	struct hop_rule r;

	(void)state;
	memset(line + strlen(line), 'x', 126);
	assert_int_equal(policy_parse_line(line, &r, err, sizeof(err)), 0);
	assert_int_equal(strlen(r.program), 127);
	strcat(line, "x");
	assert_int_equal(policy_parse_line(line, &r, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "longer than 127"));
	memset(line + strlen(line), 'x', 300);
	assert_int_equal(policy_parse_line(line, &r, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "too long"));
}

static void format_is_canonical(void **state)
{
	static const char *const pairs[][2] = {
		{"never", "never all"},
		{"late all", "late all"},
		{"never addr ::/0", "never all"},
		{"never port 22-22", "never port 22"},
		{"never port 1-65535", "never port 1-65535"},
		{"never addr 0.0.0.0/0", "never addr 0.0.0.0/0"},
		{"never addr 10.0.0.1/32", "never addr 10.0.0.1"},
		{"never addr ::1/128", "never addr ::1"},
		{"never addr ::FFFF:0A00:0/104", "never addr 10.0.0.0/8"},
		{"never addr ::fffe:0:0/95", "never addr ::fffe:0:0/95"}, /* around the mapped ones */
		{"trust program a peer ::1 local fd00::/8 addr 1.1.1.1 peer port 3 local port 2 port 1",
		 "trust port 1 local port 2 peer port 3 addr 1.1.1.1 local fd00::/8 peer ::1 program a"},
		{"never program \"tmux: server\"", "never program \"tmux: server\""},
		{"never program \"a\\\"\\\\ b\"", "never program \"a\\\"\\\\ b\""},
		{"never program \"redis\"", "never program redis"},
		{"never program a#b", "never program a#b"},
		{"never program \"#b\"", "never program \"#b\""},
		{"never program \"/a b\"", "never program \"/a b\""},
	};
	char text[POLICY_RULE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct hop_rule r = rule(pairs[i][0]), again;

		policy_format_rule(&r, text, sizeof(text));
		assert_string_equal(text, pairs[i][1]);
		again = rule(text);
		assert_memory_equal(&r, &again, sizeof(r));
	}
}

static void random_ports(__u16 *lo, __u16 *hi)
{
	__u16 a = 1 + random() % 65535, b = 1 + random() % 65535;

	if (random() % 2)
		return;
	*lo = a < b ? a : b;
	*hi = random() % 3 ? (a < b ? b : a) : *lo;
}

static void random_prefix(struct hop_prefix *p)
{
	if (random() % 2)
		return;
	p->len = random() % 129;
	for (int i = 0; i < 16; i++)
		p->addr[i] = random() % 3 ? random() : 0;
	if (random() % 2)
		memcpy(p->addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
	for (unsigned int bit = p->len; bit < 128; bit++)
		p->addr[bit / 8] &= ~(0x80 >> bit % 8);
}

static struct hop_rule random_rule(void)
{
	static const char alphabet[] = "abc/\\\"# \xc3\xa4'";
	struct hop_rule r = {.port_hi = 65535, .local_hi = 65535, .peer_hi = 65535};
	bool path = random() % 2;

	r.action = random() % HOP_ACTION_COUNT;
	random_ports(&r.port_lo, &r.port_hi);
	random_ports(&r.local_lo, &r.local_hi);
	random_ports(&r.peer_lo, &r.peer_hi);
	random_prefix(&r.any);
	random_prefix(&r.local);
	random_prefix(&r.peer);
	if (r.action == HOP_ACTION_EARLY || random() % 2)
		return r;
	for (int i = 0, n = 1 + random() % (path ? 127 : 15); i < n; i++)
		do
			r.program[i] = path && !i ? '/' : alphabet[random() % (sizeof(alphabet) - 1)];
		while (!path && r.program[i] == '/');
	return r;
}

static void random_rules_survive_the_round_trip(void **state)
{
	char text[POLICY_RULE_TEXT_MAX], err[512];

	(void)state;
	srandom(42);
	for (int i = 0; i < 20000; i++) {
		struct hop_rule r = random_rule(), again;

		policy_format_rule(&r, text, sizeof(text));
		if (policy_parse_line(text, &again, err, sizeof(err)))
			fail_msg("'%s': %s", text, err);
		if (memcmp(&r, &again, sizeof(r)))
			fail_msg("'%s' reads as another rule", text);
	}
}

/* The definition of a prefix, bit by bit. */
static bool in_prefix(const struct hop_prefix *p, const __u8 a[16])
{
	for (unsigned int bit = 0; bit < p->len; bit++)
		if ((p->addr[bit / 8] ^ a[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

static void prefix_matches_up_to_its_length(void **state)
{
	(void)state;
	srandom(7);
	for (__u32 len = 0; len <= 128; len++) {
		struct hop_prefix p = {.len = len};

		for (int i = 0; i < 16; i++)
			p.addr[i] = random();
		assert_true(hop_prefix_match(&p, p.addr));
		for (int bit = 0; bit < 128; bit++) {
			__u8 a[16];

			memcpy(a, p.addr, 16);
			a[bit / 8] ^= 0x80 >> bit % 8;
			if (hop_prefix_match(&p, a) != in_prefix(&p, a))
				fail_msg("/%u, bit %d differs", len, bit);
			assert_int_equal(hop_prefix_match(&p, a), (__u32)bit >= len);
		}
	}
}

static void v4_is_matched_as_mapped(void **state)
{
	(void)state;
	assert_true(matches("never addr 127.0.0.0/8", "::ffff:127.0.0.1", 1, "127.0.0.1", 2));
	assert_true(matches("never addr 0.0.0.0/0", "10.1.2.3", 1, "10.1.2.4", 2));
	assert_false(matches("never addr 0.0.0.0/0", "::1", 1, "::1", 2));
	assert_true(matches("never addr ::/0", "10.1.2.3", 1, "10.1.2.4", 2));
	assert_true(matches("never addr 128.0.0.0/1", "128.0.0.1", 1, "1.1.1.1", 2));
	assert_false(matches("never addr 128.0.0.0/1", "127.0.0.1", 1, "1.1.1.1", 2));
	assert_true(matches("never peer 10.0.0.4/31", "1.1.1.1", 1, "10.0.0.5", 2));
	assert_false(matches("never peer 10.0.0.4/31", "1.1.1.1", 1, "10.0.0.6", 2));
	assert_false(matches("never peer 10.0.0.4", "1.1.1.1", 1, "10.0.0.5", 2));
}

static void sides_are_told_apart(void **state)
{
	(void)state;
	assert_true(matches("never local port 22", "::1", 22, "::1", 4000));
	assert_false(matches("never peer port 22", "::1", 22, "::1", 4000));
	assert_true(matches("never port 22", "::1", 22, "::1", 4000));
	assert_true(matches("never port 22", "::1", 4000, "::1", 22));
	assert_false(matches("never port 23-30", "::1", 22, "::1", 31));
	assert_true(matches("never local fd00::/16", "fd00::1", 1, "fd01::1", 2));
	assert_false(matches("never peer fd00::/16", "fd00::1", 1, "fd01::1", 2));
	assert_true(matches("never addr fd01::/16", "fd00::1", 1, "fd01::1", 2));
	assert_false(matches("never addr fd02::/16", "fd00::1", 1, "fd01::1", 2));
}

static void port_ranges_are_inclusive(void **state)
{
	(void)state;
	assert_false(matches("never local port 100-200", "::1", 99, "::1", 1));
	assert_true(matches("never local port 100-200", "::1", 100, "::1", 1));
	assert_true(matches("never local port 100-200", "::1", 200, "::1", 1));
	assert_false(matches("never local port 100-200", "::1", 201, "::1", 1));
	assert_true(matches("never peer port 65535", "::1", 1, "::1", 65535));
	assert_false(matches("never peer port 1", "::1", 1, "::1", 65535));
}

static void all_parts_must_match(void **state)
{
	static const char line[] = "never local port 6379 peer 10.0.0.0/8";

	(void)state;
	assert_true(matches(line, "10.0.0.1", 6379, "10.0.0.2", 5000));
	assert_false(matches(line, "10.0.0.1", 6380, "10.0.0.2", 5000));
	assert_false(matches(line, "10.0.0.1", 6379, "11.0.0.2", 5000));
}

static struct hop_policy policy(const char *const *lines)
{
	struct hop_policy p = {};

	for (; *lines; lines++) {
		struct hop_rule r = rule(*lines);

		assert_int_equal(policy_insert(&p, &r, 0), 0);
	}
	return p;
}

static void first_match_wins(void **state)
{
	static const char *const lines[] = {"late port 6379 local 10.0.0.0/8", "never port 6379",
					    "early port 5432", "trust", NULL};
	struct hop_policy p = policy(lines);
	struct hop_tuple t = tuple("10.0.0.1", 6379, "10.0.0.2", 9);

	(void)state;
	assert_int_equal(hop_policy_eval(&p, &t), HOP_ACTION_LATE);
	t = tuple("11.0.0.1", 6379, "10.0.0.2", 9);
	assert_int_equal(hop_policy_eval(&p, &t), HOP_ACTION_NEVER);
	t = tuple("11.0.0.1", 8, "10.0.0.2", 5432);
	assert_int_equal(hop_policy_eval(&p, &t), HOP_ACTION_EARLY);
	t = tuple("11.0.0.1", 8, "10.0.0.2", 9);
	assert_int_equal(hop_policy_eval(&p, &t), HOP_ACTION_TRUST);
	p.count = 3;
	assert_int_equal(hop_policy_eval(&p, &t), HOP_ACTION_LATE);
	p.count = 0;
	assert_int_equal(hop_policy_eval(&p, &t), HOP_ACTION_LATE);
}

static void kernel_asks_only_where_a_program_decides(void **state)
{
	static const char *const lines[] = {"never port 22", "trust program haproxy port 80",
					    "early port 80", "never program /usr/bin/python3.11",
					    "early",	     NULL};
	struct hop_policy p = policy(lines);
	struct hop_tuple ssh = tuple("::1", 22, "::1", 9), web = tuple("::1", 80, "::1", 9),
			 any = tuple("::1", 8, "::1", 9);

	(void)state;
	assert_int_equal(hop_policy_eval(&p, &ssh), HOP_ACTION_NEVER);
	assert_int_equal(hop_policy_eval(&p, &web), HOP_ACTION_ASK);
	assert_int_equal(hop_policy_eval(&p, &any), HOP_ACTION_ASK);
	assert_int_equal(hop_policy_eval_program(&p, &ssh, "haproxy", "/x"), HOP_ACTION_NEVER);
	assert_int_equal(hop_policy_eval_program(&p, &web, "haproxy", "/x"), HOP_ACTION_TRUST);
	assert_int_equal(hop_policy_eval_program(&p, &web, "haprox", "/x"), HOP_ACTION_EARLY);
	assert_int_equal(hop_policy_eval_program(&p, &any, "python3", "/usr/bin/python3.11"),
			 HOP_ACTION_NEVER);
	assert_int_equal(hop_policy_eval_program(&p, &any, "x", "/usr/bin/python3.11 (deleted)"),
			 HOP_ACTION_NEVER);
	assert_int_equal(hop_policy_eval_program(&p, &any, "x", "/usr/bin/python3.110"), HOP_ACTION_EARLY);
	assert_int_equal(hop_policy_eval_program(&p, &any, "x", "/usr/bin/python3.1"), HOP_ACTION_EARLY);
	assert_int_equal(hop_policy_eval_program(&p, &any, NULL, NULL), HOP_ACTION_EARLY);
}

static void pair_takes_the_strictest_wish(void **state)
{
	enum { L = HOP_ACTION_LATE, E, N, T, A = HOP_ACTION_ASK };
	static const struct {
		__u32 a, b, pair;
	} cases[] = {
		{L, L, L}, {L, E, E}, {L, N, N}, {L, T, T}, {L, A, A}, {E, E, E}, {E, N, N}, {E, T, E},
		{E, A, E}, {N, N, N}, {N, T, N}, {N, A, N}, {T, T, T}, {T, A, A}, {A, A, A},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(hop_policy_pair(cases[i].a, cases[i].b), cases[i].pair);
		assert_int_equal(hop_policy_pair(cases[i].b, cases[i].a), cases[i].pair);
	}
}

static void assert_ports(const struct hop_policy *p, const char *expect)
{
	char text[256] = "";

	for (__u32 i = 0; i < p->count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u ", p->rule[i].port_lo);
	assert_string_equal(text, expect);
}

static void rules_are_inserted_and_removed_by_number(void **state)
{
	static const char *const lines[] = {"never port 1", "never port 2", NULL};
	struct hop_policy p = policy(lines), before = p;
	struct hop_rule r = rule("never port 9");

	(void)state;
	assert_int_equal(policy_insert(&p, &r, 1), 0);
	assert_ports(&p, "9 1 2 ");
	assert_int_equal(policy_insert(&p, &r, 4), 0);
	assert_ports(&p, "9 1 2 9 ");
	assert_int_equal(policy_insert(&p, &r, 6), -ERANGE);
	assert_int_equal(policy_remove(&p, 5), -ERANGE);
	assert_int_equal(policy_remove(&p, 0), -ERANGE);
	assert_int_equal(policy_remove(&p, 1), 0);
	assert_int_equal(policy_remove(&p, 3), 0);
	assert_ports(&p, "1 2 ");
	assert_memory_equal(&p, &before, sizeof(p));
	while (p.count < HOP_RULES_MAX)
		assert_int_equal(policy_insert(&p, &r, 2), 0);
	assert_int_equal(policy_insert(&p, &r, 1), -ENOSPC);
	assert_int_equal(p.rule[HOP_RULES_MAX - 1].port_lo, 2);
}

static int parse_text(const char *text, size_t len, struct hop_policy *out, char *err, size_t size)
{
	char path[] = "/tmp/sockhop-policy-XXXXXX", *at;
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
	r = policy_parse_file(path, out, err, size);
	unlink(path);
	at = strstr(err, path);
	if (at) /* names differ from run to run */
		memmove(at, at + strlen(path), strlen(at + strlen(path)) + 1);
	return r;
}

static void files_are_read_whole_or_not_at_all(void **state)
{
	static const char good[] = "# ours\n\nnever port 22\r\n  early local port 6379";
	static const char bad[] = "never port 22\n\nnever port 0\n";
	static const char nul[] = "never port 22\nnever\0port 1\n";
	struct hop_policy p = {}, before;
	char err[512] = "";

	(void)state;
	assert_int_equal(parse_text(good, strlen(good), &p, err, sizeof(err)), 0);
	assert_int_equal(p.count, 2);
	assert_int_equal(p.rule[1].action, HOP_ACTION_EARLY);
	before = p;
	assert_int_equal(parse_text(bad, strlen(bad), &p, err, sizeof(err)), -EINVAL);
	assert_int_equal(strncmp(err, ":3: '0' is no port", 18), 0);
	assert_int_equal(parse_text(nul, sizeof(nul) - 1, &p, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, ":2: NUL byte"));
	assert_int_equal(policy_parse_file("/nowhere/policy", &p, err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, "/nowhere/policy"));
	assert_int_equal(policy_parse_file("/", &p, err, sizeof(err)), -EISDIR);
	assert_memory_equal(&p, &before, sizeof(p));
	assert_int_equal(parse_text("", 0, &p, err, sizeof(err)), 0);
	assert_int_equal(p.count, 0);
}

static void too_many_rules_are_refused(void **state)
{
	static const char line[] = "never port 22\n";
	char text[(HOP_RULES_MAX + 1) * sizeof(line)] = "", err[512] = "";
	struct hop_policy p;

	(void)state;
	for (int i = 0; i < HOP_RULES_MAX; i++)
		strcat(text, line);
	assert_int_equal(parse_text(text, strlen(text), &p, err, sizeof(err)), 0);
	assert_int_equal(p.count, HOP_RULES_MAX);
	strcat(text, line);
	assert_int_equal(parse_text(text, strlen(text), &p, err, sizeof(err)), -ENOSPC);
	assert_string_equal(err, ":65: too many rules: a policy holds 64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_parts_land_in_their_fields),
		cmocka_unit_test(lines_without_a_rule),
		cmocka_unit_test(errors_say_what_is_wrong),
		cmocka_unit_test(overlong_paths_are_refused),
		cmocka_unit_test(format_is_canonical),
		cmocka_unit_test(random_rules_survive_the_round_trip),
		cmocka_unit_test(prefix_matches_up_to_its_length),
		cmocka_unit_test(v4_is_matched_as_mapped),
		cmocka_unit_test(sides_are_told_apart),
		cmocka_unit_test(port_ranges_are_inclusive),
		cmocka_unit_test(all_parts_must_match),
		cmocka_unit_test(first_match_wins),
		cmocka_unit_test(kernel_asks_only_where_a_program_decides),
		cmocka_unit_test(pair_takes_the_strictest_wish),
		cmocka_unit_test(rules_are_inserted_and_removed_by_number),
		cmocka_unit_test(files_are_read_whole_or_not_at_all),
		cmocka_unit_test(too_many_rules_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
