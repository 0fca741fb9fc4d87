// SPDX-License-Identifier: GPL-2.0-only
/*
 * closing: one end closes while the other one sends. What does that first send() say, and what the next one?
 *
 * closing [-s SECONDS] [-w MICROSECONDS]
 *
 * In each trial a pair that has talked, and has nothing unread, meets a send() and a close() on two CPUs, up
 * to 20 us (-w) apart. Prints how many trials there were, in how many the two calls overlapped, what the
 * first send() said in those and in all, and what the next one said 2 ms later. On plain TCP the first one is
 * taken.
 */
#include "sock.h"

#include <pthread.h>
#include <sched.h>

enum { OK, PIPE, RESET, OTHER, RESULTS };
static const char *const names[] = {"ok", "EPIPE", "ECONNRESET", "other"};

static _Atomic int ready, go;
static double apart = 20e-6;

struct closer {
	int fd;
	double delay, began, ended;
};

static void wait_until(double t)
{
	while (now() < t)
		;
}

static void *close_it(void *arg)
{
	struct closer *c = arg;

	ready = 1;
	while (!go)
		;
	wait_until(now() + c->delay);
	c->began = now();
	close(c->fd);
	c->ended = now();
	return NULL;
}

static int send_one(int fd)
{
	char b = 'x';

	if (send(fd, &b, 1, MSG_NOSIGNAL) == 1)
		return OK;
	return errno == EPIPE ? PIPE : errno == ECONNRESET ? RESET : OTHER;
}

struct sums {
	long trials, overlap, all[RESULTS], met[RESULTS], next[RESULTS];
};

static double random_delay(void)
{
	return apart * rand() / RAND_MAX;
}

static void trial(const int pair[2], struct sums *s)
{
	struct closer c = {.fd = pair[1], .delay = random_delay()};
	double delay = random_delay(), began, ended;
	pthread_t t;
	int first;

	ready = go = 0;
	pthread_create(&t, NULL, close_it, &c);
	while (!ready)
		sched_yield();
	go = 1;
	wait_until(now() + delay);
	began = now();
	first = send_one(pair[0]);
	ended = now();
	pthread_join(t, NULL);
	s->trials++;
	s->all[first]++;
	if (began < c.ended && c.began < ended) {
		s->overlap++;
		s->met[first]++;
	}
	msleep(2);
	s->next[send_one(pair[0])]++;
	close(pair[0]);
}

static void print(const char *what, const long *n)
{
	printf(" %s:", what);
	for (int i = 0; i < RESULTS; i++)
		if (n[i])
			printf("%s%s=%ld", i ? "," : "", names[i], n[i]);
}

/* Connections that hop come in hundreds, since joining takes time. */
#define BATCH 200

int main(int argc, char **argv)
{
	static int pair[BATCH][2];
	double secs = 10, until;
	struct sums s = {};
	int c;

	while ((c = getopt(argc, argv, "s:w:")) != -1) {
		if (c == 's')
			secs = atof(optarg);
		else if (c == 'w')
			apart = atof(optarg) * 1e-6;
		else
			return EXIT_SETUP;
	}
	for (until = now() + secs; now() < until;) {
		tcp_pairs(pair, BATCH);
		warm_up_all(pair, BATCH);
		for (int i = 0; i < BATCH; i++)
			trial(pair[i], &s);
	}
	printf("closing trials=%ld overlap=%ld", s.trials, s.overlap);
	print("first", s.all);
	print("first_in_overlap", s.met);
	print("next", s.next);
	printf("\n");
	return 0;
}
