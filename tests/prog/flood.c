// SPDX-License-Identifier: GPL-2.0-only
/*
 * flood: a member's program that keeps the agent busy, or might.
 *
 * flood setsockopt [-s SECONDS]   an end with hopped bytes that nobody reads, and so cannot leave, sets
 *                                 SO_RCVLOWAT to 2 in a loop
 * flood exec [-s SECONDS]         programs start in a loop, with a connection as a descriptor
 * flood harmless [-s SECONDS]     a member sets options to values that change nothing, and goes on
 *
 * "flood ready" when it begins; harmless: "stayed=N", messages that took the TCP path meanwhile.
 */
#include "sock.h"

#include <sys/wait.h>

static double secs = 5;

static void ready(void)
{
	printf("flood ready\n");
	fflush(stdout);
}

static int flood_setsockopt(void)
{
	double until = now() + secs;
	char unread[64] = "";
	int pair[2];

	member_pair(pair);
	if (send_all(pair[0], unread, sizeof(unread), 1))
		die("send");
	ready();
	while (now() < until) {
		for (int i = 0; i < 10; i++)
			set_int(pair[1], SOL_SOCKET, SO_RCVLOWAT, 2);
		msleep(1);
	}
	return 0;
}

static int flood_exec(void)
{
	double until = now() + secs;
	int pair[1][2];

	tcp_pairs(pair, 1);
	fcntl(pair[0][0], F_SETFD, 0);
	ready();
	while (now() < until) {
		pid_t pid = fork_with_us();

		if (!pid) {
			execl("/bin/true", "true", (char *)NULL);
			_exit(127);
		}
		waitpid(pid, NULL, 0);
	}
	return 0;
}

static int harmless(void)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{SOL_SOCKET, SO_RCVLOWAT, 1},  {SOL_SOCKET, SO_TIMESTAMP, 0}, {SOL_SOCKET, SO_TIMESTAMPNS, 0},
		{SOL_SOCKET, SO_PEEK_OFF, -1}, {SOL_SOCKET, SO_ZEROCOPY, 0},  {SOL_SOCKET, SO_OOBINLINE, 0},
		{IPPROTO_TCP, TCP_INQ, 0},
	};
	double until = now() + secs;
	uint64_t path;
	int pair[2], bad = 0;

	member_pair(pair);
	ready();
	path = path_sent(pair[0]) + path_sent(pair[1]);
	for (unsigned int i = 0; now() < until && !bad; i++) {
		unsigned int n = i % (sizeof(options) / sizeof(options[0]));

		set_int(pair[i & 1], options[n].level, options[n].name, options[n].value);
		bad = round_trip(pair[0], pair[1], RR_SIZE);
		msleep(1);
	}
	printf("flood stayed=%llu\n",
	       (unsigned long long)((path_sent(pair[0]) + path_sent(pair[1]) - path) / RR_SIZE));
	return bad;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 4 && !strcmp(argv[2], "-s"))
		secs = atof(argv[3]);
	if (!strcmp(what, "setsockopt"))
		return flood_setsockopt();
	if (!strcmp(what, "exec"))
		return flood_exec();
	if (!strcmp(what, "harmless"))
		return harmless();
	fprintf(stderr, "flood setsockopt|exec|harmless [-s SECONDS]\n");
	return EXIT_SETUP;
}
