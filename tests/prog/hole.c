// SPDX-License-Identifier: GPL-2.0-only
/*
 * hole: the reader of a connection is half a message behind all the time, so that it joins with a partly read
 * segment in its queue, which must be cut (SOCKHOP_TEST_FORCE=cut: cannot be). Then the connection must end:
 * no byte may be read that is not the next one, neither by TCP nor by a hop.
 *
 * hole [-s SECONDS] [-p PID]
 *   -p: the agent, which is stopped once the hole is there, so that there is time to look into it
 *
 * exit status 0 if the reader got an error and its peer a reset; 1 if bytes were missing, or nothing came any
 * more; 77 if all arrived
 */
#include "sock.h"
#include "pattern.h"

#define SIZE   400
#define CORKED 20000 /* more than the segment that is cut has, less than a segment may have */

static uint64_t sent, got;

static int send_next(int fd, size_t n)
{
	unsigned char b[SIZE];

	pattern_fill(1, 0, sent, b, n);
	sent += n;
	return send_all(fd, b, n, 3);
}

static int socket_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

/* Reads up to `end` within s seconds; 0, or the error. */
static int read_to(int fd, uint64_t end, double s)
{
	double until = now() + s;

	while (got < end) {
		unsigned char b[SIZE];
		ssize_t n = recv(fd, b, end - got < SIZE ? end - got : SIZE, MSG_DONTWAIT);
		ssize_t bad = n > 0 ? pattern_check(1, 0, got, b, n) : -1;

		if (bad >= 0) {
			pattern_blame(1, 0, got + bad, b + bad, n - bad);
			return -EILSEQ;
		}
		if (n > 0)
			got += n;
		else if (!n || errno != EAGAIN)
			return n ? -errno : -ENODATA;
		else if (now() > until)
			return -EAGAIN;
		else if (wait_for(fd, POLLIN, 1) & POLLERR)
			return -socket_error(fd);
	}
	return 0;
}

static int answer(int fd, int peer)
{
	unsigned char b = 0;
	int err = send_all(fd, &b, 1, 3);

	return err ? err : recv_all(peer, &b, 1, 3);
}

/*
 * The kernel counts the dropped segment whole, so copied_seq is ahead of the sender by what should have been
 * cut off. Bytes that TCP holds back (TCP_CORK) let the sender's count catch up. Short segments stay in the
 * reader's queue then, and recv() says EAGAIN even after the reset: the error is asked of poll().
 */
static int look_into(int fd, int reader, pid_t agent)
{
	int on = 1, err = 0;

	if (agent)
		kill(agent, SIGSTOP);
	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
	for (int i = 0; i < CORKED && !err; i++)
		err = send_next(fd, 1); /* fails once it is reset */
	on = 0;
	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
	for (int i = 0; i < 10 && !err; i++)
		err = send_next(fd, SIZE);
	err = read_to(reader, sent, 0);
	if (agent)
		kill(agent, SIGCONT);
	return err == -EAGAIN ? read_to(reader, sent, 5) : err;
}

int main(int argc, char **argv)
{
	int c, pair[1][2], err = 0, sender;
	double secs = 20, until;
	pid_t agent = 0;
	char b;

	while ((c = getopt(argc, argv, "s:p:")) != -1) {
		if (c == 's')
			secs = atof(optarg);
		else if (c == 'p')
			agent = atoi(optarg);
		else
			return EXIT_SETUP;
	}
	tcp_pairs(pair, 1);
	for (until = now() + secs; !err && now() < until;) {
		err = send_next(pair[0][0], SIZE);
		if (!err)
			err = read_to(pair[0][1], sent - SIZE / 2, 0);
		if (err == -EAGAIN)
			err = look_into(pair[0][0], pair[0][1], agent);
		else if (!err)
			err = answer(pair[0][1], pair[0][0]);
	}
	wait_for(pair[0][0], POLLIN, 2000);
	sender = recv(pair[0][0], &b, 1, MSG_DONTWAIT) < 0 ? errno : 0;
	printf("hole bytes=%llu end=%s sender=%s\n", (unsigned long long)got, err_name(err),
	       err_name(sender));
	if (!err)
		return EXIT_NEVER_JOINED;
	return err == -EILSEQ || err == -EAGAIN || err == -ENODATA || sender != ECONNRESET;
}
