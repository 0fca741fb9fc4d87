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
#include "agent/relay/loop.h"

#define DEFAULT_MAX	10000
#define DEFAULT_CONNECT 5
#define DEFAULT_DRAIN	30
#define WORKERS_MAX	256
/* Per pair: two sockets, and two pipes while both directions splice. */
#define FILES_PER_PAIR 6
#define FILES_SPARE    64

/* What the options said, before names are resolved. */
struct wishes {
	const char *listen, *source, *proxy, *path;
	const char *workers, *max, *connect, *idle, *drain;
	struct cmd_list to;
};

static int bad(const char *option, const char *value, const char *why)
{
	return cmd_usage_error("relay", "--%s %s: %s", option, value, why);
}

/* text NULL: not given. */
static int number(const char *option, const char *text, unsigned int min, unsigned int max, unsigned int *out)
{
	unsigned long n;
	char *end;

	if (!text)
		return EXIT_OK;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || n < min || n > max)
		return cmd_usage_error("relay", "--%s wants a number from %u to %u, not '%s'", option, min,
				       max, text);
	*out = n;
	return EXIT_OK;
}

static int path(const char *text, enum relay_path *out)
{
	static const char *const names[] = {[RELAY_AUTO] = "auto",
					    [RELAY_KERNEL] = "kernel",
					    [RELAY_SPLICE] = "splice",
					    [RELAY_COPY] = "copy"};

	if (!text)
		return EXIT_OK;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i])) {
			*out = i;
			return EXIT_OK;
		}
	}
	return bad("path", text, "it is one of auto, kernel, splice, copy");
}

static int values(struct relay_conf *c, const struct wishes *w)
{
	const unsigned int day = 86400;
	int status = EXIT_OK;

	if (w->proxy && strcmp(w->proxy, "v2"))
		return bad("proxy-protocol", w->proxy, "only v2 is known");
	c->proxy_v2 = w->proxy;
	status = status ?: number("workers", w->workers, 1, WORKERS_MAX, &c->workers);
	status = status ?: number("max-connections", w->max, 1, 1000000, &c->max_pairs);
	status = status ?: number("connect-timeout", w->connect, 0, day, &c->connect_timeout);
	status = status ?: number("idle-timeout", w->idle, 0, 365 * day, &c->idle_timeout);
	status = status ?: number("drain-timeout", w->drain, 0, 365 * day, &c->drain_timeout);
	return status ?: path(w->path, &c->path);
}

static int mode(int operands, char **argv, enum relay_mode *out)
{
	if (operands != 1)
		return cmd_usage_error("relay", "say `pair` or `forward`");
	if (!strcmp(argv[1], "pair"))
		*out = RELAY_PAIR;
	else if (!strcmp(argv[1], "forward"))
		*out = RELAY_FORWARD;
	else
		return cmd_usage_error("relay", "'%s' is neither `pair` nor `forward`", argv[1]);
	return EXIT_OK;
}

static int check(const struct relay_conf *c, const struct wishes *w)
{
	if (!w->listen)
		return cmd_usage_error("relay", "--listen ADDR:PORT is missing");
	if (c->mode == RELAY_FORWARD && !w->to.count)
		return cmd_usage_error("relay", "forward wants --to HOST:PORT");
	if (c->mode == RELAY_FORWARD && c->once)
		return cmd_usage_error("relay", "--once goes with pair only");
	if (c->mode == RELAY_PAIR && (w->to.count || w->source || c->proxy_v2))
		return cmd_usage_error("relay", "--to, --source and --proxy-protocol go with forward only");
	/* two clients of a pair would end up in two processes and never meet */
	if (c->mode == RELAY_PAIR && c->workers > 1)
		return cmd_usage_error("relay", "--workers goes with forward only");
	if (c->instance && !c->collapse)
		return cmd_usage_error("relay", "--instance goes with --collapse only");
	return EXIT_OK;
}

static int resolve(struct relay_conf *c, const struct wishes *w)
{
	const char *why = NULL;

	if (relay_addr_listen(w->listen, &c->listen, &why))
		return bad("listen", w->listen, why);
	if (w->source && relay_addr_source(w->source, &c->source, &why))
		return bad("source", w->source, why);
	c->targets = calloc(w->to.count + 1, sizeof(*c->targets));
	if (!c->targets) {
		msg_error("relay: %s", strerror(ENOMEM));
		return EXIT_FAIL;
	}
	for (size_t i = 0; i < w->to.count; i++) {
		if (!relay_target_resolve(w->to.word[i], &c->targets[c->n_targets], &why)) {
			c->n_targets++;
			continue;
		}
		msg_error("relay: cannot resolve --to %s: %s", w->to.word[i], why);
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
	return exit_status(relay_worker_run(c, index, fd));
}

static void kill_all(const pid_t *pids, unsigned int n, int sig)
{
	for (unsigned int i = 0; i < n; i++)
		if (pids[i] > 0)
			kill(pids[i], sig);
}

/* The parent passes signals on; when a worker fails, all end. */
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
	/* the port may have been chosen by the kernel; who reads this knows that clients may come */
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

int cmd_relay(int argc, char **argv)
{
	struct relay_conf c = {.workers = 1,
			       .max_pairs = DEFAULT_MAX,
			       .connect_timeout = DEFAULT_CONNECT,
			       .drain_timeout = DEFAULT_DRAIN};
	_cleanup_free_ const char **to = calloc(argc + 1, sizeof(*to));
	struct wishes w = {.to.word = to};
	const struct cmd_option options[] = {{"listen", CMD_STRING, &w.listen},
					     {"to", CMD_LIST, &w.to},
					     {"source", CMD_STRING, &w.source},
					     {"proxy-protocol", CMD_STRING, &w.proxy},
					     {"workers", CMD_STRING, &w.workers},
					     {"max-connections", CMD_STRING, &w.max},
					     {"connect-timeout", CMD_STRING, &w.connect},
					     {"idle-timeout", CMD_STRING, &w.idle},
					     {"drain-timeout", CMD_STRING, &w.drain},
					     {"once", CMD_FLAG, &c.once},
					     {"path", CMD_STRING, &w.path},
					     {"collapse", CMD_FLAG, &c.collapse},
					     {"instance", CMD_STRING, &c.instance},
					     {0}};
	int n, status;

	if (!to)
		return EXIT_FAIL;
	n = cmd_parse(argc, argv, options, CMD_PERMUTE);
	if (n < 0)
		return cmd_parse_status(n);
	status = values(&c, &w);
	status = status ?: mode(n, argv, &c.mode);
	status = status ?: check(&c, &w);
	if (!status && c.collapse)
		status = relay_collapse_check(c.instance);
	status = status ?: resolve(&c, &w);
	if (!status) {
		raise_files(&c);
		status = start(&c);
	}
	for (size_t i = 0; i < c.n_targets; i++)
		relay_target_free(&c.targets[i]);
	free(c.targets);
	return status;
}
