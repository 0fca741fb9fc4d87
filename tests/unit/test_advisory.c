// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/check/advisory.h"

static struct kernel_version version(const char *text)
{
	struct kernel_version v = {};

	assert_int_equal(kernel_version_parse(text, &v), 0);
	return v;
}

static int compare(const char *a, const char *b)
{
	struct kernel_version x = version(a), y = version(b);

	return kernel_version_compare(&x, &y);
}

static const struct advisory *find(const char *name)
{
	const struct advisory *a;

	for (size_t i = 0; (a = advisory_at(i)); i++)
		if (!strcmp(a->name, name))
			return a;
	fail_msg("no %s", name);
	return NULL;
}

static void versions_of_distributions_are_told_from_plain_ones(void **state)
{
	static const char *const plain[] = {"6.18", "6.18.44", "7.2.0-rc3", "7.2.0-rc3+", "6.18.44-custom"};
	static const char *const built[] = {"6.1.0-28-amd64",
					    "6.12.57+deb13-amd64",
					    "6.8.0-45-generic",
					    "5.14.0-427.13.1.el9_4.x86_64",
					    "6.17.8-300.fc43.x86_64",
					    "6.1.119-129.201.amzn2023.x86_64",
					    "6.6.87.2-microsoft-standard-WSL2"};

	(void)state;
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		assert_true(version(plain[i]).plain);
	for (size_t i = 0; i < sizeof(built) / sizeof(*built); i++)
		assert_false(version(built[i]).plain);
	assert_int_equal(version("6.8.0-45-generic").part[1], 8);
	assert_int_equal(version("7.2.0-rc3+").rc, 3);
}

static void what_is_no_version_is_refused(void **state)
{
	static const char *const bad[] = {"", "6", "v6.1", "6.", "6.x", "linux", ".1", "-1.2"};
	struct kernel_version v;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(kernel_version_parse(bad[i], &v), -EINVAL);
}

static void versions_compare_by_number(void **state)
{
	(void)state;
	assert_true(compare("6.9.10", "6.10.1") < 0);
	assert_true(compare("6.1.99", "6.1.100") < 0);
	assert_true(compare("7.0", "6.19.14") > 0);
	assert_int_equal(compare("6.18", "6.18.0"), 0);
	assert_true(compare("6.18.0-rc7", "6.18.0") < 0);
	assert_true(compare("6.18.0-rc2", "6.18.0-rc10") < 0);
}

static void series_have_fixes_of_their_own(void **state)
{
	static const struct {
		const char *cve, *release;
		enum advisory_state expected;
	} cases[] = {
		{"CVE-2026-74714", "6.18.44", ADVISORY_AFFECTED},
		{"CVE-2026-74714", "6.18.45", ADVISORY_FIXED},
		{"CVE-2026-74714", "6.1.182", ADVISORY_AFFECTED},
		{"CVE-2026-74714", "6.1.192", ADVISORY_FIXED},
		{"CVE-2026-74714", "5.14.9", ADVISORY_FIXED},
		{"CVE-2026-74714", "6.15.11", ADVISORY_AFFECTED},
		{"CVE-2026-74714", "7.1.0-rc2", ADVISORY_AFFECTED},
		{"CVE-2026-74714", "7.2", ADVISORY_FIXED},
		{"CVE-2026-64575", "6.16.12", ADVISORY_FIXED},
		{"CVE-2026-64575", "6.18.41", ADVISORY_AFFECTED},
		{"CVE-2026-68399", "6.18.99", ADVISORY_AFFECTED},
		{"CVE-2025-38165", "6.16", ADVISORY_FIXED},
		{"CVE-2024-41048", "6.9.9", ADVISORY_AFFECTED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(advisory_judge(find(cases[i].cve), cases[i].release, NULL, NULL),
				 cases[i].expected);
}

static void a_distribution_is_asked_by_its_changelog(void **state)
{
	const struct advisory *a = find("CVE-2026-74714");

	(void)state;
	assert_int_equal(advisory_judge(a, "6.1.0-28-amd64", "6.1.119", NULL), ADVISORY_CANNOT_TELL);
	assert_int_equal(advisory_judge(a, "6.1.0-48-amd64", "6.1.192", NULL), ADVISORY_FIXED);
	assert_int_equal(advisory_judge(a, "6.1.0-28-amd64", "6.1.119", "* iter (CVE-2026-74714)"),
			 ADVISORY_FIXED);
	assert_int_equal(advisory_judge(a, "6.1.0-28-amd64", "6.1.119", "CVE-2026-7471"),
			 ADVISORY_CANNOT_TELL);
	/* backports: older than the defect's first version, and may have it */
	assert_int_equal(advisory_judge(a, "5.14.0-427.13.1.el9_4.x86_64", NULL, NULL), ADVISORY_CANNOT_TELL);
	assert_int_equal(advisory_judge(a, "7.1.9-200.fc44.x86_64", NULL, NULL), ADVISORY_FIXED);
	assert_int_equal(advisory_judge(a, "unknown", NULL, NULL), ADVISORY_CANNOT_TELL);
}

static void the_table_is_well_formed(void **state)
{
	const struct advisory *a;

	(void)state;
	for (size_t i = 0; (a = advisory_at(i)); i++) {
		struct kernel_version last = {}, v;

		if (a->since[0])
			version(a->since);
		for (const char *p = a->fixed; p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL) {
			char word[16] = "";

			strncpy(word, p, strcspn(p, " "));
			v = version(word);
			assert_true(v.plain && kernel_version_compare(&last, &v) < 0);
			last = v;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_of_distributions_are_told_from_plain_ones),
		cmocka_unit_test(what_is_no_version_is_refused),
		cmocka_unit_test(versions_compare_by_number),
		cmocka_unit_test(series_have_fixes_of_their_own),
		cmocka_unit_test(a_distribution_is_asked_by_its_changelog),
		cmocka_unit_test(the_table_is_well_formed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
