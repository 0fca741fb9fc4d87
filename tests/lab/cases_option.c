// SPDX-License-Identifier: GPL-2.0-only
/* cases_option: socket options, set before a connection joins or on a member, and what can be asked of it. */
#include "lab.h"

#include <linux/filter.h>

/* ---- SO_RCVLOWAT, urgent data: set before, or on a member ---- */

static void lowat_option(struct lab *t)
{
	set_int(t->b, SOL_SOCKET, SO_RCVLOWAT, 60);
}

static void lowat(struct lab *t)
{
	put_n(t, t->a, 10);
	note_poll(t, "few", t->b, POLLIN, 50);
	put_n(t, t->a, 60);
	note_poll(t, "enough", t->b, POLLIN, 1000);
	note_recv(t, "recv", t->b, 200, 0);
}

static void lowat_member(struct lab *t)
{
	lowat_option(t);
	lowat(t);
}

/* Bytes that were there before the option was set. */
static void lowat_late(struct lab *t)
{
	put_n(t, t->a, 10);
	settle();
	lowat_option(t);
	note_poll(t, "few", t->b, POLLIN, 50);
	put_n(t, t->a, 60);
	note_poll(t, "enough", t->b, POLLIN, 1000);
	settle();
	note_recv(t, "recv", t->b, 200, 0);
}

static void inline_option(struct lab *t)
{
	set_int(t->b, SOL_SOCKET, SO_OOBINLINE, 1);
}

static void urgent(struct lab *t)
{
	char c = '-';
	int mark = -1;

	put(t, t->a, "abc");
	note_ret(t, "send MSG_OOB", SENT(t, t->a, send(t->a, "!", 1, MSG_OOB)));
	put(t, t->a, "def");
	settle();
	note_poll(t, "poll", t->b, POLLPRI, 300);
	note_data(t, "recv MSG_OOB", recv(t->b, &c, 1, MSG_OOB), &c);
	note_recv(t, "up to the mark", t->b, 20, 0);
	ioctl(t->b, SIOCATMARK, &mark);
	note(t, "at the mark", "%d", mark);
	note_recv(t, "beyond", t->b, 20, 0);
}

static void urgent_member_inline(struct lab *t)
{
	inline_option(t);
	urgent(t);
}

static void sigurg(struct lab *t)
{
	struct timespec ts = {1, 0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fcntl(t->b, F_SETOWN, getpid());
	SENT(t, t->a, send(t->a, "!", 1, MSG_OOB));
	note(t, "signal", "%s", sigtimedwait(&set, NULL, &ts) == SIGURG ? "SIGURG" : "none");
}

static void sent_urgent_before(struct lab *t)
{
	char c;

	if (send(t->a, "!", 1, MSG_OOB) == 1)
		wait_for(t->b, POLLPRI, 1000);
	note_data(t, "recv MSG_OOB", recv(t->b, &c, 1, MSG_OOB), &c);
}

static void plain_bytes(struct lab *t)
{
	put(t, t->a, "hello");
	note_recv(t, "recv", t->b, 100, 0);
	note_alive(t);
}

/* ---- upper layer protocols, repair ---- */

static void ulp_tls(struct lab *t)
{
	int r = setsockopt(t->a, IPPROTO_TCP, TCP_ULP, "tls", 4);

	note_ret(t, "tls", r);
	if (!r)
		return;
	note_ret(t, "nonsense", setsockopt(t->a, IPPROTO_TCP, TCP_ULP, "nonsense", 9));
	note_alive(t);
}

static unsigned int queue_seq(int fd)
{
	int queue = TCP_SEND_QUEUE;
	unsigned int seq = 0;
	socklen_t len = sizeof(seq);

	setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue));
	getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &len);
	return seq;
}

static void repair_option(struct lab *t)
{
	int on = 1;

	setsockopt(t->a, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on));
	on = TCP_REPAIR_OFF_NO_WP;
	setsockopt(t->a, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on));
}

static void repair(struct lab *t)
{
	int on = 1, off = TCP_REPAIR_OFF_NO_WP;
	unsigned int seq;

	note_ret(t, "on", setsockopt(t->a, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)));
	seq = queue_seq(t->a);
	note_ret(t, "off", setsockopt(t->a, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)));
	put_n(t, t->a, 100);
	settle();
	note_recv(t, "recv", t->b, 200, 0);
	setsockopt(t->a, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on));
	note(t, "sequence moved by", "%u", queue_seq(t->a) - seq);
	setsockopt(t->a, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off));
	note_alive(t);
}

/* ---- what can be asked ---- */

static struct tcp_info info(int fd)
{
	struct tcp_info ti = {};
	socklen_t len = sizeof(ti);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len);
	return ti;
}

static void tcp_info(struct lab *t)
{
	struct tcp_info a = info(t->a), b = info(t->b);

	put_n(t, t->a, 1000);
	settle();
	note_recv(t, "recv", t->b, 2000, 0);
	note(t, "state", "%u", info(t->a).tcpi_state);
	note(t, "bytes sent", "%llu", (unsigned long long)(info(t->a).tcpi_bytes_sent - a.tcpi_bytes_sent));
	note(t, "bytes received", "%llu",
	     (unsigned long long)(info(t->b).tcpi_bytes_received - b.tcpi_bytes_received));
}

