// SPDX-License-Identifier: GPL-2.0-only
/*
 * relay.c: `sockhop relay pair` and `sockhop relay forward`: options, worker processes.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "cmd.h"
#include "agent/lib/util.h"
#include "agent/relay/collapse.h"
#include "agent/relay/listen.h"
#include "agent/relay/loop.h"

#define WORKERS_MAX 256
#define DAY	    86400
/* Per pair: two sockets, and two pipes while both directions splice. */
#define FILES_PER_PAIR 6
#define FILES_SPARE    64

struct relay_args {
	const char *listen, *source, *instance;
	struct cmd_list to;
	unsigned int workers, max, connect, idle, drain, path, proxy;
	bool once, collapse;
};

static int bad(const char *option, const char *value, const char *why)
{
	return cmd_usage_error("relay", "--%s %s: %s", option, value, why);
}

static struct relay_conf conf_of(const struct relay_args *a, enum relay_mode mode)
{
	return (struct relay_conf){
		.mode = mode,
		.workers = a->workers,
		.max_pairs = a->max,
		.connect_timeout = a->connect,
		.idle_timeout = a->idle,
		.drain_timeout = a->drain,
		.path = a->path,
		.proxy_v2 = a->proxy != CMD_NONE,
		.once = a->once,
		.collapse = a->collapse,
		.instance = a->instance,
	};
}

static int resolve(struct relay_conf *c, const struct relay_args *a)
{
	const char *why = NULL;

	if (relay_addr_listen(a->listen, &c->listen, &why))
		return bad("listen", a->listen, why);
	if (a->source && relay_addr_source(a->source, &c->source, &why))
		return bad("source", a->source, why);
	c->targets = calloc(a->to.count + 1, sizeof(*c->targets));
	if (!c->targets) {
		msg_error("relay: %s", strerror(ENOMEM));
		return EXIT_FAIL;
	}
	for (size_t i = 0; i < a->to.count; i++) {
		if (!relay_target_resolve(a->to.word[i], &c->targets[c->n_targets], &why)) {
			c->n_targets++;
			continue;
		}
		msg_error("relay: cannot resolve --to %s: %s", a->to.word[i], why);
		return EXIT_FAIL;
	}
	return EXIT_OK;
}

static void raise_files(struct relay_conf *c)
{
	rlim_t want = FILES_SPARE + (rlim_t)c->max_pairs * FILES_PER_PAIR;
	struct rlimit r;
	unsigned long fit;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur >= want)
		return;
	/* beyond the hard limit only with CAP_SYS_RESOURCE, and up to fs.nr_open */
	if (r.rlim_max < want && !setrlimit(RLIMIT_NOFILE, &(struct rlimit){want, want}))
		return;
	r.rlim_cur = r.rlim_max < want ? r.rlim_max : want;
	(void)setrlimit(RLIMIT_NOFILE, &r);
	if (r.rlim_cur <= FILES_SPARE + FILES_PER_PAIR)
		return;
	fit = (r.rlim_cur - FILES_SPARE) / FILES_PER_PAIR;
	if (c->max_pairs <= fit)
		return;
	msg_info("relay: %lu open files suffice for %lu connections per worker", (unsigned long)r.rlim_cur,
		 fit);
	c->max_pairs = fit;
}

static int run_worker(struct relay_conf *c, unsigned int index, int fd)
{
	struct report r = {};
	int err = relay_worker_run(c, index, fd, &r);

	return cmd_report(&r, err);
}

static void kill_all(const pid_t *pids, unsigned int n, int sig)
{
	for (unsigned int i = 0; i < n; i++)
		if (pids[i] > 0)
			kill(pids[i], sig);
}

/* The parent forwards signals; when a worker fails, all end. */
static int supervise(pid_t *pids, unsigned int n, const sigset_t *set)
{
	unsigned int left = n;
	int status = EXIT_OK, sig, ws;

	while (left) {
		if (sigwait(set, &sig))
			continue;
		if (sig != SIGCHLD) {
			kill_all(pids, n, sig);
			continue;
		}
		for (unsigned int i = 0; i < n; i++) {
			if (pids[i] <= 0 || waitpid(pids[i], &ws, WNOHANG) != pids[i])
				continue;
			pids[i] = 0;
			left--;
			if (WIFEXITED(ws) && !WEXITSTATUS(ws))
				continue;
			status = WIFEXITED(ws) ? WEXITSTATUS(ws) : EXIT_FAIL;
			msg_error("relay: worker %u failed; the others finish their connections and end", i);
			kill_all(pids, n, SIGTERM);
		}
	}
	return status;
}

static pid_t start_worker(struct relay_conf *c, unsigned int index, int fd, pid_t parent)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_FAIL);
	_exit(run_worker(c, index, fd));
}

static int start(struct relay_conf *c)
{
	pid_t pids[WORKERS_MAX] = {0}, parent = getpid();
	int fds[WORKERS_MAX];
	char text[160];
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (c->workers > 1)
		sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (unsigned int i = 0; i < c->workers; i++) {
		fds[i] = relay_listen(c);
		if (fds[i] < 0) {
			relay_addr_format(&c->listen, text, sizeof(text));
			msg_error("relay: cannot listen on %s: %s", text, strerror(-fds[i]));
			return exit_status(fds[i]);
		}
	}
	/* the kernel may have chosen the port; a reader of this line knows that clients may come */
	relay_addr_format(&c->listen, text, sizeof(text));
	printf("%s\n", text);
	fflush(stdout);
	if (c->workers == 1)
		return run_worker(c, 0, fds[0]);
	for (unsigned int i = 0; i < c->workers; i++)
		pids[i] = start_worker(c, i, fds[i], parent);
	for (unsigned int i = 0; i < c->workers; i++)
		close(fds[i]);
	return supervise(pids, c->workers, &set);
}

