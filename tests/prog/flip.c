// SPDX-License-Identifier: GPL-2.0-only
/*
 * flip: a member changes its mind: its file turns blocking, or it sets an option that a member does not
 * honour. Each case runs on a fresh warmed-up pair a <-> b and gives its result in words, to be compared with
 * those of plain TCP (SOCKHOP_PLAIN=1).
 *
 * flip [-n READS] [-e MAX] [CASE...]     cases: blocking lowat oobinline oob zerocopy repair ulp ulp-queued
 * pacing (default: all) blocking: -n reads that wait 50 ms each under 200 signals/s; fails if more than -e of
 * them give EAGAIN
 */
#include "sock.h"

#include <linux/errqueue.h>
#include <pthread.h>
#include <sys/ioctl.h>

/*
 * How many reads of a member that turned blocking may give EAGAIN: nobody can see the flip before the peer's
 * next message, here up to 50 ms or 10 signals later; then it takes a few passes to leave, which is some 10
 * signals more, or 50 where the agent waits for a CPU. Without leaving it is nearly each of 400.
 */
static int reads = 40, max_eagain = 80;

/* A member that sets an option which none may have leaves within some milliseconds, with nothing to read. */
#define LEAVE_MS 400

struct ticker {
	int fd, count;
};

/* One message each 50 ms; signals go to the reader. */
static void *tick(void *arg)
{
	struct ticker *t = arg;
	int i;

	for (i = 0; i < t->count; i++) {
		msleep(50);
		if (send(t->fd, "tick", 4, MSG_NOSIGNAL) != 4)
			fprintf(stderr, "send: %s\n", strerror(errno));
	}
	return NULL;
}

/* It handles a message, whatever signals come: it cannot leave while it sleeps in recv(). */
static void handle(void)
{
	struct timespec t = {0, 25 * 1000000l};

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

static int blocking(int a, int b)
{
	struct ticker t = {a, reads};
	int eagain = 0, got = 0, bad = 0;
	sigset_t set;
	pthread_t th;
	char buf[4];
	ssize_t r;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_create(&th, NULL, tick, &t);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	set_nonblock(b, false);
	signal_storm(200);
	while (got < reads * 4) {
		r = recv(b, buf, 4 - got % 4, 0);
		if (r > 0) {
			bad |= memcmp(buf, &"tick"[got % 4], r);
			got += r;
			handle();
		} else if (r < 0 && errno == EAGAIN) {
			eagain++;
		} else {
			bad = 1;
			break;
		}
	}
	signal_storm(0);
	pthread_join(th, NULL);
	printf("flip case=blocking reads=%d eagain=%d bytes=%s\n", reads, eagain, bad ? "BAD" : "ok");
	return bad || eagain > max_eagain;
}

static const char *rr_words(int a, int b, int n)
{
	while (n--)
		if (round_trip(a, b, 64))
			return "BAD";
	return "ok";
}

/* poll() must not report fewer bytes than SO_RCVLOWAT, neither for bytes sent before nor after it was set. */
static int lowat(int a, int b)
{
	char buf[300] = {0};
	int before, few, enough, got;

	set_int(b, SOL_SOCKET, SO_RCVLOWAT, 100);
	msleep(LEAVE_MS);
	send_all(a, buf, 10, 1);
	before = wait_for(b, POLLIN, 50);
	send_all(a, buf, 10, 1);
	few = wait_for(b, POLLIN, 50);
	send_all(a, buf, 100, 1);
	enough = wait_for(b, POLLIN, 1000);
	got = recv(b, buf, sizeof(buf), 0);
	set_int(b, SOL_SOCKET, SO_RCVLOWAT, 1);
	printf("flip case=lowat before=%#x few=%#x enough=%#x got=%d after=%s\n", before, few, enough, got,
	       rr_words(a, b, 100));
	return 0;
}

static void urgent(int a, int b, const char *name)
{
	int pri, mark = -1, before = -1;
	char buf[16] = "", oob = '-';
	ssize_t n, m = 0, o;

	send_all(a, "abc", 3, 1);
	send(a, "!", 1, MSG_OOB | MSG_NOSIGNAL);
	send_all(a, "def", 3, 1);
	msleep(20);
	pri = wait_for(b, POLLPRI, 100);
	o = recv(b, &oob, 1, MSG_OOB);
	ioctl(b, SIOCATMARK, &before);
	n = recv(b, buf, 8, 0);
	ioctl(b, SIOCATMARK, &mark);
	if (n > 0 && n < 8)
		m = recv(b, buf + n, 8 - n, 0);
	printf("flip case=%s pri=%#x oob=%zd:%c first=%zd mark=%d:%d rest=%zd data=%s after=%s\n", name, pri,
	       o, oob, n, before, mark, m, buf, rr_words(a, b, 100));
}

static int oobinline(int a, int b)
{
	set_int(b, SOL_SOCKET, SO_OOBINLINE, 1);
	msleep(LEAVE_MS);
	urgent(a, b, "oobinline");
	return 0;
}

static int oob(int a, int b)
{
	urgent(a, b, "oob");
	return 0;
}

static int zerocopy(int a, int b)
{
	static char buf[40000]; /* more than the 32 KB of pages that the kernel copies into: two pieces */
	char control[200];
	int i, ok = 0, done = 0;
	double until;

	set_int(a, SOL_SOCKET, SO_ZEROCOPY, 1);
	for (i = 0; i < 10; i++) {
		size_t len = i % 2 ? sizeof(buf) : 1000;

		ok += send(a, buf, len, MSG_ZEROCOPY | MSG_NOSIGNAL) == (ssize_t)len;
		ok -= recv_all(b, buf, len, 1) != 0;
	}
	for (until = now() + 1; done < ok && now() < until;) {
		struct msghdr m = {.msg_control = control, .msg_controllen = sizeof(control)};
		struct sock_extended_err *e;

		if (recvmsg(a, &m, MSG_ERRQUEUE) < 0) {
			wait_for(a, 0, 50);
			continue;
		}
		e = (void *)CMSG_DATA(CMSG_FIRSTHDR(&m));
		if (e->ee_origin == SO_EE_ORIGIN_ZEROCOPY)
			done += e->ee_data - e->ee_info + 1;
	}
	printf("flip case=zerocopy sends=%d completions=%d after=%s\n", ok, done, rr_words(a, b, 100));
	return 0;
}

static int repair(int a, int b)
{
	int off = TCP_REPAIR_OFF_NO_WP, queue = TCP_SEND_QUEUE, r;
	unsigned int seq = 0, seq2 = 0;
	socklen_t len = sizeof(seq);

	set_int(a, IPPROTO_TCP, TCP_REPAIR, 1);
	setsockopt(a, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue));
	getsockopt(a, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &len);
	r = setsockopt(a, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off));
	printf("flip case=repair off=%s ", err_name(r ? errno : 0));
	printf("rr=%s ", rr_words(a, b, 100));
	set_int(a, IPPROTO_TCP, TCP_REPAIR, 1);
	setsockopt(a, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue));
	getsockopt(a, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq2, &len);
	setsockopt(a, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off));
	/* a program that checkpoints a socket must see all that was sent */
	printf("moved=%u after=%s\n", seq2 - seq, rr_words(a, b, 100));
	return 0;
}

