// SPDX-License-Identifier: GPL-2.0-only
/*
 * relay_splice LISTEN-PORT TARGET-PORT: the plain splice(2) relay that others are measured against: two
 * threads a connection, each with a pipe of 1 MB, blocking.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIPE_SIZE (1 << 20)

struct way {
	int from, to;
};

static void *carry(void *arg)
{
	struct way w = *(struct way *)arg;
	int p[2];

	free(arg);
	if (pipe(p))
		return NULL;
	fcntl(p[1], F_SETPIPE_SZ, PIPE_SIZE);
	for (;;) {
		ssize_t n = splice(w.from, NULL, p[1], NULL, PIPE_SIZE, SPLICE_F_MOVE);

		if (n <= 0)
			break;
		while (n > 0) {
			ssize_t m = splice(p[0], NULL, w.to, NULL, n, SPLICE_F_MOVE);

			if (m <= 0)
				break;
			n -= m;
		}
	}
	shutdown(w.to, SHUT_WR);
	close(p[0]);
	close(p[1]);
	return NULL;
}

static void start(int from, int to)
{
	struct way *w = malloc(sizeof(*w));
	pthread_t t;
	int on = 1;

	setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*w = (struct way){from, to};
	pthread_create(&t, NULL, carry, w);
	pthread_detach(t);
}

int main(int argc, char **argv)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int l = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (argc != 3)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	in.sin_port = htons(atoi(argv[1]));
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l, (struct sockaddr *)&in, sizeof(in)) || listen(l, 128)) {
		perror("relay_splice");
		return 1;
	}
	in.sin_port = htons(atoi(argv[2]));
	for (;;) {
		int a = accept(l, NULL, NULL), b = socket(AF_INET, SOCK_STREAM, 0);

		if (a < 0 || connect(b, (struct sockaddr *)&in, sizeof(in))) {
			close(a);
			close(b);
			continue;
		}
		start(a, b);
		start(b, a);
	}
}
