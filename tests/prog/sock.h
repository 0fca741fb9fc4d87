/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sock.h: what the socket test programs share: TCP pairs, bounded waits, and how a program sees for itself
 * that its connection hops. All functions end the program with status 2 and a message if the set-up fails;
 * what is under test returns errors.
 *
 * Exit statuses of all programs: 0 as expected, 1 a fault was seen, 2 the set-up failed, 77 never joined.
 */
#ifndef SOCKHOP_TESTS_SOCK_H
#define SOCKHOP_TESTS_SOCK_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h> /* not netinet/tcp.h: its struct tcp_info lacks tcpi_bytes_sent */
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

enum { EXIT_FAULT = 1, EXIT_SETUP = 2, EXIT_NEVER_JOINED = 77 };

/* Seconds that a connection may take to join (env JOIN_WAIT), and round trips of a warm-up on plain TCP. */
#define JOIN_WAIT     5
#define PLAIN_WARM_UP 300
/* Consecutive round trips without a byte on the TCP path after which a pair counts as joined. */
#define JOIN_STREAK 8
#define RR_SIZE	    64

static inline __attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(err));
	exit(EXIT_SETUP);
}

/*
 * fork() whose child is killed with its parent: a client that is killed leaves no server behind. The signal
 * comes when the *thread* that forked ends, hence only for threads that outlive the child. Returns as fork().
 */
static inline pid_t fork_with_us(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		die("fork");
	/* the parent may have gone before the child could ask */
	if (!pid && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent))
		_exit(EXIT_SETUP);
	return pid;
}

/* Seconds on the monotonic clock. */
static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* SOCKHOP_PLAIN=1: the program runs without sockhop, for comparison: nothing waits for a join. */
static inline bool on_plain(void)
{
	const char *e = getenv("SOCKHOP_PLAIN");

	return e && *e == '1';
}

static inline void msleep(int ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000l};

	nanosleep(&t, NULL);
}

/* Thousands of connections: as many descriptors as the hard limit allows. */
static inline void raise_fd_limit(void)
{
	struct rlimit r;

	if (!getrlimit(RLIMIT_NOFILE, &r)) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static inline void set_nonblock(int fd, bool on)
{
	int fl = fcntl(fd, F_GETFL);

	if (fl < 0 || fcntl(fd, F_SETFL, on ? fl | O_NONBLOCK : fl & ~O_NONBLOCK))
		die("fcntl");
}

static inline void set_int(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		die("setsockopt %d/%d", level, name);
}

static inline void set_nodelay(int fd)
{
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

/*
 * Numeric address to sockaddr; "::" listens for both families, "::ffff:a.b.c.d" is a mapped client. Not by
 * getaddrinfo(): its resolver asks FIONREAD, for which a static program is vetoed where that is broken.
 */
static inline socklen_t to_sockaddr(const char *addr, int port, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *sin6 = (void *)ss;
	struct sockaddr_in *sin = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, addr, &sin->sin_addr) == 1) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(port);
		return sizeof(*sin);
	}
	if (inet_pton(AF_INET6, addr, &sin6->sin6_addr) == 1) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons(port);
		return sizeof(*sin6);
	}
	errno = EINVAL;
	die("address %s", addr);
}

static inline int tcp_listen(const char *addr, int port)
{
	struct sockaddr_storage ss;
	socklen_t len = to_sockaddr(addr, port, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (ss.ss_family == AF_INET6)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (bind(fd, (void *)&ss, len) || listen(fd, 4096))
		die("listen on %s port %d", addr, port);
	return fd;
}

static inline int local_port(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (void *)&ss, &len))
		die("getsockname");
	return ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
					      : ((struct sockaddr_in *)&ss)->sin_port);
}