static void last_data(struct lab *t)
{
	msleep(300);
	put(t, t->a, "x");
	settle();
	note(t, "last data sent", "%s", info(t->a).tcpi_last_data_sent < 200 ? "just now" : "long ago");
	note(t, "last data received", "%s", info(t->b).tcpi_last_data_recv < 200 ? "just now" : "long ago");
	note_recv(t, "recv", t->b, 10, 0);
}

static void note_int(struct lab *t, const char *key, int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);
	int r = getsockopt(fd, level, name, &v, &len);

	note(t, key, "%s %d", r ? err_name(errno) : "ok", v);
}

/* All that a program can ask without a packet: names, types, values that it set. */
static void getters(struct lab *t)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	note(t, "getpeername", "%d %u", getpeername(t->a, (void *)&sin, &len), len);
	note_int(t, "SO_ERROR", t->a, SOL_SOCKET, SO_ERROR);
	note_int(t, "SO_TYPE", t->a, SOL_SOCKET, SO_TYPE);
	note_int(t, "SO_PROTOCOL", t->a, SOL_SOCKET, SO_PROTOCOL);
	note_int(t, "SO_DOMAIN", t->a, SOL_SOCKET, SO_DOMAIN);
	note_int(t, "SO_ACCEPTCONN", t->a, SOL_SOCKET, SO_ACCEPTCONN);
	note_int(t, "SO_SNDBUF", t->a, SOL_SOCKET, SO_SNDBUF);
	note_int(t, "SO_LINGER", t->a, SOL_SOCKET, SO_LINGER);
	note_int(t, "SO_KEEPALIVE", t->a, SOL_SOCKET, SO_KEEPALIVE);
	note_int(t, "SO_RCVLOWAT", t->a, SOL_SOCKET, SO_RCVLOWAT);
	note_int(t, "SO_MARK", t->a, SOL_SOCKET, SO_MARK);
	note_int(t, "SO_PRIORITY", t->a, SOL_SOCKET, SO_PRIORITY);
	note_int(t, "TCP_NODELAY", t->a, IPPROTO_TCP, TCP_NODELAY);
	note_int(t, "TCP_CORK", t->a, IPPROTO_TCP, TCP_CORK);
	note_int(t, "TCP_USER_TIMEOUT", t->a, IPPROTO_TCP, TCP_USER_TIMEOUT);
	note_int(t, "TCP_MAXSEG", t->a, IPPROTO_TCP, TCP_MAXSEG);
	note_int(t, "TCP_QUICKACK", t->b, IPPROTO_TCP, TCP_KEEPIDLE);
	put(t, t->a, "x");
	note_recv(t, "recv", t->b, 10, 0);
}

static void ulp_none(struct lab *t)
{
	char name[16] = "";
	socklen_t len = sizeof(name);
	int r = getsockopt(t->a, IPPROTO_TCP, TCP_ULP, name, &len);

	note(t, "TCP_ULP", "%s '%.*s' %u", r ? err_name(errno) : "ok", (int)len, name, len);
	put(t, t->a, "x");
	note_recv(t, "recv", t->b, 10, 0);
}

static void congestion(struct lab *t)
{
	note_ret(t, "reno", setsockopt(t->a, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	put(t, t->a, "hello");
	note_recv(t, "recv", t->b, 10, 0);
	note_alive(t);
}

static void md5(struct lab *t)
{
	note_int(t, "TCP_FASTOPEN", t->a, IPPROTO_TCP, TCP_FASTOPEN);
	note_int(t, "TCP_DEFER_ACCEPT", t->a, IPPROTO_TCP, TCP_DEFER_ACCEPT);
	put(t, t->a, "x");
	note_recv(t, "recv", t->b, 10, 0);
}

/* ---- time ---- */

static void keepalive_option(struct lab *t)
{
	int fd[2] = {t->a, t->b}, i;

	for (i = 0; i < 2; i++) {
		set_int(fd[i], SOL_SOCKET, SO_KEEPALIVE, 1);
		set_int(fd[i], IPPROTO_TCP, TCP_KEEPIDLE, 1);
		set_int(fd[i], IPPROTO_TCP, TCP_KEEPINTVL, 1);
		set_int(fd[i], IPPROTO_TCP, TCP_KEEPCNT, 2);
	}
}

/* Longer than idle + count * interval: nothing may happen to a healthy connection. */
static void keepalive(struct lab *t)
{
	put(t, t->a, "x");
	note_recv(t, "recv", t->b, 10, 0);
	msleep(4500);
	note_poll(t, "poll", t->a, 0, 0);
	put(t, t->a, "y");
	note_recv(t, "recv", t->b, 10, 0);
	note_alive(t);
}

static void user_timeout_option(struct lab *t)
{
	set_int(t->a, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000);
	set_int(t->b, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000);
}

/* A reader that reads late: a healthy connection again, though with a closed window it times out. */
static void user_timeout(struct lab *t)
{
	put_n(t, t->a, 1000);
	msleep(1800);
	note_poll(t, "poll", t->a, 0, 0);
	note_rest(t, "recv", t->b);
	note_alive(t);
}

static void user_timeout_full(struct lab *t)
{
	fill_up(t, t->a);
	note_poll(t, "poll", t->a, POLLERR, 4500);
	note_ret(t, "send", send(t->a, "x", 1, MSG_NOSIGNAL));
}

/* ---- buffers, filters ---- */

static void small_buffers(struct lab *t)
{
	set_int(t->a, SOL_SOCKET, SO_SNDBUF, 8192);
	set_int(t->b, SOL_SOCKET, SO_RCVBUF, 8192);
}

static void fill_small_buffers(struct lab *t)
{
	size_t n = fill_up(t, t->a);

	note(t, "takes", "%s", n < 256 * 1024 ? "less than 256 KB" : "more");
	note_poll(t, "poll", t->a, 0, 0);
}

static void drop_all(struct lab *t)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog prog = {1, code};

	note_ret(t, "attach", setsockopt(t->b, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)));
}

