// SPDX-License-Identifier: GPL-2.0-only
/*
 * load: requests over many connections, with any payload, over TCP or a Unix socket; what rr does not
 * measure.
 *
 * load serve [-u PATH | -p PORT] [-z BYTES] [-r BYTES]: answers each -z bytes with -r (default: as many)
 * load ask   [-u PATH | -a ADDR -p PORT] [-z BYTES | -q TEXT] [-r BYTES] [-c CONNECTIONS] [-P DEPTH]
 *            [-s SECONDS] [-w SECONDS] [-J]
 *   keeps DEPTH requests outstanding on each connection, each written by a send() of its own; -q gives the
 *   request's text (\r and \n are understood), -r the size of the answer. -J: reports when the first
 *   connection began to hop. Prints one JSON object, like rr.
 * load hold  [-a ADDR -p PORT] [-z BYTES] -c CONNECTIONS
 *   opens them (ADDR counts up every 20 000, for want of ports), says "open", then reads commands:
 *   "FROM TO SECONDS": requests, one outstanding, on connections FROM..TO-1, then says "done OPERATIONS".
 *   Ends at end of file.
 * All sockets are non-blocking and watched by epoll.
 */
#include "../prog/histogram.h"
#include "../prog/sock.h"

#include <sys/epoll.h>
#include <sys/un.h>

#define MAX_SIZE    (1 << 20)
#define PER_ADDRESS 20000
#define JOIN_LOOK   16
#define EVENTS	    256

static struct {
	int size, answer, conns, depth, port;
	double secs, warm;
	const char *addr, *path, *text;
	bool watch_join;
} opt = {.size = 64, .conns = 1, .depth = 1, .secs = 1, .warm = 0.5, .addr = "127.0.0.1"};

struct peer {
	int fd, left;	/* bytes to come of the message that is being read */
	int head, tail; /* ring of start times of outstanding requests */
	uint64_t sent;
	double start[];
};

static unsigned char buf[MAX_SIZE], out[MAX_SIZE];
static uint64_t operations, outstanding;
static double measure_from, measure_to, joined;

/* ---- sockets ---- */

static int unix_socket(bool listening)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", opt.path);
	if (fd < 0)
		die("socket");
	if (listening) {
		unlink(opt.path);
		if (bind(fd, (void *)&sun, sizeof(sun)) || listen(fd, 4096))
			die("listen on %s", opt.path);
	} else {
		if (connect(fd, (void *)&sun, sizeof(sun)))
			die("connect to %s", opt.path);
		set_nonblock(fd, true); /* not before: connect() would not wait for room in the backlog */
	}
	return fd;
}

/* The i-th connection: loopback addresses in turn, since one pair of addresses has some 28 000 ports. */
static int connect_nth(int i)
{
	char addr[INET_ADDRSTRLEN];
	struct in_addr in;

	if (opt.path)
		return unix_socket(false);
	if (i < PER_ADDRESS || !inet_aton(opt.addr, &in))
		return tcp_connect_nonblock(opt.addr, opt.port);
	in.s_addr = htonl(ntohl(in.s_addr) + i / PER_ADDRESS);
	inet_ntop(AF_INET, &in, addr, sizeof(addr));
	return tcp_connect_nonblock(addr, opt.port);
}

static int accept_one(int listener)
{
	int fd;

	if (!opt.path)
		return tcp_accept_nonblock(listener);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		die("accept");
	return fd;
}

static struct peer *peer_new(int fd, int left)
{
	struct peer *p = calloc(1, sizeof(*p) + (opt.depth + 1) * sizeof(double));

	if (!p)
		die("calloc");
	p->fd = fd;
	p->left = left;
	return p;
}

static void watch(int ep, int op, int fd, void *ptr)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = ptr};

	if (epoll_ctl(ep, op, fd, &ev))
		die("epoll_ctl");
}

/* ---- server ---- */

/*
 * Reads what is there and answers each complete request with one send(); false when the connection is over.
 */
static bool serve_one(struct peer *p)
{
	ssize_t r = recv(p->fd, buf, sizeof(buf), 0);

	if (r <= 0)
		return r < 0 && (errno == EAGAIN || errno == EINTR);
	for (; r >= p->left; p->left = opt.size) {
		r -= p->left;
		if (send_all(p->fd, out, opt.answer, 10))
			return false;
	}
	p->left -= r;
	return true;
}

static __attribute__((noreturn)) void serve(void)
{
	int ep = epoll_create1(0), listener;
	struct epoll_event ev[EVENTS];

	listener = opt.path ? unix_socket(true) : tcp_listen(opt.addr, opt.port);
	watch(ep, EPOLL_CTL_ADD, listener, NULL);
	for (;;) {
		int n = epoll_wait(ep, ev, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct peer *p = ev[i].data.ptr;

			if (!p) {
				p = peer_new(accept_one(listener), opt.size);
				watch(ep, EPOLL_CTL_ADD, p->fd, p);
			} else if (!serve_one(p)) {
				close(p->fd);
				free(p);
			}
		}
	}
}

/* ---- client ---- */

static void ask(struct peer *p)
{
	p->start[p->head] = now();
	p->head = (p->head + 1) % (opt.depth + 1);
	if (send_all(p->fd, out, opt.size, 10))
		die("send");
	p->sent += opt.size;
	outstanding++;
}

