// SPDX-License-Identifier: GPL-2.0-only
/*
 * share: one end of a live member in several hands. In each case a and b stream position-coded bytes at each
 * other in small messages while the case happens in the middle; everything must arrive once, in order.
 *
 * share [-k KILOBYTES] [CASE...]
 *   fork: the child reads b, the parent writes it      scm: b moves to another process by SCM_RIGHTS
 *   dup: b goes on under another descriptor           readers: two threads take turns at reading b
 *   dup-old: b stays open twice, both are used
 */
#include "pattern.h"
#include "process.h"

#include <pthread.h>
#include <sys/wait.h>

static uint64_t bytes = 2000 * 1024;

struct job {
	int fd, dir;
	uint64_t from, to;
	uint64_t faults;
	pthread_mutex_t *turn; /* readers: position and recv() must go together */
	uint64_t *pos;
};

/* Sends [from, to) of the stream `dir` in small messages. */
static void *writer(void *arg)
{
	struct job *j = arg;
	unsigned int seed = j->dir + 1;
	unsigned char b[512];
	uint64_t at = j->from;
	size_t n;
	int err;

	while (at < j->to) {
		n = 1 + rand_r(&seed) % (rand_r(&seed) % 8 ? 100 : sizeof(b));
		if (n > j->to - at)
			n = j->to - at;
		pattern_fill(1, j->dir, at, b, n);
		err = send_all(j->fd, b, n, 10);
		if (err) {
			fprintf(stderr, "FAULT send, direction %d offset %llu: %s\n", j->dir,
				(unsigned long long)at, err_name(err));
			j->faults++;
			break;
		}
		at += n;
	}
	return NULL;
}

/* Reads and checks [from, to) of the stream `dir`. */
static void *reader(void *arg)
{
	struct job *j = arg;
	unsigned char b[700];
	double until = now() + 30;
	ssize_t r, k;

	while (*j->pos < j->to && !j->faults) {
		if (j->turn)
			pthread_mutex_lock(j->turn);
		r = *j->pos < j->to
			    ? recv(j->fd, b, j->to - *j->pos < sizeof(b) ? j->to - *j->pos : sizeof(b), 0)
			    : 0;
		if (r > 0) {
			k = pattern_check(1, j->dir, *j->pos, b, r);
			if (k >= 0) {
				pattern_blame(1, j->dir, *j->pos + k, b + k, r - k);
				j->faults++;
			}
			*j->pos += r;
		} else if (*j->pos < j->to && (!r || errno != EAGAIN || now() > until)) {
			fprintf(stderr, "FAULT recv, direction %d offset %llu: %s\n", j->dir,
				(unsigned long long)*j->pos, r ? strerror(errno) : "end of stream");
			j->faults++;
		}
		if (j->turn)
			pthread_mutex_unlock(j->turn);
		if (r < 0)
			wait_for(j->fd, POLLIN, 50);
	}
	return NULL;
}

/* Both ends, both directions, [from, to): a's writer and reader in threads, b's reads by `b_read`, writes by
 * `b_write`. */
static uint64_t stream(int a, int b_read, int b_write, uint64_t from, uint64_t to, int b_readers)
{
	pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
	uint64_t pos_a = from, pos_b = from, faults = 0;
	struct job job[5] = {
		{.fd = a, .dir = 0, .from = from, .to = to},
		{.fd = a, .dir = 1, .from = from, .to = to, .pos = &pos_a},
		{.fd = b_write, .dir = 1, .from = from, .to = to},
		{.fd = b_read, .dir = 0, .from = from, .to = to, .pos = &pos_b, .turn = &turn},
		{.fd = b_read, .dir = 0, .from = from, .to = to, .pos = &pos_b, .turn = &turn},
	};
	pthread_t t[5];
	int i, n = 3 + b_readers;

	for (i = 0; i < n; i++)
		pthread_create(&t[i], NULL, i == 0 || i == 2 ? writer : reader, &job[i]);
	for (i = 0; i < n; i++) {
		pthread_join(t[i], NULL);
		faults += job[i].faults;
	}
	return faults;
}

