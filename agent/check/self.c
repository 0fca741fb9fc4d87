// SPDX-License-Identifier: GPL-2.0-only
/*
 * self.c: the whole way once, with a connection of our own.
 *
 * Three processes, so that nothing stays whoever is killed:
 *   keeper   makes the cgroup and removes it; a session of its own; learns of our death from a pipe
 *   tester   has a mount namespace with its own bpffs: instance, programs and pins vanish with it
 *   talker   lives in the cgroup, in a network namespace of its own, and talks to itself
 * The tester dies with the keeper, the talker with the tester.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "talk.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/lifecycle.h"
#include "agent/instance/attach.h"
#include "agent/instance/create.h"
#include "agent/instance/instances.h"
#include "agent/instance/snapshot.h"
#include "agent/lib/util.h"
#include "agent/policy/policy.h"
#include "agent/view/reasons.h"
#include "cgroup/cgroup.h"

#define INSTANCE  "self-test"
#define DRAIN_MS  1000
#define TESTER_MS 12000 /* then the keeper ends it */
#define CLEAN_MS  2000

/* What the tester found out, in memory shared with the command. */
struct self {
	int err;	       /* -errno of `step` */
	char step[64];	       /* what failed */
	char text[256];	       /* last line that it wrote to stderr */
	unsigned int hop_ms;   /* from the first message until hops were seen; 0: never */
	unsigned int segments; /* segments both ways until then */
	unsigned int detach_ms;
	unsigned long long hops;
	__u32 why, stay, members; /* when it did not hop: enum hop_why, enum hop_stay, ends that joined */
	bool lives;		  /* the connection went on after the detach */
	bool done;
};

static int fail(struct self *s, const char *step, int err)
{
	snprintf(s->step, sizeof(s->step), "%s", step);
	s->err = err;
	return err;
}

/* ---- tester ---- */

/* A process that dies with this one. 0 in the child. */
static pid_t fork_bound(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent))
		_exit(1);
	return pid;
}

static int own_bpffs(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700"))
		return -errno;
	return 0;
}

static int make_instance(struct instance *in, const char *cgroup)
{
	static struct hop_policy policy = {.count = 1};
	struct load_options o = {.max_connections = 64, .policy = &policy};
	_cleanup_close_ int lock = -1;
	char text[128];
	int err;

	/* the relay splices, so this program is vetoed like any other that can */
	err = policy_parse_line("trust all", &policy.rule[0], text, sizeof(text));
	if (err)
		return err;
	unsetenv("SOCKHOP_TEST_FORCE");
	lock = instances_lock();
	if (lock < 0)
		return lock;
	err = instance_create(INSTANCE, &o, NULL);
	if (!err)
		err = instance_open(in, INSTANCE, INSTANCE_LOCK);
	return err ? err : instance_attach(in, cgroup, 0, NULL);
}

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static int on_word(void *arg)
{
	(void)arg;
	return 1; /* it said something, or it is gone */
}

/* Why a pair does not hop, of either end. */
static int take_why(const void *record, void *arg)
{
	const struct hop_show *show = record;
	struct self *s = arg;

	s->why = s->why ?: show->why;
	s->stay = s->stay ?: show->last_stay;
	s->members += hop_in(show->state);
	return 0;
}

static void be_agent(struct self *s, struct instance *in, int control)
{
	struct agent *a = NULL;
	struct talk_word w = {};
	int err = agent_new(&a, INSTANCE);

	if (!err)
		err = agent_run(a, control, on_word, NULL);
	agent_free(a);
	if (err < 0) {
		fail(s, "agent", err);
		return;
	}
	if (recv(control, &w, sizeof(w), 0) != sizeof(w)) {
		fail(s, "talk", -EPIPE);
		return;
	}
	s->hop_ms = w.hop_ms;
	s->segments = w.segments;
	s->hops = instance_counter(in, HOP_CNT_HOPS);
	if (!w.hop_ms)
		snapshot_each(in, take_why, s);
}

static void detach(struct self *s, struct instance *in, int control)
{
	unsigned long long start = now_ns();
	struct talk_word w = {};

	if (lifecycle_detach_all(in, DRAIN_MS, NULL)) {
		fail(s, "detach", -EBUSY);
		return;
	}
	s->detach_ms = (now_ns() - start) / 1000000 + 1;
	if (send(control, "", 1, MSG_NOSIGNAL) == 1 && readable(control, TALK_WITHIN_MS) &&
	    recv(control, &w, sizeof(w), 0) == sizeof(w))
		s->lives = w.lives;
}

