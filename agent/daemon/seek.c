// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "seek.h"
#include "agent/instance/instance.h"
#include "agent/instance/netns.h"
#include "agent/instance/snapshot.h"
#include "agent/lib/util.h"

/* Further addresses wait for the next time. */
#define ADDRESSES 64

struct seek {
	struct in6_addr addr[ADDRESSES]; /* IPv4 as v4-mapped */
	unsigned int n;
	struct netns_list *found;
};

/* An end that sends to itself is in a namespace that gets a pass anyway. */
static bool is_loopback(const struct in6_addr *a)
{
	return IN6_IS_ADDR_V4MAPPED(a) ? a->s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(a);
}

static int note_seeker(const void *record, void *arg)
{
	const struct hop_show *s = record;
	struct seek *seek = arg;
	struct in6_addr addr;

	memcpy(&addr, s->tuple.peer, sizeof(addr));
	if (!(s->end_flags & HOP_END_SEEK) || hop_in(s->state) || is_loopback(&addr))
		return 0;
	for (unsigned int i = 0; i < seek->n; i++)
		if (!memcmp(&seek->addr[i], &addr, sizeof(addr)))
			return 0;
	if (seek->n < ADDRESSES)
		seek->addr[seek->n++] = addr;
	return 0;
}

/* A socket can be bound to the addresses of its namespace only: in ours, is that one of them? */
static bool is_ours(const struct in6_addr *a)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_addr = *a};
	struct sockaddr_in sin = {.sin_family = AF_INET};
	bool v4 = IN6_IS_ADDR_V4MAPPED(a);
	_cleanup_close_ int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(&sin.sin_addr, &a->s6_addr[12], sizeof(sin.sin_addr));
	return fd >= 0 && !bind(fd, v4 ? (void *)&sin : (void *)&sin6, v4 ? sizeof(sin) : sizeof(sin6));
}

static int look_into(int fd, __u32 inum, void *arg)
{
	struct seek *seek = arg;

	if (setns(fd, CLONE_NEWNET))
		return 0; /* not allowed: not found */
	for (unsigned int i = 0; i < seek->n; i++)
		if (is_ours(&seek->addr[i]))
			return netns_list_add(seek->found, inum);
	return 0;
}

int seek_namespaces(const struct instance *in, struct netns_list *l)
{
	struct seek seek = {.found = l};
	_cleanup_close_ int own = -1;
	int err = snapshot_each(in, note_seeker, &seek);

	if (err || !seek.n)
		return err;
	own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0)
		return -errno;
	err = netns_each(in, NULL, NULL, look_into, &seek);
	if (setns(own, CLONE_NEWNET))
		err = -errno;
	return err;
}
