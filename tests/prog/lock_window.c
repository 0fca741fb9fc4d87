// SPDX-License-Identifier: GPL-2.0-only
/*
 * lock_window: how long is the time between the verdict's look at the peer's lock and the redirect's taking
 *of it? A call of the peer that begins in that window has the sender's send() wait for it.
 *
 * lock_window [-s SECONDS] [-n MESSAGES]
 *
 * In each trial the sender sends MESSAGES (200) one after the other, each a hop, and at a random moment
 *meanwhile the peer begins a recv() into a page that is not there for 20 ms, so that its lock is taken for
 *that long. A send() that ends after the page was filled and had begun before has met the window. The moment
 *is spread evenly over the sender's period, so
 *
 *	window = period of a send * trials that met it / trials
 *
 * Prints these, and the share of trials. Members must not leave for it: SOCKHOP_TEST_FORCE=flips, for one.
 */
#include "fault.h"

#include <pthread.h>
#include <sched.h>

#define HOLD_MS 20

static int messages = 200;
static _Atomic bool ready, go;
static _Atomic double filled; /* when the page was; 0: not yet */

struct call {
	int fd, uffd;
	void *page;
	double delay;
	_Atomic double began;
};

static void *receive(void *arg)
{
	struct call *c = arg;
	double at;

	ready = true;
	while (!go)
		;
	at = now() + c->delay;
	while (now() < at)
		;
	c->began = now();
	if (recv(c->fd, c->page, 1, 0) != 1)
		die("recv");
	return NULL;
}

static void *provide(void *arg)
{
	struct call *c = arg;

	if (!wait_for(c->uffd, POLLIN, 5000))
		die("no fault");
	msleep(HOLD_MS);
	filled = now();
	fill_page(c->uffd, c->page);
	return NULL;
}

static void drain(int fd, int n)
{
	char b[65536];

	while (n > 0) {
		ssize_t r = wait_for(fd, POLLIN, 5000) ? recv(fd, b, sizeof(b), 0) : -1;

		if (r <= 0)
			die("drain");
		n -= r;
	}
}

struct sums {
	int trials, met;
	double span; /* of the sends before the peer's call, and how many they were */
	int sends;
};

/* Sends all; sets *met if one of them has met the window. */
static void send_them(int fd, const struct call *c, struct sums *s, bool *met)
{
	double first = now(), begin = first, end = first, span = 0;
	int n, free_sends = 0;
	char b = 'x';

	for (n = 0; n < messages; n++, begin = end) {
		if (send(fd, &b, 1, MSG_NOSIGNAL) != 1)
			die("send");
		end = now();
		if (!c->began || end < c->began) {
			free_sends = n + 1;
			span = end - first;
		}
		*met |= filled && begin < filled && end >= filled;
	}
	/* else the call came too late, or the first messages were not over when it came */
	if (free_sends < 2 || free_sends == messages)
		return;
	s->trials++;
	s->met += *met;
	s->span += span;
	s->sends += free_sends;
}

static void trial(const int pair[2], struct sums *s, double span)
{
	struct call c = {.fd = pair[1], .delay = span * rand() / RAND_MAX};
	pthread_t reader, provider;
	bool met = false;

	c.page = faulting_page(&c.uffd);
	ready = go = false;
	filled = 0;
	if (send_all(pair[0], "y", 1, 1) || !wait_for(pair[1], POLLIN, 5000))
		die("send");
	pthread_create(&reader, NULL, receive, &c);
	pthread_create(&provider, NULL, provide, &c);
	while (!ready)
		sched_yield();
	go = true;
	send_them(pair[0], &c, s, &met);
	pthread_join(reader, NULL);
	pthread_join(provider, NULL);
	drain(pair[1], messages);
	munmap(c.page, PAGE);
	close(c.uffd);
}

int main(int argc, char **argv)
{
	double secs = 10, until, period;
	struct sums s = {};
	int c, pair[2];

	while ((c = getopt(argc, argv, "s:n:")) != -1) {
		if (c == 's')
			secs = atof(optarg);
		else if (c == 'n')
			messages = atoi(optarg);
		else
			return EXIT_SETUP;
	}
	member_pair(pair);
	for (until = now() + secs; now() < until;)
		trial(pair, &s, s.sends ? messages * s.span / s.sends : messages * 1e-6);
	if (!s.trials)
		die("no trial counted");
	period = s.span / s.sends;
	printf("lock_window trials=%d met=%d share=%.4f period_us=%.3f window_us=%.4f\n", s.trials, s.met,
	       (double)s.met / s.trials, period * 1e6, period * 1e6 * s.met / s.trials);
	return 0;
}
