// SPDX-License-Identifier: GPL-2.0-only
/*
 * cmd_relay.c: `sockhop relay pair` and `sockhop relay forward`: options, worker processes.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "cmd.h"
#include "relay.h"
#include "util.h"

#define DEFAULT_MAX	10000
#define DEFAULT_CONNECT 5
#define DEFAULT_DRAIN	30
#define WORKERS_MAX	256
/* Per pair: two sockets, and two pipes while both directions splice. */
#define FILES_PER_PAIR 6
#define FILES_SPARE    64

enum {
	OPT_LISTEN = 256,
	OPT_TO,
	OPT_SOURCE,
	OPT_PROXY,
	OPT_WORKERS,
	OPT_MAX,
	OPT_CONNECT,
	OPT_IDLE,
	OPT_DRAIN,
	OPT_ONCE,
	OPT_PATH,
};

static const struct option options[] = {
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"to", required_argument, NULL, OPT_TO},
	{"source", required_argument, NULL, OPT_SOURCE},
	{"proxy-protocol", required_argument, NULL, OPT_PROXY},
	{"workers", required_argument, NULL, OPT_WORKERS},
	{"max-connections", required_argument, NULL, OPT_MAX},
	{"connect-timeout", required_argument, NULL, OPT_CONNECT},
	{"idle-timeout", required_argument, NULL, OPT_IDLE},
	{"drain-timeout", required_argument, NULL, OPT_DRAIN},
	{"once", no_argument, NULL, OPT_ONCE},
	{"path", required_argument, NULL, OPT_PATH},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* What the options said, before names are resolved. */
struct wishes {
	const char *listen, *source;
	const char **to;
	size_t n_to;
};

static int bad(const char *option, const char *value, const char *why)
{
	return cmd_usage_error("relay", "--%s %s: %s", option, value, why);
}

static int number(const char *option, const char *text, unsigned int min, unsigned int max, unsigned int *out)
{
	unsigned long n;
	char *end;

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

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i])) {
			*out = i;
			return EXIT_OK;
		}
	}
	return bad("path", text, "it is one of auto, kernel, splice, copy");
}

static int set_option(int opt, struct relay_conf *c, struct wishes *w)
{
	const unsigned int day = 86400;

	switch (opt) {
	case OPT_LISTEN:
		w->listen = optarg;
		return EXIT_OK;
	case OPT_TO:
		w->to[w->n_to++] = optarg;
		return EXIT_OK;
	case OPT_SOURCE:
		w->source = optarg;
		return EXIT_OK;
	case OPT_PROXY:
		if (strcmp(optarg, "v2"))
			return bad("proxy-protocol", optarg, "only v2 is known");
		c->proxy_v2 = true;
		return EXIT_OK;
	case OPT_ONCE:
		c->once = true;
		return EXIT_OK;
	case OPT_WORKERS:
		return number("workers", optarg, 1, WORKERS_MAX, &c->workers);
	case OPT_MAX:
		return number("max-connections", optarg, 1, 1000000, &c->max_pairs);
	case OPT_CONNECT:
		return number("connect-timeout", optarg, 0, day, &c->connect_timeout);
	case OPT_IDLE:
		return number("idle-timeout", optarg, 0, 365 * day, &c->idle_timeout);
	case OPT_DRAIN:
		return number("drain-timeout", optarg, 0, 365 * day, &c->drain_timeout);
	case OPT_PATH:
		return path(optarg, &c->path);
	case 'v':
		log_level++;
		return EXIT_OK;
	default:
		return EXIT_USAGE;
	}
}

static int parse(int argc, char **argv, struct relay_conf *c, struct wishes *w, bool *help)
{
	int opt, status = EXIT_OK;

	optind = 0;
	opterr = 0;
	while (status == EXIT_OK && (opt = getopt_long(argc, argv, ":vh", options, NULL)) != -1) {
		*help = opt == 'h';
		if (*help)
			return EXIT_OK;
		if (opt == '?' || opt == ':')
			return cmd_usage_error(
				"relay", opt == ':' ? "option '%s' wants a value" : "unknown option '%s'",
				argv[optind - 1]);
		status = set_option(opt, c, w);
	}
	if (status)
		return status;
	if (optind + 1 != argc)
		return cmd_usage_error("relay", "say `pair` or `forward`");
	if (!strcmp(argv[optind], "pair"))
		c->mode = RELAY_PAIR;
	else if (!strcmp(argv[optind], "forward"))
		c->mode = RELAY_FORWARD;
	else
		return cmd_usage_error("relay", "'%s' is neither `pair` nor `forward`", argv[optind]);
	return EXIT_OK;
}

static int check(const struct relay_conf *c, const struct wishes *w)
{
	if (!w->listen)
		return cmd_usage_error("relay", "--listen ADDR:PORT is missing");
	if (c->mode == RELAY_FORWARD && !w->n_to)
		return cmd_usage_error("relay", "forward wants --to HOST:PORT");
	if (c->mode == RELAY_FORWARD && c->once)
		return cmd_usage_error("relay", "--once goes with pair only");
	if (c->mode == RELAY_PAIR && (w->n_to || w->source || c->proxy_v2))
		return cmd_usage_error("relay", "--to, --source and --proxy-protocol go with forward only");
	/* two clients of a pair would end up in two processes and never meet */
	if (c->mode == RELAY_PAIR && c->workers > 1)
		return cmd_usage_error("relay", "--workers goes with forward only");
	return EXIT_OK;
}

static int resolve(struct relay_conf *c, const struct wishes *w)
{
	const char *why = NULL;

	if (relay_addr_listen(w->listen, &c->listen, &why))
		return bad("listen", w->listen, why);
	if (w->source && relay_addr_source(w->source, &c->source, &why))
		return bad("source", w->source, why);
	c->targets = calloc(w->n_to + 1, sizeof(*c->targets));
	if (!c->targets) {
		msg_error("relay: %s", strerror(ENOMEM));
		return EXIT_FAIL;
	}
	for (size_t i = 0; i < w->n_to; i++) {
		if (!relay_target_resolve(w->to[i], &c->targets[c->n_targets], &why)) {
			c->n_targets++;
			continue;
		}
		msg_error("relay: cannot resolve --to %s: %s", w->to[i], why);
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
	int err = relay_worker_run(c, index, fd);

	if (err)
		msg_error("relay: %s", strerror(-err));
	return exit_status(err);
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
	struct wishes w = {.to = to};
	bool help = false;
	int status;

	if (!to)
		return EXIT_FAIL;
	status = parse(argc, argv, &c, &w, &help);
	if (help) {
		usage_print(stdout, "relay");
		return EXIT_OK;
	}
	status = status ?: check(&c, &w);
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
