// SPDX-License-Identifier: GPL-2.0-only
/*
 * cases_block: readers and writers that sleep. Their sockets are blocking, so by default they never join; the
 * forced column shows why. The last ones turn blocking only once they are members.
 */
#include "lab.h"

static void on_signal(int sig)
{
	(void)sig;
}

/* A timer that interrupts the caller every 30 ms. */
static void ticking(bool restart)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = restart ? SA_RESTART : 0};
	struct itimerval it = {{0, 30000}, {0, 30000}};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

static void no_more_ticks(void)
{
	struct itimerval it = {};

	setitimer(ITIMER_REAL, &it, NULL);
	signal(SIGALRM, SIG_DFL);
	alarm(20);
}

static void note_blocking_recv(struct lab *t, const char *key, size_t size, int flags)
{
	char b[100];

	note_data(t, key, recv(t->b, b, size, flags), b);
}

static void waits(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 150, .text = "hello"};

	send_later(&l);
	note_blocking_recv(t, "recv", 10, 0);
	finish_later(&l);
}

static void restart(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 200, .text = "hello"};

	send_later(&l);
	ticking(true);
	note_blocking_recv(t, "recv", 10, 0);
	no_more_ticks();
	finish_later(&l);
}

static void no_restart(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 200, .text = "hello"};

	send_later(&l);
	ticking(false);
	note_blocking_recv(t, "recv", 10, 0);
	no_more_ticks();
	finish_later(&l);
	note_blocking_recv(t, "later", 10, 0);
}

/* Shut down for sending, then wait for the answer: the own FIN's acknowledgement wakes the reader. */
static void after_half_close(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 150, .text = "answer"};

	send_later(&l);
	shutdown(t->b, SHUT_WR);
	note_blocking_recv(t, "recv", 10, 0);
	finish_later(&l);
}

/* Another thread sends meanwhile: room in the send buffer wakes the reader. */
static void second_thread(struct lab *t)
{
	static char big[300000];
	struct later l = {.t = t, .fd = t->a, .ms = 200, .text = "answer"};
	pthread_t self = pthread_self();
	struct later s = {.t = t, .fd = t->b, .ms = 50};

	(void)self;
	memset(big, 'x', sizeof(big) - 1);
	s.text = big;
	send_later(&l);
	send_later(&s);
	note_blocking_recv(t, "recv", 10, 0);
	finish_later(&l);
	note_rest(t, "other way", t->a);
	finish_later(&s);
}

static void waitall(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 150, .text = "-second"};

	put(t, t->a, "first");
	send_later(&l);
	note_blocking_recv(t, "recv 12", 12, MSG_WAITALL);
	finish_later(&l);
	shutdown(t->a, SHUT_WR);
	note_blocking_recv(t, "at the end", 12, MSG_WAITALL);
}

static void dontwait(struct lab *t)
{
	note_blocking_recv(t, "empty", 10, MSG_DONTWAIT);
	put(t, t->a, "hello");
	settle();
	note_blocking_recv(t, "data", 10, MSG_DONTWAIT);
}

static void rcvtimeo_option(struct lab *t)
{
	struct timeval tv = {0, 300000};

	make_blocking(t);
	setsockopt(t->b, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

static void rcvtimeo(struct lab *t)
{
	double start = now();

	note_blocking_recv(t, "recv", 10, 0);
	note_time(t, "after", now() - start, 0.3);
	put(t, t->a, "hello");
	note_blocking_recv(t, "data", 10, 0);
}

static void rcvtimeo_signals(struct lab *t)
{
	double start = now();

	ticking(true);
	note_blocking_recv(t, "recv", 10, 0);
	no_more_ticks();
	note(t, "after", "%s", now() - start < 0.1 ? "one tick" : "the time");
}

static void sndtimeo_option(struct lab *t)
{
	struct timeval tv = {0, 300000};

	make_blocking(t);
	setsockopt(t->a, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static void sndtimeo(struct lab *t)
{
	static char b[16 << 20];
	double start;
	ssize_t r;

	fill_up(t, t->a);
	start = now();
	r = send(t->a, b, sizeof(b), 0);
	note(t, "send", "%s", r >= 0 || errno == EAGAIN ? "what fits" : err_name(errno));
	note_time(t, "after", now() - start, 0.3);
}

static void *drain(void *arg)
{
	struct lab *t = arg;
	size_t n = 0;
	char b[65536];
	ssize_t r;

	msleep(100);
	while ((r = recv(t->b, b, sizeof(b), 0)) > 0)
		n += r;
	return (void *)n;
}

static void blocked_send(struct lab *t)
{
	static char b[6 << 20];
	pthread_t th;
	void *n;

	pthread_create(&th, NULL, drain, t);
	note_ret(t, "send 6 MB", SENT(t, t->a, send(t->a, b, sizeof(b), 0)));
	shutdown(t->a, SHUT_WR);
	pthread_join(th, &n);
	note(t, "arrived", "%zu", (size_t)n);
}

static void blocked_send_close(struct lab *t)
{
	static char b[64 << 20];
	struct later l = {.t = t, .fd = t->b, .ms = 200};
	double start = now();
	ssize_t r;

	close_later(&l);
	r = SENT(t, t->a, send(t->a, b, sizeof(b), MSG_NOSIGNAL));
	note(t, "send", "%s", r < 0 ? err_name(errno) : "some");
	note(t, "ends", "%s", now() - start < 3 ? "promptly" : "late");
	finish_later(&l);
}

/* A sleeping reader is stopped and continued, as by ^Z and fg. */
static void stop_continue(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 300, .text = "hello"};
	int status = 0;
	pid_t pid = fork_with_us();

	if (!pid) {
		char b[10];
		ssize_t r = recv(t->b, b, 5, 0);

		note_data(t, "recv", r, b);
		fflush(t->out);
		_exit(0);
	}
	send_later(&l);
	msleep(60);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	msleep(50);
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
	finish_later(&l);
}

static void eof_wakes(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 150, .how = SHUT_WR};

	shutdown_later(&l);
	note_blocking_recv(t, "recv", 10, 0);
	finish_later(&l);
}

/* Two sleeping readers, two messages: each gets bytes. */
static void *read_one(void *arg)
{
	struct lab *t = arg;
	char b[6];

	return (void *)(long)recv(t->b, b, 5, 0);
}

static void two_readers(struct lab *t)
{
	struct lab copy = *t;
	pthread_t th[2];
	void *r[2];

	pthread_create(&th[0], NULL, read_one, &copy);
	pthread_create(&th[1], NULL, read_one, &copy);
	settle();
	put(t, t->a, "hello");
	settle();
	put(t, t->a, "world");
	pthread_join(th[0], &r[0]);
	pthread_join(th[1], &r[1]);
	note(t, "each", "%ld %ld", (long)r[0], (long)r[1]);
}

static void rcvlowat_blocking(struct lab *t)
{
	make_blocking(t);
}

static void rcvlowat(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 150, .text = "67890abcde"};

	set_int(t->b, SOL_SOCKET, SO_RCVLOWAT, 10);
	put(t, t->a, "12345");
	send_later(&l);
	note_blocking_recv(t, "recv", 20, 0);
	finish_later(&l);
}

/* ---- members that turn blocking ---- */

static void turns_blocking(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 200, .text = "hello"};

	set_nonblock(t->b, false);
	send_later(&l);
	note_blocking_recv(t, "recv", 10, 0);
	finish_later(&l);
	set_nonblock(t->b, true);
	note_alive(t);
}

