// SPDX-License-Identifier: GPL-2.0-only
/*
 * reconnect: members that are disconnected, connect(AF_UNSPEC), with bytes to read, and connect again with
 * the same socket; round after round, and they join again each time. Their first byte must be the first one
 * of the new connection.
 *
 * reconnect [-n PAIRS] [-r ROUNDS]   then "reconnect ready ..." with all connected once more, and young,
 * until SIGUSR1. Exit status 1 if a byte was wrong.
 */
#include "sock.h"

#define SIZE 200

static volatile sig_atomic_t go;

static void on_usr1(int sig)
{
	(void)sig;
	go = 1;
}

/* `mark` says which round a byte is from. */
static int send_mark(int fd, int mark)
{
	char b[SIZE];

	memset(b, mark, sizeof(b));
	return send_all(fd, b, sizeof(b), 5);
}

static int recv_mark(int fd, int mark)
{
	char b[SIZE];
	int err = recv_all(fd, b, sizeof(b), 5), i;

	for (i = 0; i < SIZE && !err; i++)
		if (b[i] != mark)
			err = -EILSEQ;
	return err;
}

/* Leaves unread bytes behind and connects to l; pair[1] becomes the new peer. */
static int again(int pair[2], int l, int round)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sockaddr_storage ss;
	socklen_t len = to_sockaddr("127.0.0.1", local_port(l), &ss);
	int err = send_mark(pair[1], '0');

	if (err || connect(pair[0], &none, sizeof(none)) || connect_wait(pair[0], &ss, len))
		return err ? err : -errno;
	close(pair[1]);
	pair[1] = tcp_accept_nonblock(l);
	err = send_mark(pair[1], '1' + round % 9);
	return err ? err : recv_mark(pair[0], '1' + round % 9);
}

int main(int argc, char **argv)
{
	int c, i, err, n = 20, rounds = 5, round, bad = 0, l = tcp_listen("127.0.0.1", 0);
	int(*pair)[2];

	while ((c = getopt(argc, argv, "n:r:")) != -1) {
		if (c != 'n' && c != 'r')
			return EXIT_SETUP;
		*(c == 'n' ? &n : &rounds) = atoi(optarg);
	}
	signal(SIGUSR1, on_usr1);
	signal(SIGPIPE, SIG_IGN);
	pair = calloc(n, sizeof(*pair));
	if (!pair)
		die("calloc");
	tcp_pairs(pair, n);
	for (round = 0; round < rounds && !bad; round++) {
		warm_up_all(pair, n);
		for (i = 0; i < n; i++) {
			err = again(pair[i], l, round);
			if (err && !bad++)
				printf("reconnect round=%d pair=%d %s\n", round, i, err_name(err));
		}
	}
	printf("reconnect ready pairs=%d rounds=%d bad=%d\n", n, round, bad);
	fflush(stdout);
	while (!go && !bad)
		wait_for(l, 0, 20);
	return bad ? EXIT_FAULT : 0;
}
