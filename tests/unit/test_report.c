// SPDX-License-Identifier: GPL-2.0-only
/* What is said of failures, and the exit statuses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/cmd/cmd.h"
#include "agent/instance/folder.h"
#include "agent/lib/util.h"
#include "tests/unit/capture.h"

/* What cmd_failed() writes; *status: what it returns. */
static const char *said(enum failure_kind kind, int err, const char *object, int *status)
{
	struct capture c = capture_begin(stderr);

	*status = cmd_failed(kind, err, object);
	return capture_end(&c);
}

static void every_kind_has_words(void **state)
{
	static const int errors[] = {0,	      -ENOENT,	   -EPERM,     -EACCES, -EIO,
				     -EPROTO, -EOPNOTSUPP, -ETIMEDOUT, -EBUSY};
	const char *text;
	int status;

	(void)state;
	log_level = 1;
	for (unsigned int kind = 0; kind < FAILURE_COUNT; kind++) {
		for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
			text = said(kind, errors[i], "the-object", &status);
			assert_int_equal(strncmp(text, "sockhop: ", 9), 0);
			assert_null(strpbrk(text, "{}"));
			assert_null(strstr(text, "sockhop: the-object: "));
			assert_in_range(status, EXIT_OK, EXIT_UNSUPPORTED);
		}
	}
	log_level = 0;
}

static void an_instance_that_is_not_there_is_named_with_the_remedy(void **state)
{
	int status;

	(void)state;
	assert_string_equal(
		said(FAILED_OPEN, -ENOENT, "web", &status),
		"sockhop: instance 'web' is not attached: run `sockhop attach --instance web CGROUP`\n");
	assert_int_equal(status, EXIT_NOT_ATTACHED);
	assert_non_null(
		strstr(said(FAILED_OPEN, -ENOENT, INSTANCE_DEFAULT, &status), "`sockhop attach CGROUP`"));
	said(FAILED_OPEN, -EACCES, "web", &status);
	assert_int_equal(status, EXIT_PERMISSION);
	said(FAILED_OPEN, -FOLDER_STRANGE, "web", &status);
	assert_int_equal(status, EXIT_FAIL);
}

/* A relay and an agent open an instance, too. */
static void what_opens_an_instance_says_the_same(void **state)
{
	int status;

	(void)state;
	assert_non_null(
		strstr(said(FAILED_COLLAPSE, -ENOENT, "web", &status), "instance 'web' is not attached"));
	assert_int_equal(status, EXIT_NOT_ATTACHED);
	assert_non_null(strstr(said(FAILED_AGENT, -EPROTO, "web", &status), "another version"));
	assert_int_equal(status, EXIT_FAIL);
	assert_non_null(strstr(said(FAILED_COLLAPSE, -EPROTO, "web", &status), "another version"));
	assert_int_equal(status, EXIT_UNSUPPORTED);
	assert_non_null(
		strstr(said(FAILED_AGENT, -ENOMEM, "web", &status), "cannot start the agent of 'web'"));
}

static void notes_are_no_failures(void **state)
{
	int status;

	(void)state;
	assert_string_equal(
		said(NOTED_CGROUP_BUSY, -EBUSY, "/x", &status),
		"sockhop: warning: /x still has processes: remove it when they have ended (rmdir)\n");
	assert_int_equal(status, EXIT_OK);
	assert_string_equal(said(NOTED_ATTACHED, 0, "/x", &status), "");
}

static void a_report_says_all_in_order(void **state)
{
	struct report r = {};
	struct capture c;
	int status;

	(void)state;
	assert_int_equal(report_add(&r, NOTED_NOT_WOKEN, -EIO, "web"), -EIO);
	assert_int_equal(report_add_detail(&r, FAILED_HOOK_SOCKOPS, -EPERM, "/a", "/b"), -EPERM);
	c = capture_begin(stderr);
	status = cmd_report(&r, -EPERM);
	assert_string_equal(
		capture_end(&c),
		"sockhop: warning: cannot wake the agent of 'web': Input/output error\n"
		"sockhop: cannot attach to /a: another program holds the sockops hook of /b exclusively "
		"(see `bpftool cgroup show /b`); it must attach with BPF_F_ALLOW_MULTI\n");
	assert_int_equal(status, EXIT_PERMISSION);
	assert_null(r.list);
}

static void no_error_is_lost(void **state)
{
	struct report r = {};
	struct capture c = capture_begin(stderr);

	(void)state;
	assert_int_equal(cmd_report(&r, -ENOMEM), EXIT_FAIL);
	assert_string_equal(capture_end(&c), "sockhop: Cannot allocate memory\n");
	assert_int_equal(cmd_report(&r, 0), EXIT_OK);
	assert_int_equal(report_add(NULL, FAILED_OPEN, -ENOENT, "x"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_has_words),
		cmocka_unit_test(an_instance_that_is_not_there_is_named_with_the_remedy),
		cmocka_unit_test(what_opens_an_instance_says_the_same),
		cmocka_unit_test(notes_are_no_failures),
		cmocka_unit_test(a_report_says_all_in_order),
		cmocka_unit_test(no_error_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
