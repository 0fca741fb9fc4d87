// SPDX-License-Identifier: GPL-2.0-only
/*
 * held: a TCP connection of which one end is inside recv() on a page that is not there, and so holds its
 * socket's lock until SIGUSR1, or SECONDS are over. Then the call must return its bytes.
 *
 * held [-s SECONDS] [-n TIMES]      first line: "held ready"; -n: that often, for SECONDS each, one after the
 * other
 */
#include "fault.h"

#include <pthread.h>

static volatile sig_atomic_t go;

static void on_usr1(int sig)
{
	(void)sig;
	go = 1;
}

struct call {
	int fd;
	void *page;
	ssize_t got;
};

static void *receive(void *arg)
{
	struct call *c = arg;

	c->got = recv(c->fd, c->page, 100, 0);
	return NULL;
}

static int hold(const int pair[2], double secs)
{
	struct call call = {.fd = pair[1]};
	double until = now() + secs;
	static bool told;
	pthread_t t;
	int uffd;

	call.page = faulting_page(&uffd);
	if (send_all(pair[0], "0123456789", 10, 1) || !wait_for(pair[1], POLLIN, 5000))
		die("send");
	pthread_create(&t, NULL, receive, &call);
	if (!wait_for(uffd, POLLIN, 5000)) /* it has faulted: its socket lock is held */
		die("no fault");
	if (!told)
		printf("held ready\n");
	fflush(stdout);
	told = true;
	while (!go && now() < until)
		msleep(10);
	fill_page(uffd, call.page);
	pthread_join(t, NULL);
	munmap(call.page, PAGE);
	close(uffd);
	return call.got == 10 ? 0 : 1;
}

int main(int argc, char **argv)
{
	int c, pair[1][2], times = 1, err = 0;
	double secs = 10;

	while ((c = getopt(argc, argv, "s:n:")) != -1) {
		if (c == 's')
			secs = atof(optarg);
		else if (c == 'n')
			times = atoi(optarg);
		else
			return EXIT_SETUP;
	}
	signal(SIGUSR1, on_usr1);
	tcp_pairs(pair, 1);
	for (int i = 0; i < times && !err; i++)
		err = hold(pair[0], secs);
	printf("held over\n");
	return err;
}
