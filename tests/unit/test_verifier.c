// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_verifier: how far the programs are from what the verifier gives up at (BPF_COMPLEXITY_LIMIT_INSNS, a
 * million instructions walked). Other kernels walk more or less for the same program, so a program that is
 * near the limit here does not load there; and to walk them takes most of the time of an attach. Needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "agent/instance/create.h"
#include "agent/instance/instances.h"

#define ENOUGH 250000

static __u32 last_program(void)
{
	__u32 id = 0;

	while (!bpf_prog_get_next_id(id, &id))
		;
	return id;
}

/* Programs of ours that are younger than `from`; others may come and go at the same time. */
static int check_programs(__u32 from)
{
	struct bpf_prog_info info;
	int fd, n = 0;
	__u32 size;

	while (!bpf_prog_get_next_id(from, &from)) {
		fd = bpf_prog_get_fd_by_id(from);
		if (fd < 0)
			continue;
		memset(&info, 0, sizeof(info));
		size = sizeof(info);
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) && !strncmp(info.name, "hop_", 4)) {
			print_message("%s: %u\n", info.name, info.verified_insns);
			assert_in_range(info.verified_insns, 1, ENOUGH);
			n++;
		}
		close(fd);
	}
	return n;
}

static void programs_are_far_from_the_limit(void **state)
{
	const struct load_options options = {0};
	__u32 before = last_program();
	char name[64];
	int n, lock;

	(void)state;
	if (geteuid())
		skip();
	snprintf(name, sizeof(name), "verifier-%d", getpid());
	assert_int_equal(bpffs_mount(), 0);
	lock = instances_lock();
	assert_true(lock >= 0);
	assert_int_equal(instance_create(name, &options, NULL), 0);
	n = check_programs(before);
	close(lock);
	instance_remove(name);
	assert_in_range(n, 8, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(programs_are_far_from_the_limit)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
