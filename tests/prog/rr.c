// SPDX-License-Identifier: GPL-2.0-only
/*
 * rr: speed and latency of TCP between two processes; the measuring tool of the benches.
 *
 * rr [rr|stream|crc] [server|client] [-b|-y] [-z BYTES] [-c CONNECTIONS] [-s SECONDS] [-w SECONDS] [-a ADDR]
 * [-p PORT]
 *    [-C CPU] [-S CPU]
 *   rr      request-response of -z bytes over -c connections, one outstanding on each (default)
 *   stream  the client writes -z bytes at a time, the server reads
 *   crc     connect, one request-response, close, over and over
 *   without a role: both, in two processes        -b: blocking sockets (default: non-blocking with epoll)
 *   -y: never sleeps, calls recv() until there is something (rr, one connection)
 *   -w: seconds before the measurement begins (so that connections join)      -C, -S: pin client, server
 * The client prints one JSON object a line. Rates are per second of the measured time, latencies in
 * microseconds, CPU time (user + system, of the client and, without a role, of the server) in microseconds
 * per operation.
 */
#include "histogram.h"
#include "process.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define MAX_SIZE (1 << 20)

enum mode { RR, STREAM, CRC };

static const char *const modes[] = {"rr", "stream", "crc"};

static struct {
	enum mode mode;
	bool blocking, spin;
	int size, conns, port, client_cpu, server_cpu;
	double secs, warm;
	const char *addr;
} opt = {.size = 64,
	 .conns = 1,
	 .secs = 2,
	 .warm = 0.5,
	 .addr = "127.0.0.1",
	 .client_cpu = -1,
	 .server_cpu = -1};

struct peer {
	int fd, left; /* bytes of the current message still to come */
	double start;
	uint64_t path, sent;
};

static unsigned char buf[MAX_SIZE];
static double *server_cpu; /* shared: CPU seconds of the server process so far */

static double cpu_time(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

static int connect_one(void)
{
	return opt.blocking ? tcp_connect(opt.addr, opt.port) : tcp_connect_nonblock(opt.addr, opt.port);
}

static int accept_one(int listener)
{
	return opt.blocking ? tcp_accept(listener) : tcp_accept_nonblock(listener);
}

static void poll_in(int ep, int op, int fd, void *ptr)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = ptr};

	if (epoll_ctl(ep, op, fd, &ev))
		die("epoll_ctl");
}

static bool put(int fd, int n)
{
	return !send_all(fd, buf, n, 10);
}

/* ---- server ---- */

/* Answers each complete request with as many bytes; false at the end. */
static bool answer(struct peer *p)
{
	ssize_t r;

	do {
		r = recv(p->fd, buf, opt.mode == STREAM ? MAX_SIZE : p->left, 0);
		if (r <= 0)
			return r < 0 && (errno == EAGAIN || errno == EINTR);
		if (opt.mode == STREAM)
			return true;
		p->left -= r;
	} while (p->left);
	p->left = opt.size;
	return put(p->fd, opt.size);
}

static struct peer *new_peer(int fd)
{
	struct peer *p = calloc(1, sizeof(*p));

	p->fd = fd;
	p->left = opt.size;
	return p;
}

static void serve_epoll(int listener)
{
	int i, n, ep = epoll_create1(0);
	struct epoll_event ev[64];

	poll_in(ep, EPOLL_CTL_ADD, listener, NULL);
	for (;;) {
		n = epoll_wait(ep, ev, 64, -1);
		for (i = 0; i < n; i++) {
			struct peer *p = ev[i].data.ptr;

			if (!p) {
				p = new_peer(accept_one(listener));
				poll_in(ep, EPOLL_CTL_ADD, p->fd, p);
			} else if (!answer(p)) {
				close(p->fd);
				free(p);
			}
		}
		*server_cpu = cpu_time();
	}
}

