// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <errno.h>
#include <string.h>

#include "agent/relay/addr.h"

static void assert_split(const char *text, const char *host, const char *port)
{
	char h[64], p[16];
	const char *why = NULL;

	assert_int_equal(relay_addr_split(text, h, sizeof(h), p, sizeof(p), &why), 0);
	assert_string_equal(h, host);
	assert_string_equal(p, port);
}

static void assert_no_split(const char *text)
{
	char h[16], p[8];
	const char *why = NULL;

	assert_int_equal(relay_addr_split(text, h, sizeof(h), p, sizeof(p), &why), -EINVAL);
	assert_non_null(why);
}

static void split_takes_hosts_ports_and_brackets(void **state)
{
	(void)state;
	assert_split("127.0.0.1:80", "127.0.0.1", "80");
	assert_split("example.org:http", "example.org", "http");
	assert_split("[::1]:80", "::1", "80");
	assert_split("[fe80::1%lo]:80", "fe80::1%lo", "80");
	assert_split(":80", "", "80");
	assert_split("80", "", "80");
	assert_split("*:80", "*", "80");
}

static void split_refuses_what_is_ambiguous_or_too_long(void **state)
{
	(void)state;
	assert_no_split("::1:80");
	assert_no_split("[::1:80");
	assert_no_split("host:");
	assert_no_split("");
	assert_no_split("a-host-name-that-is-too-long:80");
	assert_no_split("host:123456789");
}

static void assert_format(const char *text)
{
	struct relay_addr a;
	const char *why;
	char buf[64];

	assert_int_equal(relay_addr_listen(text, &a, &why), 0);
	relay_addr_format(&a, buf, sizeof(buf));
	assert_string_equal(buf, text);
}

static void format_is_what_was_parsed(void **state)
{
	struct relay_addr a = {.len = 0};
	char buf[64];

	(void)state;
	assert_format("127.0.0.1:80");
	assert_format("[::1]:65535");
	relay_addr_format(&a, buf, sizeof(buf));
	assert_string_equal(buf, "-");
}

static void format_shows_a_mapped_address_as_ipv4(void **state)
{
	struct relay_addr a;
	const char *why;
	char buf[64];

	(void)state;
	assert_int_equal(relay_addr_listen("[::ffff:10.1.2.3]:80", &a, &why), 0);
	relay_addr_format(&a, buf, sizeof(buf));
	assert_string_equal(buf, "10.1.2.3:80");
}

static void target_may_be_a_unix_path(void **state)
{
	struct relay_target t;
	const char *why = NULL;
	char buf[128], path[256];

	(void)state;
	assert_int_equal(relay_target_resolve("unix:/run/a.sock", &t, &why), 0);
	assert_int_equal(t.n_addr, 1);
	relay_addr_format(t.addr, buf, sizeof(buf));
	assert_string_equal(buf, "unix:/run/a.sock");
	relay_target_free(&t);
	assert_int_equal(relay_target_resolve("unix:", &t, &why), -EINVAL);
	memset(path, 'x', sizeof(path));
	memcpy(path, "unix:", 5);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(relay_target_resolve(path, &t, &why), -EINVAL);
	assert_int_equal(relay_target_resolve(":80", &t, &why), -EINVAL);
}

/* The bytes of the specification's section 2.2, for 10.0.0.1:1000 to 10.0.0.2:80. */
static void proxy_header_ipv4(void **state)
{
	static const uint8_t want[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49,
				       0x54, 0x0a, 0x21, 0x11, 0x00, 0x0c, 10,	 0,    0,    1,
				       10,   0,	   0,	 2,    0x03, 0xe8, 0x00, 0x50};
	uint8_t got[PROXY_V2_MAX];
	struct relay_addr s, d;
	const char *why;

	(void)state;
	relay_addr_listen("10.0.0.1:1000", &s, &why);
	relay_addr_listen("10.0.0.2:80", &d, &why);
	assert_int_equal(relay_proxy_v2(&s, &d, got), sizeof(want));
	assert_memory_equal(got, want, sizeof(want));
	/* a client of a dual-stack listener */
	relay_addr_listen("[::ffff:10.0.0.1]:1000", &s, &why);
	relay_addr_listen("[::ffff:10.0.0.2]:80", &d, &why);
	assert_int_equal(relay_proxy_v2(&s, &d, got), sizeof(want));
	assert_memory_equal(got, want, sizeof(want));
}

static void proxy_header_ipv6_and_mixed(void **state)
{
	uint8_t got[PROXY_V2_MAX];
	struct relay_addr s, d;
	const char *why;

	(void)state;
	relay_addr_listen("[2001:db8::1]:1000", &s, &why);
	relay_addr_listen("[2001:db8::2]:80", &d, &why);
	assert_int_equal(relay_proxy_v2(&s, &d, got), 52);
	assert_int_equal(got[12], 0x21);
	assert_int_equal(got[13], 0x21);
	assert_int_equal(got[15], 36);
	assert_int_equal(got[16], 0x20);
	assert_int_equal(got[31], 1);
	assert_int_equal(got[47], 2);
	assert_int_equal(got[51], 80);
	relay_addr_listen("10.0.0.2:80", &d, &why);
	assert_int_equal(relay_proxy_v2(&s, &d, got), 16);
	assert_int_equal(got[12], 0x20);
	assert_int_equal(got[15], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_takes_hosts_ports_and_brackets),
		cmocka_unit_test(split_refuses_what_is_ambiguous_or_too_long),
		cmocka_unit_test(format_is_what_was_parsed),
		cmocka_unit_test(format_shows_a_mapped_address_as_ipv4),
		cmocka_unit_test(target_may_be_a_unix_path),
		cmocka_unit_test(proxy_header_ipv4),
		cmocka_unit_test(proxy_header_ipv6_and_mixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
