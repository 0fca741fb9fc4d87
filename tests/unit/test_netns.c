// SPDX-License-Identifier: GPL-2.0-only
/* Where ends are is read from a map of any size: a batch may be short, and need not be the last. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "agent/instance/instance.h"
#include "agent/instance/netns.h"

#define RECORDS 20000

static int full_map(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "ends", sizeof(struct hop_key), sizeof(struct hop_end),
				2 * RECORDS, NULL);

	for (__u32 i = 0; i < RECORDS && fd >= 0; i++) {
		struct hop_key key = {.a = i, .b = i * 2654435761u};
		struct hop_end end = {.cookie = i + 1, .netns = 1 + i};

		assert_int_equal(bpf_map_update_elem(fd, &key, &end, BPF_NOEXIST), 0);
	}
	return fd;
}

static void every_namespace_is_found(void **state)
{
	char *seen = calloc(RECORDS + 1, 1);
	struct netns_list l = {};
	struct instance in = {};

	(void)state;
	assert_non_null(seen);
	in.map[MAP_ENDS] = full_map();
	if (in.map[MAP_ENDS] == -EPERM) {
		free(seen);
		skip();
	}
	assert_true(in.map[MAP_ENDS] >= 0);
	assert_int_equal(netns_list_all(&l, &in), 0);
	assert_int_equal(l.n, RECORDS);
	for (size_t i = 0; i < l.n; i++) {
		assert_in_range(l.inum[i], 1, RECORDS);
		assert_false(seen[l.inum[i]]++);
	}
	close(in.map[MAP_ENDS]);
	netns_list_free(&l);
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_namespace_is_found),
	};

	return cmocka_run_group_tests_name("netns", tests, NULL, NULL);
}
