// SPDX-License-Identifier: GPL-2.0-only
/*
 * posts: clients of an HTTP server that answers each POST with the body it got, and keeps connections.
 *
 * posts PORT CONNECTIONS SECONDS
 *
 * Each connection has a process of its own, and is non-blocking. Bodies are of 0 to 8000 pseudo-random bytes,
 * a third of the requests are sent in two or three pieces 2 ms apart: a server that has begun to read must
 * wait for the rest. Every byte of the answers is compared. A connection that fails is counted as a lost
 * request, and made anew. Prints the sums; 1 if a request was lost or an answer was wrong.
 */
#include "../prog/sock.h"

#include <strings.h>
#include <sys/wait.h>

#define MAX_BODY 8000
#define PAUSE_MS 2
#define PATIENCE 30 /* seconds for an answer, on a busy machine */

struct sums {
	long requests, lost, wrong;
};

static int port;
static char request[MAX_BODY + 256], answer[MAX_BODY + 4096];

/* xorshift32 */
static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Returns the length of the request, *body the place of its body. */
static size_t make_request(uint32_t *state, size_t *body)
{
	size_t len = next_random(state) % (MAX_BODY + 1);

	*body = snprintf(request, sizeof(request),
			 "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %zu\r\n\r\n", len);
	for (size_t i = 0; i < len; i++)
		request[*body + i] = next_random(state);
	return *body + len;
}

/* All of it, in one piece or up to three. 0 or -errno. */
static int send_request(int fd, size_t len, uint32_t *state)
{
	int pieces = next_random(state) % 3 ? 1 : 2 + next_random(state) % 2, err = 0;
	size_t sent = 0;

	for (; pieces && !err; pieces--) {
		size_t n = pieces == 1 ? len - sent : next_random(state) % (len - sent);

		err = send_all(fd, request + sent, n, PATIENCE);
		sent += n;
		if (pieces > 1)
			msleep(PAUSE_MS);
	}
	return err;
}

/* How long the answer in the first n bytes is in all, 0 if they do not say it yet. *body: where its body
 * begins. */
static size_t answer_length(size_t n, size_t *body)
{
	char *end, *line;

	answer[n] = 0;
	end = strstr(answer, "\r\n\r\n");
	if (!end)
		return 0;
	*body = end + 4 - answer;
	for (line = strstr(answer, "\r\n"); line && line < end; line = strstr(line + 2, "\r\n"))
		if (!strncasecmp(line + 2, "content-length:", 15))
			return *body + strtoul(line + 17, NULL, 10);
	return *body;
}

/* Its length, *body where its body begins. 0: the connection failed. */
static size_t receive_answer(int fd, size_t *body)
{
	double until = now() + PATIENCE;
	size_t n = 0, len = 0;

	while ((!len || n < len) && n < sizeof(answer) - 1 && now() < until) {
		ssize_t r;

		wait_for(fd, POLLIN, 1000);
		r = recv(fd, answer + n, sizeof(answer) - 1 - n, 0);
		if (!r || (r < 0 && errno != EAGAIN && errno != EINTR))
			return 0;
		n += r > 0 ? r : 0;
		len = answer_length(n, body);
	}
	return len && n == len ? len : 0;
}

/* One request and its answer; false if the connection is of no more use. */
static bool post(int fd, uint32_t *state, struct sums *sums)
{
	size_t body, len = make_request(state, &body), at = 0, got;

	sums->requests++;
	got = send_request(fd, len, state) ? 0 : receive_answer(fd, &at);
	if (!got) {
		sums->lost++;
		return false;
	}
	if (got - at != len - body || memcmp(answer + at, request + body, len - body))
		sums->wrong++;
	return true;
}

static void connection(int seed, double until, int out)
{
	struct sums sums = {};
	uint32_t state = seed * 2654435761u | 1;
	int fd = -1;

	while (now() < until) {
		if (fd < 0)
			fd = tcp_connect_nonblock("127.0.0.1", port);
		if (!post(fd, &state, &sums)) {
			close(fd);
			fd = -1;
		}
	}
	_exit(write(out, &sums, sizeof(sums)) == sizeof(sums) ? 0 : EXIT_SETUP);
}

int main(int argc, char **argv)
{
	int i, n = argc > 2 ? atoi(argv[2]) : 0, pipefd[2];
	double until = now() + (argc > 3 ? atof(argv[3]) : 0);
	struct sums all = {}, one;

	signal(SIGPIPE, SIG_IGN);
	if (argc != 4 || pipe(pipefd))
		die("posts PORT CONNECTIONS SECONDS");
	port = atoi(argv[1]);
	for (i = 0; i < n; i++)
		if (!fork_with_us())
			connection(i + 1, until, pipefd[1]);
	close(pipefd[1]);
	for (i = 0; read(pipefd[0], &one, sizeof(one)) == sizeof(one); i++) {
		all.requests += one.requests;
		all.lost += one.lost;
		all.wrong += one.wrong;
	}
	printf("connections=%d requests=%ld lost=%ld wrong=%ld\n", i, all.requests, all.lost, all.wrong);
	while (wait(NULL) > 0)
		;
	if (i != n)
		return EXIT_SETUP;
	return all.lost || all.wrong || !all.requests ? EXIT_FAULT : 0;
}
