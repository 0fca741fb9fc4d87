// SPDX-License-Identifier: GPL-2.0-only
/*
 * unread: a member with hopped bytes in its queue that its program does not read until it gets SIGUSR1; then
 * all of them must be there, and those that were sent meanwhile behind them.
 *
 * unread [-s SECONDS]      first line: "unread ready", exit status 1 if bytes are missing or no signal came
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

	for (; from < to && !err; from += sizeof(b)) {
		pattern_fill(1, 0, from, b, sizeof(b));
		err = send_all(fd, b, sizeof(b), 5);
	}
	return err;
}

int main(int argc, char **argv)
{
	unsigned char b[3 * QUEUED];
	int c, pair[2], err;
	double secs = 30, until;
	uint64_t path;

	while ((c = getopt(argc, argv, "s:")) != -1) {
		if (c != 's')
			return EXIT_SETUP;
		secs = atof(optarg);
	}
	signal(SIGUSR1, on_usr1);
	member_pair(pair);
	path = path_sent(pair[0]);
	if (send_pattern(pair[0], 0, QUEUED))
		die("send");
	printf("unread ready hop=%llu\n", (unsigned long long)(QUEUED - (path_sent(pair[0]) - path)));
	fflush(stdout);
	for (until = now() + secs; !go && now() < until;)
		wait_for(pair[0], 0, 20);
	err = send_pattern(pair[0], QUEUED, 2 * QUEUED);
	if (!err)
		err = recv_all(pair[1], b, 2 * QUEUED, 5);
	if (!err && pattern_check(1, 0, 0, b, 2 * QUEUED) >= 0) {
		pattern_blame(1, 0, pattern_check(1, 0, 0, b, 2 * QUEUED), b, 2 * QUEUED);
		err = -EILSEQ;
	}
	printf("unread received=%s after=%s\n", err_name(err),
	       round_trip(pair[0], pair[1], 64) ? "BAD" : "ok");
	return err || !go;
}
