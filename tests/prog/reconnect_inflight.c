// SPDX-License-Identifier: GPL-2.0-only
/*
 * reconnect_inflight NETNS ADDR: a member is disconnected and connects elsewhere while a call of its old peer
 * has not ended; as far as anybody can tell from outside, that call may be a hop in flight. The socket must
 * not join again before it is over, and must join then.
 *
 * The old peer lives in the network namespace NETNS (a path) at ADDR, because its call, a recv() on a page
 * that is not there, blocks passes over its namespace.
 */
#include "fault.h"

#include <pthread.h>
#include <sched.h>

static int listen_in(const char *netns, const char *addr)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there = open(netns, O_RDONLY | O_CLOEXEC),
	    l;

	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET))
		die("%s", netns);
	l = tcp_listen(addr, 0);
	if (setns(home, CLONE_NEWNET))
		die("setns");
	close(home);
	close(there);
	return l;
}

struct call {
	int fd;
	void *page;
	ssize_t got;
};

static void *receive(void *arg)
{
	struct call *c = arg;

	c->got = recv(c->fd, c->page, 100, 0);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int l, other, fd, hopped = 0, uffd;
	struct sockaddr_storage ss;
	struct call call = {};
	double until;
	socklen_t len;
	pthread_t t;

	if (argc != 3)
		return EXIT_SETUP;
	l = listen_in(argv[1], argv[2]);
	other = tcp_listen("127.0.0.1", 0);
	fd = tcp_connect_nonblock(argv[2], local_port(l));
	call.fd = tcp_accept_nonblock(l);
	warm_up(fd, call.fd);
	call.page = faulting_page(&uffd);
	if (send_all(fd, "for page", 8, 1))
		die("send");
	pthread_create(&t, NULL, receive, &call);
	if (!wait_for(uffd, POLLIN, 5000))
		die("no page fault");
	len = to_sockaddr("127.0.0.1", local_port(other), &ss);
	if (connect(fd, &none, sizeof(none)) || connect_wait(fd, &ss, len))
		die("connect");
	l = tcp_accept_nonblock(other);
	printf("reconnect_inflight ready\n");
	fflush(stdout);
	for (until = now() + 4; now() < until;)
		hopped += hops(fd, l);
	fill_page(uffd, call.page);
	pthread_join(t, NULL);
	printf("reconnect_inflight got=%zd hopped=%d\n", call.got, hopped);
	if (hopped || call.got != 8)
		return EXIT_FAULT;
	warm_up(fd, l);
	printf("reconnect_inflight joined\n");
	return 0;
}
