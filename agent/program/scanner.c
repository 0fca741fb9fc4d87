// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "scanner.h"
#include "sandbox.h"
#include "agent/lib/util.h"

/* The answer as it goes over the socket: no padding, and no bytes that a bool must not have. */
struct answer {
	__u32 why, rest;
	__u8 elf, libc, uses_ioctl, names_fionread;
	__u8 last, pad[3]; /* the scanner ends with this answer */
	char what[sizeof(((struct veto *)0)->what)];
};

static int scanner_sock;

static void send_answer(const struct veto *v, bool last)
{
	struct answer a = {.why = v->why,
			   .rest = v->rest,
			   .elf = v->elf,
			   .libc = v->libc,
			   .uses_ioctl = v->uses_ioctl,
			   .names_fionread = v->names_fionread,
			   .last = last};

	memcpy(a.what, v->what, sizeof(a.what));
	if (send(scanner_sock, &a, sizeof(a), MSG_NOSIGNAL) != sizeof(a))
		_exit(1);
}

/* Its time is over. What it was doing cannot be resumed, so it ends with the answer. */
static void on_time(int sig)
{
	static const struct veto late = {.why = HOP_WHY_UNKNOWN, .what = "takes too long to examine"};

	(void)sig;
	send_answer(&late, true);
	_exit(0);
}

static void set_timer(unsigned int ms)
{
	struct itimerval t = {.it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}};

	setitimer(ITIMER_PROF, &t, NULL);
}

/* The next file, or -1 at the end. */
static int receive_file(void)
{
	char byte, control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = {&byte, 1};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(scanner_sock, &m, 0) <= 0)
		return -1;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

void scanner_main(int sock, int parent)
{
	int fd;

	if (sandbox_detach("sockhop-scanner", parent, &sock, 1))
		_exit(1);
	scanner_sock = 0;
	signal(SIGPROF, on_time);
	if (sandbox_enter())
		_exit(1);
	while ((fd = receive_file()) >= 0) {
		struct veto v;

		set_timer(SCANNER_CPU_MS);
		elfscan(fd, &v);
		set_timer(0);
		close(fd);
		send_answer(&v, false);
	}
	_exit(0);
}

static int send_file(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {};
	struct iovec iov = {"", 1};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &m, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static bool is_reason(__u32 why)
{
	return why == HOP_WHY_NONE || why == HOP_WHY_SPLICE || why == HOP_WHY_GO || why == HOP_WHY_OOB ||
	       why == HOP_WHY_UNKNOWN;
}

/*
 * The scanner has seen hostile bytes: what it says is as hostile. Is it an answer that elfscan() could give?
 */
static bool take_answer(const struct answer *a, struct veto *out)
{
	if (!is_reason(a->why) || !is_reason(a->rest) || (a->rest && !a->why))
		return false;
	if (!memchr(a->what, '\0', sizeof(a->what)) || !a->what[0] != (a->why == HOP_WHY_NONE))
		return false;
	*out = (struct veto){.why = a->why,
			     .rest = a->rest,
			     .elf = a->elf,
			     .libc = a->libc,
			     .uses_ioctl = a->uses_ioctl,
			     .names_fionread = a->names_fionread};
	/* symbols' names are the file's, too, and go to terminals and logs */
	for (size_t i = 0; a->what[i]; i++)
		out->what[i] = isprint((unsigned char)a->what[i]) ? a->what[i] : '?';
	return true;
}

int scanner_scan(int sock, int fd, struct veto *out)
{
	struct answer a;
	ssize_t n = -1;

	int r = send_file(sock, fd);

	if (r)
		return r;
	do
		n = recv(sock, &a, sizeof(a), 0);
	while (n < 0 && errno == EINTR);
	if (n == sizeof(a) && take_answer(&a, out))
		return a.last ? -ECHILD : 0;
	*out = (struct veto){.why = HOP_WHY_UNKNOWN, .elf = true, .what = "makes its examination crash"};
	return -ECHILD;
}