/* A request was answered; another one goes out unless this is the end. */
static void answered(struct peer *p, double t)
{
	double start = p->start[p->tail];

	outstanding--;
	p->tail = (p->tail + 1) % (opt.depth + 1);
	if (t >= measure_from && t < measure_to) {
		operations++;
		note_latency(t - start);
	}
	if (opt.watch_join && !joined && p->sent % (JOIN_LOOK * opt.size) == 0 && path_sent(p->fd) < p->sent)
		joined = t;
	if (t < measure_to)
		ask(p);
}

/* Answers on one readable connection. */
static void client_read(struct peer *p)
{
	ssize_t r = recv(p->fd, buf, sizeof(buf), 0);
	double t = now();

	if (!r || (r < 0 && errno != EAGAIN))
		die("recv gave %zd", r);
	for (; r >= p->left; p->left = opt.answer) {
		r -= p->left;
		answered(p, t);
	}
	p->left -= r > 0 ? r : 0;
}

/* Requests on peers from..to-1 until measure_to, then the last answers. */
static void run(int ep, struct peer **peers, int from, int to)
{
	struct epoll_event ev[EVENTS];

	for (int i = from; i < to; i++)
		for (int d = 0; d < opt.depth; d++)
			ask(peers[i]);
	while (outstanding) {
		int n = epoll_wait(ep, ev, EVENTS, 5000);

		if (!n)
			die("no answer for 5 s");
		for (int i = 0; i < n; i++)
			client_read(ev[i].data.ptr);
	}
}

static struct peer **open_all(int ep)
{
	struct peer **peers = calloc(opt.conns, sizeof(struct peer *));

	if (!peers)
		die("calloc");
	for (int i = 0; i < opt.conns; i++) {
		peers[i] = peer_new(connect_nth(i), opt.answer);
		watch(ep, EPOLL_CTL_ADD, peers[i]->fd, peers[i]);
	}
	return peers;
}

static int client(void)
{
	int ep = epoll_create1(0);
	struct peer **peers;
	double start = now();

	peers = open_all(ep);
	measure_from = now() + opt.warm;
	measure_to = measure_from + opt.secs;
	run(ep, peers, 0, opt.conns);
	printf("{\"mode\":\"ask\",\"size\":%d,\"answer\":%d,\"connections\":%d,\"depth\":%d,\"seconds\":%.2f,"
	       "\"operations\":%llu,\"per_second\":%.1f,\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_us\":%.2f,"
	       "\"join_ms\":%.1f}\n",
	       opt.size, opt.answer, opt.conns, opt.depth, opt.secs, (unsigned long long)operations,
	       operations / opt.secs, percentile(0.5), percentile(0.99), percentile(0.999),
	       joined ? (joined - start) * 1e3 : -1.0);
	return operations == 0;
}

static int hold(void)
{
	int ep = epoll_create1(0), from, to;
	struct peer **peers = open_all(ep);
	double secs;

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("open");
	while (scanf("%d %d %lf", &from, &to, &secs) == 3) {
		operations = 0;
		measure_from = now();
		measure_to = measure_from + secs;
		run(ep, peers, from, to < opt.conns ? to : opt.conns);
		printf("done %llu\n", (unsigned long long)operations);
	}
	return 0;
}

/* -q: the request's text, with \r and \n. */
static void set_text(const char *s)
{
	int n = 0;

	for (; *s && n < MAX_SIZE; s++) {
		if (*s == '\\' && (s[1] == 'r' || s[1] == 'n'))
			out[n++] = *++s == 'r' ? '\r' : '\n';
		else
			out[n++] = *s;
	}
	opt.size = n;
}

static void parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "u:a:p:z:q:r:c:P:s:w:J")) != -1) {
		switch (c) {
		case 'u':
			opt.path = optarg;
			break;
		case 'a':
			opt.addr = optarg;
			break;
		case 'p':
			opt.port = atoi(optarg);
			break;
		case 'z':
			opt.size = atoi(optarg);
			break;
		case 'q':
			opt.text = optarg;
			break;
		case 'r':
			opt.answer = atoi(optarg);
			break;
		case 'c':
			opt.conns = atoi(optarg);
			break;
		case 'P':
			opt.depth = atoi(optarg);
			break;
		case 's':
			opt.secs = atof(optarg);
			break;
		case 'w':
			opt.warm = atof(optarg);
			break;
		case 'J':
			opt.watch_join = true;
			break;
		default:
			exit(EXIT_SETUP);
		}
	}
	memset(out, 'x', sizeof(out));
	if (opt.text)
		set_text(opt.text);
	if (!opt.answer)
		opt.answer = opt.size;
	if (opt.size < 1 || opt.size > MAX_SIZE || opt.answer < 1 || opt.answer > MAX_SIZE || opt.conns < 1 ||
	    opt.depth < 1)
		die("1 to %d bytes, at least one connection", MAX_SIZE);
}

int main(int argc, char **argv)
{
	const char *role = argc > 1 ? argv[1] : "";

	parse_options(argc > 1 ? argc - 1 : argc, argc > 1 ? argv + 1 : argv);
	signal(SIGPIPE, SIG_IGN);
	raise_fd_limit();
	if (!strcmp(role, "serve"))
		serve();
	if (!strcmp(role, "ask"))
		return client();
	if (!strcmp(role, "hold"))
		return hold();
	die("what? serve, ask or hold");
}
