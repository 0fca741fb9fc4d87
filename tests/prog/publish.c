// SPDX-License-Identifier: GPL-2.0-only
/*
 * publish: one that only sends and one that only receives, as a publisher and its subscriber.
 *
 * publish [-s SECONDS] [-z BYTES] [-a ADDRESS -n FILE]
 *   The publisher sends -z bytes (200) some 10 000 times a second, for -s seconds (4). The subscriber sends
 * one message at the start, then only reads, by epoll, and compares every byte. Prints hop=BYTES (what did
 * not pass TCP) sent=BYTES hop_percent=N; exits with 1 at a wrong byte.
 */
#include "sock.h"
#include "pattern.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#define MAX_SIZE 65536

static int size = 200;
static double secs = 4;
static const char *addr = "127.0.0.1", *netns;

static void publish(int fd)
{
	static unsigned char buf[MAX_SIZE];
	struct timespec gap = {0, 50000};
	uint64_t sent = 0, path;
	double end;

	if (recv_all(fd, buf, 1, 5))
		die("subscribe");
	for (end = now() + secs; now() < end; nanosleep(&gap, NULL)) {
		pattern_fill(1, 0, sent, buf, size);
		if (send_all(fd, buf, size, 10))
			die("send");
		sent += size;
	}
	shutdown(fd, SHUT_WR);
	if (recv_all(fd, buf, 1, 10)) /* all read */
		die("subscriber found a fault");
	path = path_sent(fd);
	printf("hop=%llu sent=%llu hop_percent=%llu\n", (unsigned long long)(sent - path),
	       (unsigned long long)sent, (unsigned long long)((sent - path) * 100 / sent));
}

static int subscribe(int fd)
{
	static unsigned char buf[MAX_SIZE];
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = epoll_create1(0);
	uint64_t got = 0;
	ssize_t r;

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) || send(fd, "s", 1, 0) != 1)
		die("subscribe");
	for (;;) {
		if (epoll_wait(ep, &ev, 1, 10000) != 1)
			die("nothing for 10 s");
		r = recv(fd, buf, sizeof(buf), 0);
		if (!r)
			break;
		if (r < 0 && errno != EAGAIN)
			die("recv");
		if (r > 0 && pattern_check(1, 0, got, buf, r) >= 0)
			return EXIT_FAULT;
		got += r > 0 ? r : 0;
	}
	return send(fd, "e", 1, 0) == 1 ? 0 : EXIT_FAULT;
}

int main(int argc, char **argv)
{
	int c, listener, fd, status;
	pid_t pid;

	while ((c = getopt(argc, argv, "s:z:a:n:")) != -1) {
		if (c == 's')
			secs = atof(optarg);
		else if (c == 'z')
			size = atoi(optarg);
		else if (c == 'a')
			addr = optarg;
		else if (c == 'n')
			netns = optarg;
		else
			return EXIT_SETUP;
	}
	if (size < 1 || size > MAX_SIZE)
		return EXIT_SETUP;
	signal(SIGPIPE, SIG_IGN);
	listener = tcp_listen(addr, 0);
	pid = fork_with_us();
	if (!pid) {
		int ns = netns ? open(netns, O_RDONLY | O_CLOEXEC) : -1;

		if (netns && (ns < 0 || setns(ns, CLONE_NEWNET)))
			die("%s", netns);
		return subscribe(tcp_connect_nonblock(addr, local_port(listener)));
	}
	fd = tcp_accept(listener);
	set_nonblock(fd, true);
	close(listener);
	publish(fd);
	close(fd);
	if (waitpid(pid, &status, 0) != pid || status)
		return EXIT_FAULT;
	return 0;
}
