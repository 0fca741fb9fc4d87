// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "limits.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/lifecycle.h"
#include "agent/daemon/spawn.h"
#include "agent/lib/util.h"
#include "cgroup/cgroup.h"

#define DRAIN_MS 5000

struct run {
	struct instance in;
	char cgroup[PATH_MAX];
	__u64 cgroup_id;
	sigset_t old_mask;
	pid_t child;
	int signal_fd;
	int status; /* wait status of the child */
	bool ended;
};

/* Signals that we forward; SIGKILL and SIGSTOP cannot be caught, the others are about ourselves. */
static const int forwarded[] = {SIGTERM, SIGINT,   SIGHUP,  SIGQUIT, SIGUSR1,
				SIGUSR2, SIGWINCH, SIGCONT, SIGALRM};

static int block_signals(struct run *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	if (sigprocmask(SIG_BLOCK, &set, &r->old_mask))
		return -errno;
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signal_fd < 0 ? -errno : 0;
}

/* Non-zero once the child has ended. */
static int on_signal(void *arg)
{
	struct run *r = arg;
	struct signalfd_siginfo si;

	while (read(r->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD) {
			if (waitpid(r->child, &r->status, WNOHANG) == r->child)
				r->ended = true;
		} else if (si.ssi_code != SI_KERNEL) {
			/* what the terminal sends, it sends to the child as well */
			kill(r->child, si.ssi_signo);
		}
	}
	return r->ended;
}

static void child_main(struct run *r, char **argv)
{
	int err = cgroup_enter(r->cgroup, 0);

	if (err) {
		msg_error("cannot enter %s: %s", r->cgroup, strerror(-err));
		_exit(EXIT_FAIL);
	}
	sigprocmask(SIG_SETMASK, &r->old_mask, NULL);
	execvp(argv[0], argv);
	err = errno;
	msg_error("cannot run '%s': %s", argv[0], strerror(err));
	_exit(err == ENOENT ? 127 : 126); /* as a shell has it */
}

static int start(struct run *r, char **argv)
{
	fflush(NULL);
	r->child = fork();
	if (r->child == 0)
		child_main(r, argv);
	return r->child < 0 ? -errno : 0;
}

/* We are the agent while the program runs, unless the instance has one. */
static void supervise(struct run *r)
{
	struct pollfd signals = {.fd = r->signal_fd, .events = POLLIN};
	struct agent *a = NULL;
	int ret = agent_new(&a, r->in.name);

	if (ret == -EOPNOTSUPP)
		msg_warn("no agent, so connections stay on TCP: " AGENT_WHERE);
	else if (ret && ret != -EBUSY)
		msg_warn("no agent: connections stay on TCP (%s)", strerror(-ret));
	if (a)
		ret = agent_run(a, r->signal_fd, on_signal, r);
	if (a && ret < 0)
		msg_warn("the agent failed: %s", strerror(-ret));
	agent_free(a);
	while (!on_signal(r)) /* detached by others, or not the agent: wait for the child alone */
		poll(&signals, 1, -1);
}

static int count_other(__u64 id, const struct hop_cgroup *cg, void *arg)
{
	const struct run *r = arg;

	return id != r->cgroup_id && !(cg->flags & HOP_CG_LEAVING);
}

/* Detach our cgroup; the instance goes with it when no other cgroup uses it. */
static void finish(struct run *r)
{
	struct report report = {};
	struct instance in;
	int err = instance_open(&in, r->in.name, INSTANCE_LOCK);

	instance_close(&r->in);
	if (err) {
		cgroup_remove(r->cgroup, 0); /* another command detached it meanwhile */
		return;
	}
	if (!instance_each_cgroup(&in, count_other, r)) {
		err = lifecycle_detach_all(&in, DRAIN_MS, &report);
		cmd_report(&report, err);
		return;
	}
	err = lifecycle_detach_some(&in, &r->cgroup_id, 1, DRAIN_MS, &report);
	cmd_report(&report, err);
	if (!instance_agent_alive(&in, NULL)) {
		err = agent_spawn(in.name); /* we were the agent of the others */
		if (err && err != -EBUSY)
			msg_warn("instance '%s' has no agent now: run `sockhop agent`", in.name);
	}
	instance_close(&in);
}

static int make_cgroup(struct run *r)
{
	char parent[PATH_MAX], name[32];
	int err = cgroup_parent_for_run(parent, sizeof(parent));

	snprintf(name, sizeof(name), "sockhop-%d", getpid());
	if (!err)
		err = cgroup_create(parent, name, r->cgroup, sizeof(r->cgroup));
	if (!err)
		err = cgroup_id(r->cgroup, &r->cgroup_id);
	if (err)
		msg_error("cannot make a cgroup to run in: %s", strerror(-err));
	return exit_status(err);
}

static int set_up(struct run *r, const struct lifecycle_options *o)
{
	bool created = false;
	struct report report = {};
	int status = make_cgroup(r), err;

	if (status)
		return status;
	err = lifecycle_open(&r->in, o, &created, &report);
	if (!err) {
		err = lifecycle_attach(&r->in, r->cgroup, HOP_CG_OWNED, &report);
		if (err && created)
			lifecycle_detach_all(&r->in, 0, &report);
		else if (err)
			instance_close(&r->in);
	}
	status = cmd_report(&report, err);
	if (err) {
		cgroup_remove(r->cgroup, 0);
		return status;
	}
	/* others may use the instance while our program runs: keep the pins open, not the lock */
	char name[sizeof(r->in.name)];

	memcpy(name, r->in.name, sizeof(name));
	instance_close(&r->in);
	return cmd_open(&r->in, name, 0);
}

struct run_args {
	struct lifecycle_options lifecycle; /* CMD_ATTACH_OPTIONS: first */
	const char *instance;
};

static int run(void *args, int n, char **operand)
{
	struct run_args *a = args;
	struct run r = {.signal_fd = -1};
	int status, err;

	if (n == 0)
		return cmd_usage_error("run", "which program?");
	a->lifecycle.instance = a->instance ?: INSTANCE_DEFAULT;
	status = set_up(&r, &a->lifecycle);
	if (status)
		return status;
	err = block_signals(&r);
	if (!err)
		err = start(&r, operand);
	if (!err)
		supervise(&r);
	else
		msg_error("cannot start '%s': %s", operand[0], strerror(-err));
	finish(&r);
	util__close(&r.signal_fd);
	if (err)
		return exit_status(err);
	return WIFSIGNALED(r.status) ? 128 + WTERMSIG(r.status) : WEXITSTATUS(r.status);
}

static const struct cmd_option options[] = {
	CMD_ATTACH_OPTIONS,
	CMD_INSTANCE(offsetof(struct run_args, instance)),
	{0},
};

const struct command cmd_run = {
	.name = "run",
	.summary = "run a command in a cgroup of its own, attached while it runs",
	.operands = "[--] CMD [ARG...]",
	.stop = true,
	.completes = CMD_PROGRAMS,
	.options = options,
	.size = sizeof(struct run_args),
	.text = "Signals and standard input go to CMD; its exit status is returned. A killed "
		"`sockhop run` harms no "
		"connection; `sockhop detach` cleans up after it.",
	.run = run,
};
