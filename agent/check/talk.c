// SPDX-License-Identifier: GPL-2.0-only
/* talk.c: the talker of the self test, a process that talks to itself over TCP. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include "talk.h"
#include "agent/lib/util.h"
#include "agent/probe/loopback.h"
#include "cgroup/cgroup.h"

#define BATCH	32 /* round trips between two looks at the counters */
#define TRIP_MS 500

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static int one_way(int from, int to, unsigned int n)
{
	unsigned int msg[16] = {n}, got[16] = {};

	if (send(from, msg, sizeof(msg), MSG_NOSIGNAL) != sizeof(msg) || !readable(to, TRIP_MS) ||
	    recv(to, got, sizeof(got), 0) != sizeof(got))
		return errno ? -errno : -EPIPE;
	return got[0] == n ? 0 : -EBADMSG;
}

static int talk(int client, int server, unsigned int *n)
{
	int err = 0;

	for (int i = 0; i < BATCH && !err; i++) {
		err = one_way(client, server, ++*n);
		if (!err)
			err = one_way(server, client, ++*n);
	}
	return err;
}

/* Data segments that the end sent and received: hops are none. */
static unsigned int segments(int fd)
{
	struct tcp_info info = {};
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_data_segs_out + info.tcpi_data_segs_in;
}

/* Talk until the segments stand still (hops: true) or move. */
static int talk_until(bool hops, int client, int server, unsigned int *n, struct talk_word *w)
{
	unsigned long long start = now_ns();
	unsigned int before = segments(client), after;
	int err;

	for (;;) {
		err = talk(client, server, n);
		if (err)
			return err;
		after = segments(client);
		if ((after == before) == hops)
			break;
		if (now_ns() - start > TALK_WITHIN_MS * 1000000ull)
			return -ETIMEDOUT;
		before = after;
	}
	w->hop_ms = (now_ns() - start) / 1000000 + 1;
	w->segments = after;
	return 0;
}

int talker(const char *cgroup, int control)
{
	struct talk_word w = {}, second = {};
	int client = -1, server = -1, err = cgroup_enter(cgroup, 0);
	unsigned int n = 0;
	char go;

	if (!err && unshare(CLONE_NEWNET))
		err = -errno;
	if (!err)
		err = loopback_up();
	if (!err)
		err = loopback_pair(&client, &server);
	if (!err && (fcntl(client, F_SETFL, O_NONBLOCK) || fcntl(server, F_SETFL, O_NONBLOCK)))
		err = -errno;
	if (!err)
		err = talk_until(true, client, server, &n, &w);
	if (err)
		w.hop_ms = 0;
	if ((err && err != -ETIMEDOUT) || send(control, &w, sizeof(w), MSG_NOSIGNAL) != sizeof(w))
		return 1;
	/* go on talking while it is detached; without hops, stay for the tester to look why */
	if (err)
		readable(control, TALK_WITHIN_MS);
	while (!err && recv(control, &go, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
		err = talk(client, server, &n);
	if (!err)
		err = talk_until(false, client, server, &n, &second);
	second.lives = !err;
	return send(control, &second, sizeof(second), MSG_NOSIGNAL) == sizeof(second) ? 0 : 1;
}
