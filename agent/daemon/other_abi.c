// SPDX-License-Identifier: GPL-2.0-only
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <bpf/bpf.h>

#include "other_abi.h"
#include "spawn.h"
#include "agent/config/record.h"
#include "agent/instance/instances.h"
#include "agent/instance/instance.h"
#include "agent/instance/walk.h"
#include "agent/lib/progress.h"
#include "agent/lib/util.h"

static_assert(offsetof(struct hop_config, abi) == 0 && offsetof(struct hop_config, draining) == 4,
	      "every version of sockhop relies on the first two words");

/* After the last member has gone: the second pass sees what the first has latched. */
#define PASSES_MORE   2
#define AGENT_STOP_MS 3000
#define REST_MS	      5

static int members(const struct instance *in)
{
	__u64 key, next;
	int n = 0, err = bpf_map_get_next_key(in->map[MAP_MEMBERS], NULL, &key);

	for (; !err; key = next, n++)
		err = bpf_map_get_next_key(in->map[MAP_MEMBERS], &key, &next);
	return n;
}

static int each_netns(netns_fn *fn, void *to, void *arg)
{
	(void)arg;
	return netns_each_of_host(fn, to);
}

static void done(__u32 inum, int err, void *arg)
{
	(void)inum;
	(void)err;
	(void)arg;
}

/* The records of another ABI mean nothing here: they are read byte by byte, and discarded. */
static int pass(const struct instance *in, struct walks *w, unsigned long long until)
{
	const struct walk walk = {.iter = ITER_VISIT, .size = 1, .each = each_netns, .done = done};

	walks_reap(w, NULL, NULL);
	return walk_run(in, w, &walk, until, NULL);
}

/* Number of members that are left, or -errno. */
static int drain_any(const struct instance *in, unsigned int timeout_ms)
{
	unsigned long long until = now_ns() + (timeout_ms + REST_MS) * 1000000ull;
	struct walks w = {};
	int more = 0, left, err;

	do {
		err = pass(in, &w, until);
		left = members(in);
		if (left > 0)
			progress_say("%d %s left to leave", left, left == 1 ? "member is" : "members are");
		more = left ? 0 : more + 1;
	} while ((!err || err == -ETIMEDOUT) && more < PASSES_MORE && now_ns() < until &&
		 !poll(NULL, 0, REST_MS));
	walks_free(&w);
	return err && err != -ETIMEDOUT ? err : left;
}

/* Does this process have the folder open? */
static bool has_open(pid_t pid, const struct stat *folder)
{
	char path[64];
	struct stat st;

	for (int fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		if (!stat(path, &st) && st.st_ino == folder->st_ino && st.st_dev == folder->st_dev)
			return true;
	}
	return false;
}

/*
 * Before ABI 7 a signal woke the agent. The one that holds the lock on agent/ is found by that, and asked
 * through a descriptor: so it is no stranger who has its number by now.
 */
static void wake_by_signal(const struct instance *in)
{
	_cleanup_close_ int dir =
		openat(in->lock_fd, "agent", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	FILE *locks = dir < 0 ? NULL : fopen("/proc/locks", "re");
	unsigned int maj, min;
	unsigned long ino;
	struct stat st;
	char line[256];
	int pid;

	while (locks && !fstat(dir, &st) && fgets(line, sizeof(line), locks)) {
		_cleanup_close_ int pidfd = -1;

		if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%lu", &pid, &maj, &min, &ino) != 4 ||
		    ino != st.st_ino || makedev(maj, min) != st.st_dev)
			continue;
		pidfd = syscall(SYS_pidfd_open, pid, 0);
		if (pidfd >= 0 && has_open(pid, &st))
			syscall(SYS_pidfd_send_signal, pidfd, SIGHUP, NULL, 0);
	}
	if (locks)
		fclose(locks);
}

static void stop_agent(const struct instance *in)
{
	if (in->poke < 0)
		wake_by_signal(in);
	if (in->poke >= 0 && !agent_stop(in, AGENT_STOP_MS))
		return;
	for (int ms = 0; ms < AGENT_STOP_MS && instance_agent_alive(in, NULL); ms += REST_MS)
		poll(NULL, 0, REST_MS);
	if (instance_agent_alive(in, NULL))
		msg_warn("the agent of '%s' has not ended yet; it ends when it next wakes up", in->name);
}

int other_abi_detach(const char *name, unsigned int timeout_ms)
{
	struct instance in;
	char aside[128];
	int err = instance_open(&in, name, INSTANCE_LOCK | INSTANCE_ANY_ABI), left;

	if (err)
		return err;
	/* from here on nothing registers, joins or hops; it never goes back to 0 */
	__atomic_store_n(&in.config->draining, 1, __ATOMIC_SEQ_CST);
	stop_agent(&in);
	left = drain_any(&in, timeout_ms);
	if (left && !strstr(name, "-draining-"))
		err = instance_set_aside(name, aside, sizeof(aside));
	instance_close(&in);
	if (!left && !err)
		record_remove(name);
	return left ?: err ?: instance_remove(name);
}