static int relay(void *args, int n, char **operand)
{
	const struct relay_args *a = args;
	struct relay_conf c = conf_of(a, (enum relay_mode)cmd_verb(&cmd_relay, operand[0]));
	int status, err;

	(void)n;
	if (c.instance && !c.collapse)
		return cmd_usage_error("relay", "--instance goes with --collapse only");
	err = c.collapse ? relay_collapse_check(c.instance) : 0;
	if (err)
		return cmd_failed(FAILED_COLLAPSE, err, c.instance ?: INSTANCE_DEFAULT);
	status = resolve(&c, a);
	if (!status) {
		raise_files(&c);
		status = start(&c);
	}
	for (size_t i = 0; i < c.n_targets; i++)
		relay_target_free(&c.targets[i]);
	free(c.targets);
	return status;
}

static const struct cmd_verb verbs[] = {
	[RELAY_PAIR] = {.name = "pair", .help = "connect every two successive clients to each other"},
	[RELAY_FORWARD] = {.name = "forward", .help = "connect each client to a target"},
	{0},
};
static const char *const paths[] = {[RELAY_AUTO] = "auto",
				    [RELAY_KERNEL] = "kernel",
				    [RELAY_SPLICE] = "splice",
				    [RELAY_COPY] = "copy",
				    NULL};
static const char *const proxies[] = {"v2", NULL};

static const struct cmd_option options[] = {
	{
		.name = "listen",
		.type = CMD_STRING,
		.offset = offsetof(struct relay_args, listen),
		.arg = "ADDR:PORT",
		.required = true,
		.help = "where clients connect",
	},
	{
		.name = "once",
		.type = CMD_FLAG,
		.offset = offsetof(struct relay_args, once),
		.verb = "pair",
		.help = "end with the first pair",
	},
	{
		.name = "to",
		.type = CMD_LIST,
		.offset = offsetof(struct relay_args, to),
		.verb = "forward",
		.arg = "HOST:PORT",
		.required = true,
		.help = "a target; several take turns",
	},
	{
		.name = "source",
		.type = CMD_STRING,
		.offset = offsetof(struct relay_args, source),
		.verb = "forward",
		.arg = "ADDR",
		.help = "connect from this address",
	},
	{
		.name = "proxy-protocol",
		.type = CMD_CHOICE,
		.offset = offsetof(struct relay_args, proxy),
		.verb = "forward",
		.arg = "V",
		.words = proxies,
		.preset = CMD_NONE,
		.help = "send the target a PROXY protocol header of version V",
	},
	{
		/* two clients of a pair would end up in two processes and never meet */
		.name = "workers",
		.type = CMD_NUMBER,
		.offset = offsetof(struct relay_args, workers),
		.verb = "forward",
		.arg = "N",
		.min = 1,
		.max = WORKERS_MAX,
		.preset = 1,
		.help = "processes that share the work",
		.more = "A process that needs the kernel path or *--collapse* has a second process that "
			"waits for sockets in its place.",
	},
	{
		.name = "max-connections",
		.type = CMD_NUMBER,
		.offset = offsetof(struct relay_args, max),
		.arg = "N",
		.min = 1,
		.max = 1000000,
		.preset = 10000,
		.help = "limit of pairs at a time, per worker",
	},
	{
		.name = "connect-timeout",
		.type = CMD_SECONDS,
		.offset = offsetof(struct relay_args, connect),
		.arg = "S",
		.max = DAY,
		.preset = 5,
		.help = "give up on a target after S seconds",
	},
	{
		.name = "idle-timeout",
		.type = CMD_SECONDS,
		.offset = offsetof(struct relay_args, idle),
		.arg = "S",
		.max = 365 * DAY,
		.zero = "never",
		.help = "end pairs that were silent for S seconds",
	},
	{
		.name = "drain-timeout",
		.type = CMD_SECONDS,
		.offset = offsetof(struct relay_args, drain),
		.arg = "S",
		.max = 365 * DAY,
		.preset = 30,
		.help = "at SIGTERM, let pairs finish for S seconds",
	},
	{
		.name = "path",
		.type = CMD_CHOICE,
		.offset = offsetof(struct relay_args, path),
		.arg = "PATH",
		.words = paths,
		.preset = RELAY_AUTO,
		.help = "how bytes travel",
		.more = "*auto* chooses by the traffic.",
	},
	{
		.name = "collapse",
		.type = CMD_FLAG,
		.offset = offsetof(struct relay_args, collapse),
		.help = "let client and server hop to each other, past the relay",
		.more = "Where both are members of an instance, the relay idles. Bytes that hop bypass the "
			"relay and everything else between the two. The instance must be attached; its rules "
			"and conditions apply as to any connection.",
	},
	{
		.name = "instance",
		.type = CMD_STRING,
		.offset = offsetof(struct relay_args, instance),
		.arg = "NAME",
		.unset = INSTANCE_DEFAULT,
		.completes = CMD_INSTANCES,
		.help = "with --collapse: the instance whose members they are",
	},
	{0},
};

const struct command cmd_relay = {
	.name = "relay",
	.summary = "carry bytes between TCP connections in the kernel",
	.verbs = verbs,
	.options = options,
	.size = sizeof(struct relay_args),
	.run = relay,
};