static void turns_blocking_fionbio(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 100, .text = "hello"};
	int off = 0;

	ioctl(t->b, FIONBIO, &off);
	send_later(&l);
	note_blocking_recv(t, "recv", 10, 0);
	finish_later(&l);
	note_ret(t, "flag", fcntl(t->b, F_GETFL) & O_NONBLOCK);
}

/* As many programs do for one request: blocking with a signal timer running, right after the switch. */
static void turns_blocking_signals(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 300, .text = "hello"};

	set_nonblock(t->b, false);
	send_later(&l);
	ticking(true);
	note_blocking_recv(t, "recv", 10, 0);
	no_more_ticks();
	finish_later(&l);
}

/* The same half a second and one message later: by then it has left. */
static void turned_blocking_signals(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 300, .text = "hello"};
	int i;

	set_nonblock(t->b, false);
	for (i = 0; i < 40; i++) {
		round_trip(t->a, t->b, 10);
		msleep(25);
	}
	send_later(&l);
	ticking(true);
	note_blocking_recv(t, "recv", 10, 0);
	no_more_ticks();
	finish_later(&l);
}

static void turned_blocking_half_close(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 200, .text = "answer"};

	set_nonblock(t->b, false);
	send_later(&l);
	shutdown(t->b, SHUT_WR);
	note_blocking_recv(t, "recv", 10, 0);
	finish_later(&l);
}

static void turned_waitall(struct lab *t)
{
	struct later l = {.t = t, .fd = t->a, .ms = 150, .text = "-second"};

	put(t, t->a, "first");
	set_nonblock(t->b, false);
	send_later(&l);
	note_blocking_recv(t, "recv 12", 12, MSG_WAITALL);
	finish_later(&l);
}

static void turned_blocking_sends(struct lab *t)
{
	set_nonblock(t->a, false);
	put(t, t->a, "hello");
	note_recv(t, "recv", t->b, 10, 0);
	blocked_send_close(t);
}

#define BLOCKING(name, fn)                                            \
	{                                                             \
		name, fn, "blocking", LAB_CANCEL, make_blocking, NULL \
	}

const struct lab_case cases_block[] = {
	BLOCKING("blocking-recv", waits),
	BLOCKING("blocking-recv-sa-restart", restart),
	BLOCKING("blocking-recv-eintr", no_restart),
	BLOCKING("blocking-recv-half-close", after_half_close),
	BLOCKING("blocking-recv-second-thread", second_thread),
	BLOCKING("blocking-recv-waitall", waitall),
	BLOCKING("blocking-recv-dontwait", dontwait),
	{"blocking-recv-rcvtimeo", rcvtimeo, "blocking", 0, rcvtimeo_option, NULL},
	{"blocking-recv-rcvtimeo-signals", rcvtimeo_signals, "blocking", LAB_QUIET, rcvtimeo_option, NULL},
	{"blocking-send-sndtimeo", sndtimeo, "blocking", 0, sndtimeo_option, NULL},
	BLOCKING("blocking-send", blocked_send),
	BLOCKING("blocking-send-close", blocked_send_close),
	BLOCKING("blocking-recv-sigstop", stop_continue),
	{"blocking-recv-eof", eof_wakes, "blocking", LAB_QUIET, make_blocking, NULL},
	BLOCKING("blocking-two-readers", two_readers),
	{"blocking-recv-rcvlowat", rcvlowat, "blocking", 0, rcvlowat_blocking, NULL},
	{"turns-blocking", turns_blocking, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"turns-blocking-fionbio", turns_blocking_fionbio, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"turns-blocking-sa-restart", turns_blocking_signals, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"turned-blocking-sa-restart", turned_blocking_signals, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"turns-blocking-half-close", turned_blocking_half_close, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"turns-blocking-waitall", turned_waitall, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"turns-blocking-send-close", turned_blocking_sends, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{},
};