/* One process a connection: what a blocking program does. */
static void serve_blocking(int listener)
{
	struct peer *p;

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		p = new_peer(accept_one(listener));
		if (opt.mode != CRC && opt.conns > 1 && fork_with_us()) {
			close(p->fd);
			free(p);
			continue;
		}
		while (answer(p))
			if (opt.conns == 1)
				*server_cpu = cpu_time();
		if (opt.mode != CRC && opt.conns > 1)
			_exit(0);
		close(p->fd);
		free(p);
	}
}

static void serve(int listener)
{
	pin(opt.server_cpu);
	if (opt.blocking || opt.spin)
		serve_blocking(listener); /* of a non-blocking socket answer() returns at once */
	serve_epoll(listener);
}

/* ---- client ---- */

static uint64_t begun, operations;
static double measure_from, measure_to;

static void done_one(double start, double end)
{
	begun++;
	if (end < measure_from)
		return;
	operations++;
	note_latency(end - start);
}

static void ask(struct peer *p)
{
	p->left = opt.size;
	p->start = now();
	if (!put(p->fd, opt.size))
		die("send");
	p->sent += opt.size;
}

static void client_rr(struct peer *peers)
{
	int i, n, ep = epoll_create1(0);
	struct epoll_event ev[64];
	double t = 0;

	for (i = 0; i < opt.conns; i++) {
		poll_in(ep, EPOLL_CTL_ADD, peers[i].fd, &peers[i]);
		ask(&peers[i]);
	}
	while (t < measure_to) {
		n = epoll_wait(ep, ev, 64, 1000);
		for (i = 0; i < n; i++) {
			struct peer *p = ev[i].data.ptr;
			ssize_t r = recv(p->fd, buf, p->left, 0);

			if (!r || (r < 0 && errno != EAGAIN))
				die("recv gave %zd", r);
			p->left -= r > 0 ? r : 0;
			if (p->left)
				continue;
			t = now();
			done_one(p->start, t);
			ask(p);
		}
		if (!n)
			die("no answer for a second");
	}
	for (i = 0; i < opt.conns; i++) /* the last answers */
		if (recv_all(peers[i].fd, buf, peers[i].left, 5))
			die("last answer");
}

static void client_blocking(struct peer *p)
{
	while (now() < measure_to) {
		ask(p);
		if (recv_all(p->fd, buf, opt.size, 10))
			die("recv");
		done_one(p->start, now());
	}
}

static void client_spin(struct peer *p)
{
	ssize_t r;

	while (now() < measure_to) {
		for (ask(p); p->left; p->left -= r > 0 ? r : 0) {
			r = recv(p->fd, buf, p->left, 0);
			if (!r || (r < 0 && errno != EAGAIN))
				die("recv gave %zd", r);
			if (r < 0 && now() - p->start > 10)
				die("no answer");
		}
		done_one(p->start, now());
	}
}

static void client_stream(struct peer *peers)
{
	double t = 0;
	int i;

	while (t < measure_to) {
		for (i = 0; i < opt.conns; i++) {
			double start = now();

			if (!put(peers[i].fd, opt.size))
				die("send");
			peers[i].sent += opt.size;
			t = now();
			done_one(start, t);
		}
	}
}

static void client_crc(void)
{
	double t = 0;

	while (t < measure_to) {
		struct peer p = {.start = now()};
		int size = opt.size;

		t = p.start;
		p.fd = connect_one();
		if (!put(p.fd, size) || recv_all(p.fd, buf, size, 5))
			die("connect-request-close");
		close(p.fd);
		done_one(t, now());
	}
}