static void tester(struct self *s, const char *cgroup)
{
	struct instance in;
	int control[2], err = own_bpffs();
	pid_t pid;

	if (err) {
		fail(s, "private bpffs", err);
		return;
	}
	err = make_instance(&in, cgroup);
	if (err) {
		fail(s, "attach", err);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control)) {
		fail(s, "socketpair", -errno);
		return;
	}
	pid = fork_bound();
	if (pid == 0) {
		close(control[0]);
		_exit(talker(cgroup, control[1]));
	}
	close(control[1]);
	be_agent(s, &in, control[0]);
	detach(s, &in, control[0]);
	close(control[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	s->done = true;
}

/* ---- keeper ---- */

static int kill_one(pid_t pid, void *arg)
{
	(void)arg;
	kill(pid, SIGKILL); /* in a cgroup that we made a moment ago: ours */
	return 0;
}

/* Wait for the tester; end it when its time is over, or when the command is gone. */
static void watch(pid_t pid, int alive)
{
	_cleanup_close_ int fd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = alive, .events = POLLIN}};

	if (fd < 0 || poll(p, 2, TESTER_MS) <= 0 || !(p[0].revents & POLLIN))
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The last line of what the tester wrote, without our prefix. */
static void last_line(struct self *s, int fd)
{
	char buf[1024], *line;
	off_t end = lseek(fd, 0, SEEK_END);
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, end > 1023 ? end - 1023 : 0);

	if (n <= 0)
		return;
	buf[n] = 0;
	if (buf[n - 1] == '\n')
		buf[n - 1] = 0;
	line = strrchr(buf, '\n');
	line = line ? line + 1 : buf;
	if (!strncmp(line, "sockhop: ", 9))
		line += 9;
	snprintf(s->text, sizeof(s->text), "%.255s", line);
}

/* Standard streams that nobody waits for: our caller may be gone already. */
static int own_streams(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), log = memfd_create("check", MFD_CLOEXEC);

	if (null < 0 || log < 0)
		return -errno;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (!log_level)
		dup2(log, STDERR_FILENO);
	return log;
}

static void keeper(struct self *s, int alive)
{
	char parent[PATH_MAX], cgroup[PATH_MAX], name[40];
	int err, log;
	pid_t pid;

	setsid(); /* what is sent to the command's process group is not for us: we clean up */
	log = own_streams();
	err = cgroup_parent_for_run(parent, sizeof(parent));
	snprintf(name, sizeof(name), "sockhop-check-%d", getpid());
	if (!err)
		err = cgroup_create(parent, name, cgroup, sizeof(cgroup));
	if (err) {
		fail(s, "make a cgroup", err);
		return;
	}
	pid = fork_bound();
	if (pid == 0) {
		tester(s, cgroup);
		_exit(0);
	}
	if (pid > 0)
		watch(pid, alive);
	else
		fail(s, "fork", -errno);
	cgroup_each_pid(cgroup, kill_one, NULL);
	err = cgroup_remove(cgroup, CLEAN_MS);
	if (err && !s->err)
		fail(s, "remove the cgroup", err);
	last_line(s, log);
}

/* ---- command ---- */

static void report(struct checks *c, json_object *o, const struct self *s)
{
	const char *name = "self test";

	json_object_object_add(o, "adoption_ms", s->hop_ms ? json_object_new_int(s->hop_ms) : NULL);
	json_object_object_add(o, "adoption_segments", s->hop_ms ? json_object_new_int(s->segments) : NULL);
	json_object_object_add(o, "hops", json_object_new_uint64(s->hops));
	json_object_object_add(o, "detach_ms", s->detach_ms ? json_object_new_int(s->detach_ms) : NULL);
	json_object_object_add(o, "lives_on", json_object_new_boolean(s->lives));
	if (s->err)
		check_line(c, check_state_of(s->err, CHECK_FAILED), name, "see the message; -vv shows more",
			   "%s: %s%s%s", s->step, strerror(-s->err), s->text[0] ? ": " : "", s->text);
	else if (!s->done)
		check_line(c, CHECK_FAILED, name, "try again on a less busy machine",
			   "took too long: given up");
	else if (!s->hop_ms)
		check_line(c, CHECK_FAILED, name,
			   "try again on a less busy machine; else `sockhop list` of a real connection says "
			   "more",
			   "a chatty connection did not hop within %d ms: %u of 2 ends joined; %s; %s",
			   TALK_WITHIN_MS, s->members,
			   s->why ? reason_why(s->why)->help : "nothing is in its way",
			   s->stay ? reason_stay(s->stay)->help : "no message stayed");
	else if (!s->lives)
		check_line(c, CHECK_FAILED, name, "do not use sockhop on this kernel, and report it",
			   "joined after %u ms, but did not survive the detach", s->hop_ms);
	else
		check_line(c, CHECK_OK, name, NULL,
			   "joined after %u ms and %u segments; detached in %u ms, the connection lives on",
			   s->hop_ms, s->segments, s->detach_ms);
}

void check_self(struct checks *c, json_object *result)
{
	struct self *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int alive[2], status;
	pid_t pid = -1;

	if (s == MAP_FAILED || pipe2(alive, O_CLOEXEC)) {
		check_line(c, CHECK_FAILED, "self test", NULL, "%s", strerror(errno));
		return;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(alive[1]);
		keeper(s, alive[0]);
		_exit(0);
	}
	close(alive[0]);
	if (pid < 0)
		fail(s, "fork", -errno);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	close(alive[1]);
	report(c, result, s);
	munmap(s, sizeof(*s));
}