/* A classic filter on the socket sees every segment and may drop it. */
static void filter_member(struct lab *t)
{
	drop_all(t);
	SENT(t, t->a, send(t->a, "hello", 5, 0));
	note_poll(t, "poll", t->b, POLLIN, 300);
}

static void accept_all(struct lab *t)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0xffff)};
	struct sock_fprog prog = {1, code};

	note_ret(t, "attach", setsockopt(t->b, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)));
}

/* A filter that was there before: one that counts would miss what hops. */
static void filter_before(struct lab *t)
{
	put(t, t->a, "hello");
	note_recv(t, "recv", t->b, 10, 0);
	drop_all(t);
	SENT(t, t->a, send(t->a, "hello", 5, 0));
	note_poll(t, "poll", t->b, POLLIN, 300);
}

static void pacing_option(struct lab *t)
{
	set_int(t->a, SOL_SOCKET, SO_MAX_PACING_RATE, 1 << 30);
}

static void busy_poll(struct lab *t)
{
	set_int(t->b, SOL_SOCKET, SO_BUSY_POLL, 50);
	set_int(t->a, SOL_SOCKET, SO_MAX_PACING_RATE, 1 << 30);
	set_int(t->b, IPPROTO_TCP, TCP_QUICKACK, 0);
	set_int(t->a, IPPROTO_TCP, TCP_NODELAY, 0);
	put(t, t->a, "hello");
	note_recv(t, "recv", t->b, 10, 0);
	note_alive(t);
}

const struct lab_case cases_option[] = {
	{"rcvlowat", lowat, "rcvlowat", 0, lowat_option, NULL},
	{"rcvlowat-on-member", lowat_member, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"rcvlowat-over-queued", lowat_late, LAB_JOINS, 0, NULL, NULL},
	{"urgent-on-member", urgent, LAB_JOINS, 0, NULL, NULL},
	{"urgent-inline", urgent, "oob", 0, inline_option, NULL},
	{"urgent-inline-on-member", urgent_member_inline, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"urgent-sigurg-on-member", sigurg, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"urgent-long-ago", plain_bytes, LAB_JOINS, 0, sent_urgent_before, NULL},
	{"ulp-tls-on-member", ulp_tls, LAB_JOINS, LAB_QUIET, NULL, NULL},
	{"repair-before", plain_bytes, LAB_JOINS, 0, repair_option, NULL},
	{"repair-on-member", repair, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"tcp-info", tcp_info, LAB_JOINS, 0, NULL, NULL},
	{"tcp-info-last-data", last_data, LAB_JOINS, 0, NULL, NULL},
	{"getsockopt", getters, LAB_JOINS, 0, NULL, NULL},
	{"getsockopt-ulp", ulp_none, LAB_JOINS, 0, NULL, NULL},
	{"getsockopt-listener-options", md5, LAB_JOINS, 0, NULL, NULL},
	{"congestion-control", congestion, LAB_JOINS, 0, NULL, NULL},
	{"keepalive", keepalive, LAB_JOINS, 0, keepalive_option, NULL},
	{"user-timeout", user_timeout, LAB_JOINS, 0, user_timeout_option, NULL},
	{"user-timeout-full", user_timeout_full, LAB_JOINS, 0, user_timeout_option, NULL},
	{"small-buffers", fill_small_buffers, LAB_JOINS, LAB_CANCEL, small_buffers, NULL},
	{"filter-on-member", filter_member, LAB_JOINS, LAB_CANCEL, NULL, NULL},
	{"filter", filter_before, "socket-option", LAB_CANCEL, accept_all, NULL},
	{"max-pacing-rate", plain_bytes, "socket-option", 0, pacing_option, NULL},
	{"other-options", busy_poll, LAB_JOINS, 0, NULL, NULL},
	{},
};
