// SPDX-License-Identifier: GPL-2.0-only
/*
 * stall: ten clients of one server, which has one thread, and one of them stops for some milliseconds in the
 * middle of each recv(), its socket locked: what swap, a slow file behind a mapping, or the end of a CPU
 * quota does. How long do the other nine wait for their answers?
 *
 * stall [-z BYTES] [-m MS] [-s SECONDS]
 * A page fault that userfaultfd holds up for MS stops the slow one. Prints latencies of the others; fails if
 * there is an answer to them that took half of MS for every four stops.
 */
#include "histogram.h"
#include "sock.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CLIENTS 10
#define PAGE	4096
#define BURST	200

static int size = 64, hold_ms = 30;
static int conn[CLIENTS], uffd;
static double until;
static char *page;
static _Atomic long stops;

/* Echoes. */
static void serve(int listener)
{
	struct epoll_event ev[CLIENTS];
	static char buf[PAGE];
	int ep = epoll_create1(0), fd;
	ssize_t n;

	for (int i = 0; i < CLIENTS; i++) {
		ev[0] = (struct epoll_event){.events = EPOLLIN, .data.fd = tcp_accept_nonblock(listener)};
		epoll_ctl(ep, EPOLL_CTL_ADD, ev[0].data.fd, &ev[0]);
	}
	for (;;) {
		int ready = epoll_wait(ep, ev, CLIENTS, -1);

		for (int i = 0; i < ready; i++) {
			fd = ev[i].data.fd;
			n = recv(fd, buf, size, 0); /* one request at a time */
			if (n > 0 && send_all(fd, buf, n, 10))
				_exit(EXIT_FAULT);
			if (!n)
				_exit(0);
		}
	}
}

static void ask(int fd, void *buf)
{
	static const char request[PAGE];

	if (send_all(fd, request, size, 10) || recv_all(fd, buf, size, 10))
		die("no answer");
}

/* Serves the page faults of the slow one, late. */
static void *late_pages(void *arg)
{
	static char data[PAGE] __attribute__((aligned(PAGE)));
	struct uffdio_copy cp = {.dst = (unsigned long)page, .src = (unsigned long)data, .len = PAGE};
	struct uffd_msg m;

	while (read(uffd, &m, sizeof(m)) == sizeof(m)) {
		msleep(hold_ms);
		stops++;
		ioctl(uffd, UFFDIO_COPY, &cp);
	}
	return arg;
}

/* The slow one asks many times at once, and receives the first answer into a page that is not there. */
static void *slow_client(void *arg)
{
	static char buf[PAGE];

	while (now() < until) {
		madvise(page, PAGE, MADV_DONTNEED);
		for (int i = 0; i < BURST; i++)
			if (send_all(conn[0], buf, size, 10))
				die("the slow one cannot send");
		for (int i = 0; i < BURST; i++)
			if (recv_all(conn[0], i ? buf : page, size, 10))
				die("no answer to the slow one");
	}
	return arg;
}

static void open_page(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register reg = {.mode = UFFDIO_REGISTER_MODE_MISSING};

	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		die("userfaultfd");
	reg.range.start = (unsigned long)page;
	reg.range.len = PAGE;
	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		die("UFFDIO_REGISTER");
}

/* All clients talk until all of them hop, or for as long on plain TCP. */
static void warm_up_clients(void)
{
	static char buf[PAGE];
	double end = now() + (on_plain() ? 0.5 : join_wait());
	int streak = 0;

	while (now() < end && streak < JOIN_STREAK) {
		uint64_t before = 0, after = 0;

		for (int i = 0; i < CLIENTS; i++) {
			before += path_sent(conn[i]);
			ask(conn[i], buf);
			after += path_sent(conn[i]);
		}
		streak = !on_plain() && before == after ? streak + 1 : 0;
	}
	if (streak < JOIN_STREAK && !on_plain())
		exit(EXIT_NEVER_JOINED);
}

int main(int argc, char **argv)
{
	static char buf[PAGE];
	int c, listener;
	double secs = 2, took;
	long late = 0;
	pthread_t t[2];
	pid_t server;

	while ((c = getopt(argc, argv, "z:m:s:")) != -1) {
		if (c == 'z')
			size = atoi(optarg);
		else if (c == 'm')
			hold_ms = atoi(optarg);
		else if (c == 's')
			secs = atof(optarg);
		else
			return EXIT_SETUP;
	}
	listener = tcp_listen("127.0.0.1", 0);
	server = fork_with_us();
	if (!server)
		serve(listener);
	for (int i = 0; i < CLIENTS; i++)
		conn[i] = tcp_connect_nonblock("127.0.0.1", local_port(listener));
	warm_up_clients();
	open_page();
	until = now() + secs;
	pthread_create(&t[0], NULL, late_pages, NULL);
	pthread_create(&t[1], NULL, slow_client, NULL);
	while (now() < until) {
		for (int i = 1; i < CLIENTS; i++) {
			double start = now();

			ask(conn[i], buf);
			took = now() - start;
			note_latency(took);
			late += took * 2e3 > hold_ms;
		}
	}
	pthread_join(t[1], NULL);
	kill(server, SIGTERM);
	waitpid(server, NULL, 0);
	printf("stall stops=%ld late=%ld p50_us=%.0f p99_us=%.0f worst_us=%.0f\n", stops, late,
	       percentile(0.5), percentile(0.99), percentile(1));
	return late * 4 > stops ? EXIT_FAULT : 0;
}
