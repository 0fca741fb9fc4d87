// SPDX-License-Identifier: GPL-2.0-only
/*
 * catalogue: runs cases of the behaviour catalogue (lab.h), each in a process of its own.
 *
 * catalogue --list                         names, what sockhop should make of them, themes
 * catalogue [-c COLUMN] [-j N] [-v] CASE...
 * catalogue [-c COLUMN] [-j N] --all [--json]
 *
 * COLUMN: plain (default), default (attached: a case counts if its connection hopped before and during it, or
 * is out for the expected reason), forced (members whatever they are). The latter two ask $SOCKHOP list
 * --instance $SOCKHOP_INSTANCE for reasons. Exit status: 0; 1 a case did not count; 2 it did not run.
 */
#include "lab.h"

#include <getopt.h>

/* -DLAB_ONLY=THEME: a program of that one, for what keeps a whole program out. */
#ifdef LAB_ONLY
#define CASES(theme) cases_##theme
#define NAME(theme)  #theme
#define THEME_OF(theme)                   \
	{                                 \
		NAME(theme), CASES(theme) \
	}
#define DECLARE(theme) extern const struct lab_case CASES(theme)[]
DECLARE(LAB_ONLY);
#else
extern const struct lab_case cases_read[], cases_write[], cases_poll[], cases_block[], cases_option[],
	cases_close[], cases_share[], cases_conn[], cases_uring[], cases_reconnect[], cases_asleep[];
#endif

static const struct {
	const char *name;
	const struct lab_case *cases;
} themes[] = {
#ifdef LAB_ONLY
	THEME_OF(LAB_ONLY),
#else
	{"read", cases_read},		{"write", cases_write},	  {"poll", cases_poll},
	{"block", cases_block},		{"option", cases_option}, {"close", cases_close},
	{"share", cases_share},		{"conn", cases_conn},	  {"uring", cases_uring},
	{"reconnect", cases_reconnect}, {"asleep", cases_asleep},
#endif
};

enum column { PLAIN, DEFAULT, FORCED };
static const char *const column_names[] = {"plain", "default", "forced"};
static enum column column;

/* Seconds that a case may take; that a connection may take to be refused for the expected reason. */
#define CASE_LIMIT 30
#define WHY_WAIT   15

/* How a case went, as its process tells. */
struct result {
	const struct lab_case *c;
	const char *theme;
	pid_t pid;
	int fd;
	char *text; /* "status: ..." first, then the observations */
	size_t len;
	bool counts;
};

/* Why the case must not be a member in this column; NULL: it must be one. */
static const char *expected_why(const struct lab_case *c)
{
	if (column != DEFAULT && !(c->flags & LAB_NEVER))
		return NULL;
	if (c->flags & LAB_FIONREAD && strstr(lab_ask("status"), "\"fionread_counts_hops\": false"))
		return "fionread";
	return c->why;
}

/* Traffic until one end has the expected reason. A connection that hops meanwhile has no such reason. */
static bool refused(struct lab *t, const char *expected, char *why, size_t size)
{
	double until = now() + WHY_WAIT;
	int k;

	do {
		for (k = 0; k < 300; k++)
			if (hops(t->a, t->b)) {
				snprintf(why, size, "hops");
				return false;
			}
		lab_why(t->b, why, size);
		if (!strcmp(why, expected))
			return true;
		lab_why(t->a, why, size);
		if (!strcmp(why, expected))
			return true;
	} while (now() < until);
	return false;
}

/*
 * Non-blocking meanwhile, whatever the case wants: a blocking reader that has chosen tcp_recvmsg() just
 * before its socket joins sleeps there for good (docs/design.md, I12). That is another reason for the rule,
 * and a matter of chance.
 */
static bool joined(struct lab *t)
{
	bool block_a = !(fcntl(t->a, F_GETFL) & O_NONBLOCK), block_b = !(fcntl(t->b, F_GETFL) & O_NONBLOCK);
	double until = now() + join_wait();
	int streak = 0;

	lab_nonblock(t, true);
	while (streak < JOIN_STREAK && now() < until)
		streak = hops(t->a, t->b) ? streak + 1 : 0;
	set_nonblock(t->a, !block_a);
	set_nonblock(t->b, !block_b);
	return streak >= JOIN_STREAK;
}

