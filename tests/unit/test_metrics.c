// SPDX-License-Identifier: GPL-2.0-only
/* How metrics are written down, in both formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/metrics/metrics.h"

static char *written(const char *json, enum metrics_format format)
{
	json_object *o = json_tokener_parse(json);
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(o);
	metrics_write(f, o, format);
	assert_int_equal(fclose(f), 0);
	json_object_put(o);
	return text;
}

static void assert_written(const char *json, enum metrics_format format, const char *want)
{
	char *got = written(json, format);

	assert_string_equal(got, want);
	free(got);
}

static void only_what_is_known_is_written(void **state)
{
	(void)state;
	assert_written("{\"instance\": \"x\"}", METRICS_TEXT, "");
	assert_written("{\"instance\": \"x\", \"attached\": null, \"hopped\": {}}", METRICS_TEXT, "");
	assert_written("{\"instance\": \"x\"}", METRICS_OPENMETRICS, "# EOF\n");
	assert_written("{\"instance\": \"x\", \"attached\": false}", METRICS_TEXT,
		       "# HELP sockhop_attached 1 if the instance is attached.\n"
		       "# TYPE sockhop_attached gauge\n"
		       "sockhop_attached{instance_name=\"x\"} 0\n");
}

static void counters_have_the_name_that_the_format_wants(void **state)
{
	const char *json = "{\"instance\": \"x\", \"hopped\": {\"messages\": 18446744073709551615}}";

	(void)state;
	assert_written(json, METRICS_TEXT,
		       "# HELP sockhop_hops_total Messages that hopped.\n"
		       "# TYPE sockhop_hops_total counter\n"
		       "sockhop_hops_total{instance_name=\"x\"} 18446744073709551615\n");
	assert_written(json, METRICS_OPENMETRICS,
		       "# HELP sockhop_hops Messages that hopped.\n"
		       "# TYPE sockhop_hops counter\n"
		       "sockhop_hops_total{instance_name=\"x\"} 18446744073709551615\n# EOF\n");
}

static void rows_and_keys_become_labels(void **state)
{
	(void)state;
	assert_written(
		"{\"instance\": \"x\", \"maps\": [{\"map\": \"ends\", \"used\": 2, \"max\": 9},"
		" {\"map\": \"members\", \"used\": null, \"max\": 8}],"
		" \"joined\": {\"late\": 3, \"early\": 0}}",
		METRICS_TEXT,
		"# HELP sockhop_joined_total Ends that became members: late, or early at ESTABLISHED.\n"
		"# TYPE sockhop_joined_total counter\n"
		"sockhop_joined_total{instance_name=\"x\",how=\"late\"} 3\n"
		"sockhop_joined_total{instance_name=\"x\",how=\"early\"} 0\n"
		"# HELP sockhop_map_entries Used entries of a map.\n"
		"# TYPE sockhop_map_entries gauge\n"
		"sockhop_map_entries{instance_name=\"x\",map=\"ends\"} 2\n"
		"# HELP sockhop_map_max_entries Largest number of entries of a map.\n"
		"# TYPE sockhop_map_max_entries gauge\n"
		"sockhop_map_max_entries{instance_name=\"x\",map=\"ends\"} 9\n"
		"sockhop_map_max_entries{instance_name=\"x\",map=\"members\"} 8\n");
}

static void names_of_others_cannot_break_a_line(void **state)
{
	char *got =
		written("{\"instance\": \"x\", \"services\": [{\"service\": \"/a\\\"} 1\\n\\\\b\", \"kind\": "
			"\"cgroup\", \"state\": \"member\", \"ends\": 1}]}",
			METRICS_TEXT);

	(void)state;
	assert_non_null(strstr(got, "service=\"/a\\\"} 1\\n\\\\b\",kind=\"cgroup\",state=\"member\"} 1\n"));
	free(got);
}

static void the_format_is_what_the_client_accepts(void **state)
{
	(void)state;
	assert_int_equal(metrics_negotiate(NULL), METRICS_TEXT);
	assert_int_equal(metrics_negotiate("*/*"), METRICS_TEXT);
	assert_int_equal(metrics_negotiate("text/plain;version=0.0.4"), METRICS_TEXT);
	assert_int_equal(metrics_negotiate("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
			 METRICS_OPENMETRICS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_known_is_written),
		cmocka_unit_test(counters_have_the_name_that_the_format_wants),
		cmocka_unit_test(rows_and_keys_become_labels),
		cmocka_unit_test(names_of_others_cannot_break_a_line),
		cmocka_unit_test(the_format_is_what_the_client_accepts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
