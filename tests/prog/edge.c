// SPDX-License-Identifier: GPL-2.0-only
/*
 * edge: an edge-triggered reader that takes a short read for "drained", as epoll(7) Q9 allows and nginx and
 * tokio do. On a fresh pair that hops, a transfer begins while the reader is busy elsewhere. Then the reader
 * calls epoll_wait() once and reads until a read is short. No transfer may stall, and bytes may not wait for
 * an event.
 *
 * edge [-n TRANSFERS] [-b BYTES] [-m LARGEST] [-d BUSY_MS] [-W MS] [-l]
 *   -n 8   -b 2000000 of each transfer   -m 60000: messages of 1 to so many bytes   -d 150
 *   -W 80: bytes that are readable may wait so long for their event
 *   -l: the reader watches with EPOLLET only once it is a member and LATE_BYTES are unread (before, it is
 * level-triggered) A stall is seen after STALL_MS. Exit status: 0, 1 a stall, a wait or a wrong byte, 2, 77
 * as in sock.h.
 */
#include "pattern.h"
#include "sock.h"

#include <sys/epoll.h>
#include <sys/wait.h>

#define STALL_MS   3000
#define SEED	   1
#define LATE_BYTES 10000

struct reader {
	int fd, ep;
	uint64_t at;
	double longest; /* seconds that readable bytes waited for their event */
};

static int transfers = 8, busy_ms = 150, largest = 60000, max_wait_ms = 80;
static uint64_t bytes = 2000000;
static bool late;
static unsigned char *data; /* all of them */

/*
 * Is there an event? If bytes are readable it must come, since the last read was short. How long it took
 * counts as waiting. 1: yes, 0: not in time, though there are bytes or more of them must come.
 */
static int next_event(struct reader *r)
{
	bool readable = wait_for(r->fd, POLLIN, 0) & POLLIN;
	struct epoll_event ev;
	double start = now();
	int n = epoll_wait(r->ep, &ev, 1, STALL_MS);

	if (readable && now() - start > r->longest)
		r->longest = now() - start;
	return n == 1;
}

/* Reads until a read is short. -1: a fault, which it prints. */
static int drain(struct reader *r)
{
	static unsigned char b[65536];
	ssize_t n;

	do {
		n = recv(r->fd, b, sizeof(b), 0);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0 || pattern_check(SEED, 0, r->at, b, n) >= 0) {
			fprintf(stderr, "FAULT at byte %llu: %s\n", (unsigned long long)r->at,
				n < 0 ? strerror(errno)
				: n   ? "wrong"
				      : "end of stream");
			return -1;
		}
		r->at += n;
	} while (n == sizeof(b) && r->at < bytes);
	return 0;
}

/* The child: all of the transfer, then a byte back. Its exit status. */
static int read_all(struct reader *r, int report)
{
	int code = 0;

	msleep(busy_ms);
	while (r->at < bytes && !code) {
		if (!next_event(r)) {
			fprintf(stderr, "STALLED at byte %llu of %llu, %s\n", (unsigned long long)r->at,
				(unsigned long long)bytes,
				wait_for(r->fd, POLLIN, 0) & POLLIN ? "readable" : "not readable");
			code = EXIT_FAULT;
		} else if (drain(r)) {
			code = EXIT_FAULT;
		}
	}
	if (write(report, &r->longest, sizeof(r->longest)) < 0 || send(r->fd, "k", 1, MSG_NOSIGNAL) < 0)
		code = EXIT_FAULT;
	return code;
}

/* The parent: messages of 1 to `largest` bytes, from offset `at` on. Returns the share of the bytes that
 * hopped. */
static double write_all(int fd, unsigned int seed, uint64_t at)
{
	uint64_t before = path_sent(fd);

	while (at < bytes) {
		size_t n = 1 + rand_r(&seed) % largest;

		if (n > bytes - at)
			n = bytes - at;
		if (send_all(fd, data + at, n, 2 * STALL_MS / 1000.0))
			break; /* the reader says why */
		at += n;
	}
	return 1 - (double)(path_sent(fd) - before) / at;
}

/* One transfer on a pair of its own; *longest and *share of it. 0 or EXIT_FAULT. */
static int transfer(int k, double *longest, double *share)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | (late ? 0 : EPOLLET)};
	int p[1][2], pipefd[2], status;
	struct reader r = {.ep = epoll_create1(EPOLL_CLOEXEC)};
	pid_t child;
	char ack;

	tcp_pairs(p, 1);
	r.fd = p[0][1];
	/* the watcher is there before it joins, as programs add it when they accept */
	if (r.ep < 0 || epoll_ctl(r.ep, EPOLL_CTL_ADD, r.fd, &ev) || pipe(pipefd))
		die("epoll, pipe");
	warm_up_all(p, 1);
	if (late) {
		if (send_all(p[0][0], data, LATE_BYTES, 1))
			die("send");
		ev = (struct epoll_event){.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
		if (epoll_ctl(r.ep, EPOLL_CTL_MOD, r.fd, &ev))
			die("epoll_ctl");
	} else {
		epoll_wait(r.ep, &ev, 1, 0); /* the edge of the last round trip */
	}
	child = fork_with_us();
	if (!child) {
		close(p[0][0]);
		_exit(read_all(&r, pipefd[1]));
	}
	close(p[0][1]);
	close(pipefd[1]);
	close(r.ep);
	*share = write_all(p[0][0], k, late ? LATE_BYTES : 0);
	recv_all(p[0][0], &ack, 1, 2 * STALL_MS / 1000.0);
	*longest = 0;
	if (read(pipefd[0], longest, sizeof(*longest)) < 0)
		die("read");
	if (waitpid(child, &status, 0) < 0)
		die("waitpid");
	close(pipefd[0]);
	close(p[0][0]);
	return !WIFEXITED(status) || WEXITSTATUS(status) ? EXIT_FAULT : 0;
}

int main(int argc, char **argv)
{
	int c, k, stalled = 0;
	double longest = 0, share = 0, l, s;

	while ((c = getopt(argc, argv, "n:b:m:d:W:l")) != -1) {
		if (c == 'n')
			transfers = atoi(optarg);
		else if (c == 'b')
			bytes = strtoull(optarg, NULL, 0);
		else if (c == 'm')
			largest = atoi(optarg);
		else if (c == 'd')
			busy_ms = atoi(optarg);
		else if (c == 'W')
			max_wait_ms = atoi(optarg);
		else if (c == 'l')
			late = true;
		else
			return EXIT_SETUP;
	}
	data = malloc(bytes);
	if (!data)
		die("malloc");
	pattern_fill(SEED, 0, 0, data, bytes);
	for (k = 0; k < transfers; k++) {
		stalled += !!transfer(k, &l, &s);
		longest = l > longest ? l : longest;
		share += s / transfers;
	}
	printf("edge transfers=%d stalled=%d longest_ms=%.1f hop_percent=%.1f\n", transfers, stalled,
	       longest * 1e3, share * 100);
	return stalled || longest * 1e3 > max_wait_ms ? EXIT_FAULT : 0;
}