/* connect(); a non-blocking socket waits for it by poll(). */
static inline int connect_wait(int fd, const struct sockaddr_storage *ss, socklen_t len)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t size = sizeof(errno);

	if (!connect(fd, (const void *)ss, len))
		return 0;
	if (errno != EINPROGRESS)
		return -1;
	if (poll(&p, 1, 5000) != 1) {
		errno = ETIMEDOUT;
		return -1;
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &errno, &size);
	return errno ? -1 : 0;
}

/* `type`: SOCK_NONBLOCK or 0. Tries again for 5 s while nobody listens yet. */
static inline int tcp_connect_type(const char *addr, int port, int type)
{
	struct sockaddr_storage ss;
	socklen_t len = to_sockaddr(addr, port, &ss);
	double until = now() + 5;
	int fd;

	for (;;) {
		fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | type, 0);
		if (fd < 0)
			die("socket");
		set_nodelay(fd);
		if (!connect_wait(fd, &ss, len))
			return fd;
		if (errno != ECONNREFUSED || now() > until)
			die("connect to %s port %d", addr, port);
		close(fd);
		msleep(20);
	}
}

/* A blocking socket, as most programs connect. No early rule lets that in. */
static inline int tcp_connect(const char *addr, int port)
{
	return tcp_connect_type(addr, port, 0);
}

/* A non-blocking one, as event loops connect. */
static inline int tcp_connect_nonblock(const char *addr, int port)
{
	return tcp_connect_type(addr, port, SOCK_NONBLOCK);
}

static inline int tcp_accept_type(int listener, int type)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | type);

	if (fd < 0)
		die("accept");
	set_nodelay(fd);
	return fd;
}

static inline int tcp_accept(int listener)
{
	return tcp_accept_type(listener, 0);
}

/* As event loops do. (With fcntl() afterwards, an early member is a blocking one for a moment.) */
static inline int tcp_accept_nonblock(int listener)
{
	return tcp_accept_type(listener, SOCK_NONBLOCK);
}

/* n connected pairs over loopback, non-blocking: pair[i][0] connected, pair[i][1] was accepted. */
static inline void tcp_pairs(int (*pair)[2], int n)
{
	int i, l = tcp_listen("127.0.0.1", 0), port = local_port(l);

	for (i = 0; i < n; i++) {
		pair[i][0] = tcp_connect_nonblock("127.0.0.1", port);
		pair[i][1] = tcp_accept(l);
		set_nonblock(pair[i][0], true);
		set_nonblock(pair[i][1], true);
	}
	close(l);
}

/* poll() for one descriptor: its revents, 0 after ms milliseconds. */
static inline int wait_for(int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	double until = now() + ms * 1e-3;
	int r;

	while ((r = poll(&p, 1, ms)) < 0 && errno == EINTR && now() < until)
		;
	return r > 0 ? p.revents : 0;
}

/* Sends all n bytes of a non-blocking or blocking socket within s seconds; 0, or -errno (-ETIMEDOUT). */
static inline int send_all(int fd, const void *data, size_t n, double s)
{
	const char *p = data;
	double until = now() + s;
	ssize_t r;

	while (n) {
		r = send(fd, p, n, MSG_NOSIGNAL);
		if (r > 0) {
			p += r;
			n -= r;
			continue;
		}
		if (r < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (now() > until)
			return -ETIMEDOUT;
		wait_for(fd, POLLOUT, 100);
	}
	return 0;
}

/* Receives exactly n bytes within s seconds; 0, -ENODATA at end of stream, or -errno (-ETIMEDOUT). */
static inline int recv_all(int fd, void *data, size_t n, double s)
{
	double until = now() + s;
	char *p = data;
	ssize_t r;

	while (n) {
		r = recv(fd, p, n, 0);
		if (r > 0) {
			p += r;
			n -= r;
			continue;
		}
		if (!r)
			return -ENODATA;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (now() > until)
			return -ETIMEDOUT;
		wait_for(fd, POLLIN, 100);
	}
	return 0;
}

/*
 * Bytes that the program sent on the TCP path of this socket: what was transmitted for the first time plus
 * what waits for transmission. Hopped bytes count nowhere in TCP_INFO: sent by the program - path_sent() =
 * hopped.
 */
static inline uint64_t path_sent(int fd)
{
	struct tcp_info ti = {};
	socklen_t len = sizeof(ti);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len))
		die("TCP_INFO");
	return ti.tcpi_bytes_sent - ti.tcpi_bytes_retrans + ti.tcpi_notsent_bytes;
}

