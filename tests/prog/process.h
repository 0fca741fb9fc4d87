/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * process.h: CPUs, descriptors that go from process to process, and the loopback device of a network
 * namespace of one's own. On failure they end the program as those of sock.h do.
 */
#ifndef SOCKHOP_TESTS_PROCESS_H
#define SOCKHOP_TESTS_PROCESS_H

#include "sock.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

/* The calling thread runs there only, and what it starts; -1: anywhere. */
static inline void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("pin to CPU %d", cpu);
}

/* Send a descriptor through a Unix socket (SCM_RIGHTS); ours stays open. */
static inline void pass_fd(int via, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0}, c = 'f';
	struct iovec io = {&c, 1};
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	if (sendmsg(via, &m, 0) != 1)
		die("sendmsg");
}

/* Wait for one that was passed. */
static inline int take_fd(int via)
{
	char control[CMSG_SPACE(sizeof(int))], c;
	struct iovec io = {&c, 1};
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	int fd;

	if (recvmsg(via, &m, 0) != 1)
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return fd;
}

/* A fresh network namespace has it down. */
static inline void lo_up(void)
{
	struct ifreq ifr = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ioctl(fd, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		die("lo up");
	close(fd);
}

#endif