static void print_result(double cpu, double server, uint64_t hop, uint64_t sent)
{
	double per = operations ? 1e6 / operations : 0;

	printf("{\"mode\":\"%s\",\"blocking\":%s,\"size\":%d,\"connections\":%d,\"seconds\":%.2f,"
	       "\"operations\":%llu,"
	       "\"per_second\":%.1f,\"mbytes_per_second\":%.2f,\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_us\":%."
	       "2f,"
	       "\"client_cpu_us\":%.3f,\"server_cpu_us\":%.3f,\"hop_share\":%.3f}\n",
	       modes[opt.mode], opt.blocking ? "true" : "false", opt.size, opt.conns, opt.secs,
	       (unsigned long long)operations, operations / opt.secs, operations / opt.secs * opt.size * 1e-6,
	       percentile(0.5), percentile(0.99), percentile(0.999), cpu * per, server * per,
	       sent ? (double)hop / sent : 0.0);
}

/* CPU time is measured over the whole run; scaled to the operations inside the measured time. */
static int client(void)
{
	struct peer *peers = calloc(opt.conns, sizeof(*peers));
	double cpu, server, share;
	uint64_t hop = 0, sent = 0;
	int i;

	pin(opt.client_cpu);
	memset(buf, 'x', sizeof(buf));
	for (i = 0; i < opt.conns && opt.mode != CRC; i++)
		peers[i].fd = connect_one();
	cpu = cpu_time();
	server = *server_cpu;
	measure_from = now() + opt.warm;
	measure_to = measure_from + opt.secs;
	if (opt.mode == CRC)
		client_crc();
	else if (opt.mode == STREAM)
		client_stream(peers);
	else if (opt.spin)
		client_spin(&peers[0]);
	else if (opt.blocking && opt.conns == 1)
		client_blocking(&peers[0]);
	else
		client_rr(peers);
	share = begun ? (double)operations / begun : 0;
	for (i = 0; i < opt.conns && opt.mode != CRC; i++) {
		uint64_t path = path_sent(peers[i].fd);

		sent += peers[i].sent;
		hop += path < peers[i].sent ? peers[i].sent - path : 0;
	}
	print_result((cpu_time() - cpu) * share, (*server_cpu - server) * share, hop, sent);
	return operations == 0;
}

static void parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "byz:c:s:w:a:p:C:S:")) != -1) {
		if (c == 'b')
			opt.blocking = true;
		else if (c == 'y')
			opt.spin = true;
		else if (c == 'z')
			opt.size = atoi(optarg);
		else if (c == 'c')
			opt.conns = atoi(optarg);
		else if (c == 's')
			opt.secs = atof(optarg);
		else if (c == 'w')
			opt.warm = atof(optarg);
		else if (c == 'a')
			opt.addr = optarg;
		else if (c == 'p')
			opt.port = atoi(optarg);
		else if (c == 'C')
			opt.client_cpu = atoi(optarg);
		else if (c == 'S')
			opt.server_cpu = atoi(optarg);
		else
			exit(EXIT_SETUP);
	}
	if (opt.spin && (opt.blocking || opt.conns != 1 || opt.mode != RR)) {
		fprintf(stderr, "rr: -y is for one non-blocking connection of rr\n");
		exit(EXIT_SETUP);
	}
	if (opt.size < 1 || opt.size > MAX_SIZE || opt.conns < 1) {
		fprintf(stderr, "rr: 1 to %d bytes, at least one connection\n", MAX_SIZE);
		exit(EXIT_SETUP);
	}
}

int main(int argc, char **argv)
{
	char role = 0;
	int listener, r;
	pid_t pid;

	for (; argc > 1 && argv[1][0] != '-'; argc--, argv++) {
		if (!strcmp(argv[1], "server") || !strcmp(argv[1], "client"))
			role = argv[1][0];
		for (int m = RR; m <= CRC; m++)
			if (!strcmp(argv[1], modes[m]))
				opt.mode = m;
	}
	parse_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	raise_fd_limit();
	server_cpu = mmap(NULL, sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (role == 'c')
		return client();
	listener = tcp_listen(opt.addr, opt.port);
	opt.port = local_port(listener);
	if (role == 's')
		serve(listener);
	pid = fork_with_us();
	if (!pid)
		serve(listener);
	close(listener);
	r = client();
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return r;
}