/* Warms the pair up as the column wants it. Writes how that went; false: the case does not count. */
static bool warm(struct lab *t, const struct lab_case *c, char *status, size_t size)
{
	const char *expected;
	char why[64] = "";
	int k;

	if (c->flags & LAB_NO_WARM_UP) {
		snprintf(status, size, "young");
		return true;
	}
	if (column == PLAIN) {
		for (k = 0; k < PLAIN_WARM_UP; k++)
			hops(t->a, t->b);
		snprintf(status, size, "plain");
		return true;
	}
	expected = expected_why(c);
	if (expected) {
		if (refused(t, expected, why, sizeof(why))) {
			snprintf(status, size, "why-not %s", why);
			return true;
		}
		snprintf(status, size, "INVALID: should be no member for '%s', is '%s'", expected, why);
		return false;
	}
	if (joined(t)) {
		snprintf(status, size, "member");
		return true;
	}
	lab_why(t->a, why, sizeof(why) / 2);
	k = strlen(why);
	why[k] = '/';
	lab_why(t->b, why + k + 1, sizeof(why) / 2 - 1);
	snprintf(status, size, "INVALID: never joined (%s)", why);
	return false;
}

/*
 * A case that turns a member blocking speaks for its program: each is one of its own (agent/program/flips.h).
 */
static void name_program(void)
{
	char name[16];

	snprintf(name, sizeof(name), "case %d", getpid());
	prctl(PR_SET_NAME, name);
}

/* In the process of the case. */
static void run_case(const struct lab_case *c, int out)
{
	struct lab t = {.a = -1, .b = -1};
	char status[200];
	bool counts;

	alarm(CASE_LIMIT);
	name_program();
	signal(SIGPIPE, SIG_IGN);
	t.out = fdopen(out, "w");
	setvbuf(t.out, NULL, _IOLBF, 0);
	if (c->make)
		c->make(&t);
	else
		make_pair(&t, "127.0.0.1", "127.0.0.1");
	if (c->prepare)
		c->prepare(&t);
	counts = warm(&t, c, status, sizeof(status));
	fprintf(t.out, "@before: %s\n", status);
	c->run(&t);
	if (!strcmp(status, "member") && !(c->flags & (LAB_QUIET | LAB_CANCEL)) && !t.hopped) {
		fprintf(t.out, "@during: INVALID: none of %llu bytes hopped\n", (unsigned long long)t.stayed);
		counts = false;
	} else {
		fprintf(t.out, "@during: hopped %llu stayed %llu\n", (unsigned long long)t.hopped,
			(unsigned long long)t.stayed);
	}
	fprintf(t.out, "@end: %s\n", counts ? "counts" : "does not count");
	fflush(t.out);
	_exit(0);
}

static void start(struct result *r)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		die("pipe");
	fflush(stdout);
	r->pid = fork_with_us();
	if (!r->pid) {
		close(p[0]);
		setpgid(0, 0);
		run_case(r->c, p[1]);
	}
	close(p[1]);
	r->fd = p[0];
}