static int ulp(int a, int b)
{
	int r = setsockopt(a, IPPROTO_TCP, TCP_ULP, "tls", 4);

	printf("flip case=ulp set=%s ", err_name(r ? errno : 0));
	printf("after=%s\n", rr_words(a, b, 100));
	return 0;
}

/* With bytes to read that hopped it is refused; once they are read it is not. */
static int ulp_queued(int a, int b)
{
	char buf[16];
	int r, waiting, later;

	send_all(a, "waiting", 7, 1);
	msleep(20);
	r = setsockopt(b, IPPROTO_TCP, TCP_ULP, "tls", 4);
	waiting = r ? errno : 0;
	r = recv_all(b, buf, 7, 1);
	later = setsockopt(b, IPPROTO_TCP, TCP_ULP, "tls", 4) ? errno : 0;
	printf("flip case=ulp-queued waiting=%s read=%s:%.7s later=%s ", err_name(waiting), err_name(r), buf,
	       err_name(later));
	printf("after=%s\n", rr_words(a, b, 100));
	return 0;
}

/* 1 MB at 2 MB/s takes half a second. */
static int pacing(int a, int b)
{
	static char buf[50000];
	double start;
	int i, ok = 1;

	set_int(a, SOL_SOCKET, SO_MAX_PACING_RATE, 2000000);
	msleep(LEAVE_MS);
	start = now();
	for (i = 0; i < 20; i++)
		ok &= !send_all(a, buf, sizeof(buf), 1) && !recv_all(b, buf, sizeof(buf), 1);
	printf("flip case=pacing sent=%d paced=%d\n", ok, now() - start > 0.2);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int a, int b);
} cases[] = {
	{"blocking", blocking}, {"lowat", lowat},	    {"oobinline", oobinline},
	{"oob", oob},		{"zerocopy", zerocopy},	    {"repair", repair},
	{"ulp", ulp},		{"ulp-queued", ulp_queued}, {"pacing", pacing},
};

int main(int argc, char **argv)
{
	int c, pair[2], bad = 0;
	size_t i, k;

	while ((c = getopt(argc, argv, "n:e:")) != -1) {
		if (c == 'n')
			reads = atoi(optarg);
		else if (c == 'e')
			max_eagain = atoi(optarg);
		else
			return EXIT_SETUP;
	}
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (k = optind; k < (size_t)argc && strcmp(argv[k], cases[i].name); k++)
			;
		if (optind < argc && k == (size_t)argc)
			continue;
		member_pair(pair);
		bad |= cases[i].run(pair[0], pair[1]);
		fflush(stdout);
		close(pair[0]);
		close(pair[1]);
	}
	return bad;
}