static int finish_child(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

static int case_fork(int a, int b)
{
	uint64_t half = bytes / 2, pos = half, posa = half;
	struct job read_b = {.fd = b, .dir = 0, .from = half, .to = bytes, .pos = &pos};
	struct job write_b = {.fd = b, .dir = 1, .from = half, .to = bytes};
	struct job read_a = {.fd = a, .dir = 1, .from = half, .to = bytes, .pos = &posa};
	struct job write_a = {.fd = a, .dir = 0, .from = half, .to = bytes};
	struct job *job[3] = {&write_b, &read_a, &write_a};
	pthread_t t[3];
	pid_t pid;
	int i, bad;

	bad = stream(a, b, b, 0, half, 1) != 0;
	pid = fork_with_us();
	if (!pid) {
		reader(&read_b);
		_exit(read_b.faults != 0);
	}
	for (i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, i == 1 ? reader : writer, job[i]);
	for (i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		bad |= job[i]->faults != 0;
	}
	return finish_child(pid) | bad;
}

/* The taker reads and writes b from the middle of both streams on. */
static int taker(int via)
{
	uint64_t pos = bytes / 2;
	struct job r = {.dir = 0, .from = pos, .to = bytes, .pos = &pos};
	struct job w = {.dir = 1, .from = pos, .to = bytes};
	pthread_t t;

	r.fd = w.fd = take_fd(via);
	pthread_create(&t, NULL, writer, &w);
	reader(&r);
	pthread_join(t, NULL);
	return r.faults || w.faults;
}

static int case_scm(int a, int b)
{
	uint64_t half = bytes / 2, pos = half;
	struct job r = {.fd = a, .dir = 1, .from = half, .to = bytes, .pos = &pos};
	struct job w = {.fd = a, .dir = 0, .from = half, .to = bytes};
	int sv[2], bad;
	pthread_t t;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, sv))
		die("socketpair");
	/* before there is traffic: the child has copies of a and b that it must not keep */
	pid = fork_with_us();
	if (!pid) {
		close(a);
		close(b);
		_exit(taker(sv[1]));
	}
	bad = stream(a, b, b, 0, half, 1) != 0;
	pthread_create(&t, NULL, writer, &w); /* bytes are under way while b changes hands */
	pass_fd(sv[0], b);
	close(b);
	reader(&r);
	pthread_join(t, NULL);
	close(sv[0]);
	close(sv[1]);
	return finish_child(pid) | bad | (r.faults || w.faults);
}

static int case_dup(int a, int b)
{
	int d, bad = stream(a, b, b, 0, bytes / 2, 1) != 0;

	d = dup(b);
	close(b);
	bad |= stream(a, d, d, bytes / 2, bytes, 1) != 0;
	close(d);
	return bad;
}

static int case_dup_old(int a, int b)
{
	int d, bad = stream(a, b, b, 0, bytes / 2, 1) != 0;

	d = dup(b);
	bad |= stream(a, d, b, bytes / 2, bytes, 1) != 0;
	close(d);
	return bad;
}

static int case_readers(int a, int b)
{
	return stream(a, b, b, 0, bytes, 2) != 0;
}

static const struct {
	const char *name;
	int (*run)(int a, int b);
} cases[] = {
	{"fork", case_fork},	   {"scm", case_scm},	      {"dup", case_dup},
	{"dup-old", case_dup_old}, {"readers", case_readers},
};

int main(int argc, char **argv)
{
	int c, pair[2], bad = 0, r;
	uint64_t path, sent;
	size_t i;

	while ((c = getopt(argc, argv, "k:")) != -1) {
		if (c != 'k')
			return EXIT_SETUP;
		bytes = strtoull(optarg, NULL, 0) * 1024;
	}
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (optind < argc && strcmp(argv[optind], cases[i].name))
			continue;
		member_pair(pair);
		path = path_sent(pair[0]);
		r = cases[i].run(pair[0], pair[1]);
		sent = path_sent(pair[0]) - path;
		printf("share case=%s result=%s bytes=%llu hop=%llu\n", cases[i].name, r ? "BAD" : "ok",
		       (unsigned long long)bytes, (unsigned long long)(sent < bytes ? bytes - sent : 0));
		fflush(stdout);
		bad |= r;
		close(pair[0]);
		close(pair[1]);
	}
	return bad;
}