/* Reads what the case says; true when it has ended. */
static bool collect(struct result *r)
{
	char buf[4096];
	ssize_t n = read(r->fd, buf, sizeof(buf));
	int status;

	if (n > 0) {
		r->text = realloc(r->text, r->len + n + 1);
		memcpy(r->text + r->len, buf, n);
		r->len += n;
		r->text[r->len] = '\0';
		return false;
	}
	close(r->fd);
	waitpid(r->pid, &status, 0);
	kill(-r->pid, SIGKILL); /* helpers of a case that was cut short */
	r->counts = r->text && strstr(r->text, "\n@end: counts\n");
	if (!r->text || !strstr(r->text, "\n@end: ")) {
		r->text = realloc(r->text, r->len + 100);
		snprintf(r->text + r->len, 100, "@end: %s\n",
			 WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exited early");
	}
	r->pid = 0;
	return true;
}

/* At most `parallel` at a time; those that disturb others run by themselves, at the end. */
static void run_all(struct result *r, int n, int parallel)
{
	struct pollfd p[64];
	int who[64], pass, i, k, running;

	for (pass = 0; pass < 2; pass++) {
		for (i = running = 0; i < n || running;) {
			while (running < (pass ? 1 : parallel) && i < n) {
				if (!!(r[i].c->flags & LAB_ALONE) == pass) {
					start(&r[i]);
					p[running] = (struct pollfd){.fd = r[i].fd, .events = POLLIN};
					who[running++] = i;
				}
				i++;
			}
			if (!running)
				break;
			poll(p, running, -1);
			for (k = running - 1; k >= 0; k--)
				if (p[k].revents && collect(&r[who[k]])) {
					running--;
					p[k] = p[running];
					who[k] = who[running];
				}
		}
	}
}

static void print_string(const char *s, int n)
{
	putchar('"');
	for (; n > 0; n--, s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < ' ' || (unsigned char)*s > '~')
			printf("\\u%04x", (unsigned char)*s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void print_json(const struct result *r, int n)
{
	const char *line;
	int i, len;

	puts("[");
	for (i = 0; i < n; i++) {
		printf(" {\"case\": \"%s\", \"theme\": \"%s\", \"column\": \"%s\", \"counts\": %s, \"seen\": "
		       "[",
		       r[i].c->name, r[i].theme, column_names[column], r[i].counts ? "true" : "false");
		for (line = r[i].text; *line; line += len + (line[len] == '\n')) {
			len = strcspn(line, "\n");
			printf("%s\n  ", line == r[i].text ? "" : ",");
			print_string(line, len);
		}
		printf("]}%s\n", i + 1 < n ? "," : "");
	}
	puts("]");
}

static void print_text(const struct result *r, int n)
{
	int i;

	for (i = 0; i < n; i++)
		printf("== %s\n%s", r[i].c->name, r[i].text);
}

static void list_cases(void)
{
	const struct lab_case *c;
	size_t i;

	for (i = 0; i < sizeof(themes) / sizeof(themes[0]); i++)
		for (c = themes[i].cases; c->name; c++)
			printf("%s\t%s\t%s\n", c->name,
			       c->flags & LAB_NO_WARM_UP ? "young"
			       : c->why			 ? c->why
							 : "member",
			       themes[i].name);
}

static bool wanted(const char *name, char **names, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return true;
	return !n;
}

static enum column parse_column(const char *s)
{
	int i;

	for (i = 0; i < 3; i++)
		if (!strcmp(s, column_names[i]))
			return i;
	fprintf(stderr, "catalogue: columns are plain, default, forced\n");
	exit(EXIT_SETUP);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"list", 0, NULL, 'l'},
						{"all", 0, NULL, 'a'},
						{"json", 0, NULL, 'J'},
						{"column", 1, NULL, 'c'},
						{}};
	static struct result results[400];
	bool all = false, json = false;
	const struct lab_case *c;
	int o, n = 0, parallel = 1, i;
	size_t k;

	while ((o = getopt_long(argc, argv, "c:j:", options, NULL)) != -1) {
		if (o == 'l')
			return list_cases(), 0;
		else if (o == 'a')
			all = true;
		else if (o == 'J')
			json = true;
		else if (o == 'c')
			column = parse_column(optarg);
		else if (o == 'j')
			parallel = atoi(optarg);
		else
			return EXIT_SETUP;
	}
	if (all == (optind < argc) || parallel < 1 || parallel > 64) {
		fprintf(stderr, "catalogue: --all, or names of cases (see --list); -j 1 to 64\n");
		return EXIT_SETUP;
	}
	for (k = 0; k < sizeof(themes) / sizeof(themes[0]); k++)
		for (c = themes[k].cases; c->name; c++)
			if (wanted(c->name, argv + optind, argc - optind))
				results[n++] = (struct result){.c = c, .theme = themes[k].name};
	if (!n) {
		fprintf(stderr, "catalogue: no such case\n");
		return EXIT_SETUP;
	}
	run_all(results, n, parallel);
	if (json)
		print_json(results, n);
	else
		print_text(results, n);
	for (i = 0; i < n; i++)
		if (!results[i].counts)
			return EXIT_FAULT;
	return 0;
}