/* n bytes (at most 4096) from a to b and back; 0 or -errno. */
static inline int round_trip(int a, int b, size_t n)
{
	char out[4096], in[4096];
	int err;

	memset(out, 'a', n);
	err = send_all(a, out, n, 5);
	if (!err)
		err = recv_all(b, in, n, 5);
	if (!err)
		err = send_all(b, in, n, 5);
	if (!err)
		err = recv_all(a, in, n, 5);
	if (!err && memcmp(in, out, n))
		err = -EILSEQ;
	return err;
}

/* One round trip: did it leave the TCP path of both ends alone? */
static inline bool hops(int a, int b)
{
	uint64_t pa = path_sent(a), pb = path_sent(b);
	int err = round_trip(a, b, RR_SIZE);

	if (err) {
		errno = -err;
		die("round trip");
	}
	return pa == path_sent(a) && pb == path_sent(b);
}

static inline double join_wait(void)
{
	const char *e = getenv("JOIN_WAIT");

	return e ? atof(e) : JOIN_WAIT;
}

/*
 * Request and response over all pairs in turn until every one hops. On plain TCP a fixed number of round
 * trips. Ends the program with status 77 if they do not join in time. The queues of all pairs are empty
 * afterwards.
 */
static inline void warm_up_all(int (*pair)[2], int n)
{
	double until = now() + join_wait() + n * 0.002;
	int i, k, joined = 0, *streak;

	if (on_plain()) {
		for (k = 0; k < PLAIN_WARM_UP; k++)
			for (i = 0; i < n; i++)
				hops(pair[i][0], pair[i][1]);
		return;
	}
	streak = calloc(n, sizeof(*streak));
	if (!streak)
		die("calloc");
	while (joined < n && now() < until) {
		for (joined = i = 0; i < n; i++) {
			streak[i] = hops(pair[i][0], pair[i][1]) ? streak[i] + 1 : 0;
			joined += streak[i] >= JOIN_STREAK;
		}
	}
	free(streak);
	if (joined < n) {
		fprintf(stderr, "never joined: %d of %d connections hop after %.0f s\n", joined, n,
			join_wait());
		exit(EXIT_NEVER_JOINED);
	}
}

static inline void warm_up(int a, int b)
{
	int pair[1][2] = {{a, b}};

	warm_up_all(pair, 1);
}

/* A pair that hops (on plain TCP: one that is as old). */
static inline void member_pair(int pair[2])
{
	int p[1][2];

	tcp_pairs(p, 1);
	warm_up_all(p, 1);
	pair[0] = p[0][0];
	pair[1] = p[0][1];
}

/* The name of an errno value, for results that are compared as text. */
static inline const char *err_name(int err)
{
	const char *name = strerrorname_np(err < 0 ? -err : err);

	return err ? name ? name : "?" : "ok";
}

/* A storm of signals with SA_RESTART at this process, hz a second, until signal_storm(0). */
static inline void on_storm(int sig)
{
	(void)sig;
}

static inline void signal_storm(int hz)
{
	struct itimerval it = {};
	struct sigaction sa = {.sa_handler = on_storm, .sa_flags = SA_RESTART};

	sigaction(SIGALRM, &sa, NULL);
	if (hz) {
		it.it_interval.tv_usec = it.it_value.tv_usec = 1000000 / hz;
	}
	setitimer(ITIMER_REAL, &it, NULL);
}

#endif
