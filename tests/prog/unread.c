// SPDX-License-Identifier: GPL-2.0-only
/*
 * unread: a member with hopped bytes in its queue that its program does not read until it gets SIGUSR1; then
 * all of them must be there, and those that were sent meanwhile behind them.
 *
 * unread [-s SECONDS] [-t]
 *   first line: "unread ready", exit status 1 if bytes are missing or no signal came
 *   -t: meanwhile both ends send a byte now and then, and once all is read they go on until they hop again
 */
#include "sock.h"
#include "pattern.h"

#define QUEUED 20000

static volatile sig_atomic_t go;

static void on_usr1(int sig)
{
	(void)sig;
	go = 1;
}

static int send_pattern(int fd, uint64_t from, uint64_t to)
{
	unsigned char b[100];
	int err = 0;
	size_t n;

	for (; from < to && !err; from += n) {
		n = to - from < sizeof(b) ? to - from : sizeof(b);
		pattern_fill(1, 0, from, b, n);
		err = send_all(fd, b, n, 5);
	}
	return err;
}

/* A byte each way every 5 ms, of which only the first end reads its own. Returns how many the other one has
 * to read. */
static uint64_t chat(const int pair[2], uint64_t sent)
{
	unsigned char b;

	pattern_fill(1, 0, sent, &b, 1);
	if (send_all(pair[0], &b, 1, 5) || send_all(pair[1], &b, 1, 5) || recv_all(pair[0], &b, 1, 5))
		die("chat");
	msleep(5);
	return 1;
}

int main(int argc, char **argv)
{
	unsigned char b[3 * QUEUED];
	uint64_t path, sent = QUEUED;
	double secs = 30, until;
	bool talk = false;
	int c, pair[2], err;

	while ((c = getopt(argc, argv, "s:t")) != -1) {
		if (c == 's')
			secs = atof(optarg);
		else if (c == 't')
			talk = true;
		else
			return EXIT_SETUP;
	}
	signal(SIGUSR1, on_usr1);
	member_pair(pair);
	path = path_sent(pair[0]);
	if (send_pattern(pair[0], 0, QUEUED))
		die("send");
	printf("unread ready hop=%llu\n", (unsigned long long)(QUEUED - (path_sent(pair[0]) - path)));
	fflush(stdout);
	for (until = now() + secs; !go && now() < until;)
		if (talk)
			sent += chat(pair, sent);
		else
			wait_for(pair[0], 0, 20);
	err = send_pattern(pair[0], sent, 2 * QUEUED);
	if (!err)
		err = recv_all(pair[1], b, 2 * QUEUED, 5);
	if (!err && pattern_check(1, 0, 0, b, 2 * QUEUED) >= 0) {
		pattern_blame(1, 0, pattern_check(1, 0, 0, b, 2 * QUEUED), b, 2 * QUEUED);
		err = -EILSEQ;
	}
	printf("unread received=%s after=%s\n", err_name(err),
	       round_trip(pair[0], pair[1], 64) ? "BAD" : "ok");
	fflush(stdout);
	if (talk && !err)
		warm_up(pair[0], pair[1]); /* status 77: it does not hop again */
	return err || !go;
}
