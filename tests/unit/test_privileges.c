// SPDX-License-Identifier: GPL-2.0-only
/* What an agent that has dropped its privileges can still do, and what it cannot. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/daemon/privileges.h"

/* Each of them returns whether it was refused with EPERM. */
static bool refused(long r)
{
	return r == -1 && errno == EPERM;
}

static bool programs(void)
{
	char *const argv[] = {"true", NULL};

#ifndef __SANITIZE_ADDRESS__
	if (!refused(ptrace(PTRACE_TRACEME, 0, 0, 0)))
		return false;
#endif
	return refused(execv("/bin/true", argv));
}

static bool users(void)
{
	/* to be who one is needs no capability, so this is the filter */
	return refused(setuid(geteuid())) && refused(setgid(getegid())) && refused(chown("/", -1, -1)) &&
	       refused(syscall(SYS_setgroups, 0, NULL));
}

static bool mounts(void)
{
	return refused(mount("none", "/", "tmpfs", 0, NULL)) && refused(umount2("/proc", MNT_DETACH)) &&
	       refused(chroot("/")) && refused(unshare(CLONE_FS));
}

static bool machine(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_REALTIME, &now);
	return refused(clock_settime(CLOCK_REALTIME, &now)) &&
	       refused(syscall(SYS_delete_module, "none", 0)) &&
	       refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0)) && refused(syscall(SYS_io_uring_setup, 1, NULL));
}

static bool namespaces(void)
{
	int net = open("/proc/self/ns/net", O_RDONLY), mnt = open("/proc/self/ns/mnt", O_RDONLY);

	return net >= 0 && mnt >= 0 && !setns(net, CLONE_NEWNET) && refused(setns(mnt, CLONE_NEWNS)) &&
	       refused(setns(net, 0)) && refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)) &&
	       refused(syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0));
}

#ifndef __SANITIZE_ADDRESS__ /* it maps what it likes */
static bool code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		return false;
	return refused(mprotect(p, 4096, PROT_READ | PROT_EXEC)) && !dlopen("libresolv.so.2", RTLD_NOW);
}
#endif

/* In a child, which tells whether what was said came true. */
static void holds(bool (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(privileges_drop() ? 2 : !fn());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define HOLDS(what)                           \
	static void what##_hold(void **state) \
	{                                     \
		(void)state;                  \
		holds(what);                  \
	}
HOLDS(programs)
HOLDS(users)
HOLDS(mounts)
HOLDS(machine)
HOLDS(namespaces)
#ifndef __SANITIZE_ADDRESS__
HOLDS(code)
#endif

/* All lines of /proc/self/status about capabilities are those of the table, the inheritable and ambient ones
 * none. */
static bool only_the_table(void)
{
	unsigned long long table = 0, got;
	FILE *f = fopen("/proc/self/status", "r");
	char line[256], name[16];
	int seen = 0;

	for (const struct privilege *p = privileges; p->name; p++)
		table |= 1ull << p->cap;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Cap%15[A-Za-z]: %llx", name, &got) != 2)
			continue;
		seen++;
		if (got != (!strcmp(name, "Inh") || !strcmp(name, "Amb") ? 0 : table))
			return false;
	}
	return seen == 5;
}
HOLDS(only_the_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_hold),   cmocka_unit_test(users_hold),
		cmocka_unit_test(mounts_hold),	   cmocka_unit_test(machine_hold),
		cmocka_unit_test(namespaces_hold), cmocka_unit_test(only_the_table_hold),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(code_hold),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
