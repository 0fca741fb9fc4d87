// SPDX-License-Identifier: GPL-2.0-only
/*
 * forge: a process without privilege makes a user and a network namespace of its own and, by TCP_REPAIR, a
 * socket pair with the sequence numbers and addresses of somebody else's connection. It must get none of
 * their bytes and give them none of its own.
 *
 * forge [-r ROUNDS] [-g CGROUP_PROCS] [-k SHIFT] [-u UID] [-o] [-N]
 *       [-R PORT -T PORT [-c] [-G CGROUP_PROCS -x COMMAND]]
 *
 * The victim a <-> b is made here; the forger talks in step with it, byte for byte, so that the sequence
 * numbers agree all the time.
 *   -k SHIFT   added to the forged sequence numbers (0: equal to b's; -1: the other mirror)
 *   -g FILE    b is made by a process that first enters the cgroup of that cgroup.procs file: a peer outside
 *   -u UID     the forger becomes this user first, without any privilege on the host; the victim's sequence
 *              numbers are told it, since reading them takes privilege
 *   -o         the forger starts before the victim has exchanged a byte (default: after)
 *   -R, -T     a and b are client and server of a relay at port R, which connects to T. Forged is b, or with
 *              -c a, down to the key: the forged end catches up with as many bytes as its model has
 *              exchanged. With -o it is ahead for a while, to be the first to register; else the victims hop
 *              when it starts
 *   -G FILE    the forger enters that cgroup first
 *   -x CMD     is run once the forged sockets are there, before they are used (to attach that cgroup: sockets
 *              in repair mode are looked at only if they are older than the attach)
 *   -N         the forger stays in the victim's namespaces, with the privilege that it then needs. Its ports
 *              are those of the victim and 1 more, as two sockets cannot have the same addresses there. With
 *              -R and -T, R is a port that a rule of the packet filter redirects to T
 */
#include "process.h"

#include <grp.h>
#include <sched.h>
#include <sys/wait.h>

/* Steps that a forger is ahead: enough to register. */
#define AHEAD 40
/* On a busy machine a relayed round trip may take milliseconds. */
#define RELAYED_SECONDS 6

static int rounds = 3000, shift;
static uid_t forger_uid; /* 0: stays what we are */
static const char *outside, *forger_cgroup, *command;
static bool early, beside;
static int relay_port, target_port;
static int which = 1; /* the end that is forged */

/* What the forger must know of the victim's end b, and how the two keep in step. */
struct target {
	uint32_t snd, rcv; /* next sequence numbers to send and to receive */
	int port_a, port_b;
	uint32_t lead[2]; /* bytes that the forged end has yet to send and to receive until it is in step */
};

static uint32_t queue_seq(int fd, int queue)
{
	uint32_t seq = 0;
	socklen_t len = sizeof(seq);

	set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue);
	if (getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &len))
		die("TCP_QUEUE_SEQ");
	return seq;
}

/* Reads the victim's sequence numbers as the operator could from a packet capture; leaves it as it was. */
static void read_sequence(int fd, struct target *t)
{
	set_int(fd, IPPROTO_TCP, TCP_REPAIR, 1);
	t->snd = queue_seq(fd, TCP_SEND_QUEUE);
	t->rcv = queue_seq(fd, TCP_RECV_QUEUE);
	set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
	set_int(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1); /* the end of a repair takes it away */
}

/* How many bytes it has sent, that are acknowledged, and received; a SYN of its own counts as one. */
static void progress(int fd, uint32_t done[2])
{
	struct tcp_info ti = {};
	socklen_t len = sizeof(ti);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len))
		die("TCP_INFO");
	done[0] = ti.tcpi_bytes_acked;
	done[1] = ti.tcpi_bytes_received;
}

/* The numbers that the key is made of. The forged end then has to catch up with what has been sent since. */
static void read_key(int fd, struct target *t)
{
	uint32_t done[2];

	read_sequence(fd, t);
	progress(fd, done);
	t->snd -= done[0];
	t->rcv -= done[1];
}

static int peer_port(int fd)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	if (getpeername(fd, (void *)&sin, &len))
		die("getpeername");
	return ntohs(sin.sin_port);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s", path);
	close(fd);
}

/* Give up root for good. That we may not repair sockets any more is tried, not taken for granted. */
static void become(uid_t uid)
{
	int fd, one = 1;

	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		die("become uid %u", uid);
	/* a change of uid without an execve() makes /proc/self root's: no uid_map could be written */
	if (prctl(PR_SET_DUMPABLE, 1))
		die("PR_SET_DUMPABLE");
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (!setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one)) || errno != EPERM)
		die("uid %u may repair sockets", uid);
	close(fd);
}

/* A user namespace in which we are root, and a network namespace with loopback up. */
static void own_namespaces(void)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		fprintf(stderr, "skip: no user namespaces here: %s\n", strerror(errno));
		exit(EXIT_SETUP);
	}
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
	lo_up();
}

/* An established socket out of nothing: local and remote port, sequence numbers. */
static int forged(int lport, int rport, uint32_t snd, uint32_t rcv)
{
	struct sockaddr_in l = {.sin_family = AF_INET, .sin_port = htons(lport)}, r = l;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	l.sin_addr.s_addr = r.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r.sin_port = htons(rport);
	set_int(fd, IPPROTO_TCP, TCP_REPAIR, 1);
	set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
	set_int(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, (int)snd);
	set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_RECV_QUEUE);
	set_int(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, (int)rcv);
	if (bind(fd, (void *)&l, sizeof(l)) || connect(fd, (void *)&r, sizeof(r)))
		die("forged connect");
	set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
	return fd;
}

/* One request and response whose bytes say who sent them; what arrives and is not from `who` is counted. */
static long step(int a, int b, char who)
{
	char out[RR_SIZE], in[RR_SIZE];
	long foreign = 0;
	int i, k, fd[2] = {a, b};

	memset(out, who, sizeof(out));
	for (k = 0; k < 2; k++) {
		if (send_all(fd[k], out, sizeof(out), 3) || recv_all(fd[!k], in, sizeof(in), 3))
			return -1;
		for (i = 0; i < RR_SIZE; i++)
			foreign += in[i] != who;
	}
	return foreign;
}

/* n bytes from a to b, in small pieces. */
static void catch_up(int a, int b, uint32_t n)
{
	char buf[RR_SIZE] = {0};

	while (n) {
		size_t m = n < sizeof(buf) ? n : sizeof(buf);

		if (send_all(a, buf, m, 3) || recv_all(b, buf, m, 3))
			die("the forger cannot catch up");
		n -= m;
	}
}

/* The forger: for each byte on the pipe one step; reports on `out` how many foreign bytes it got so far. */
static void forger(int in, int out)
{
	struct target t;
	long foreign = 0, r;
	int f[2];
	char c;

	if (forger_cgroup)
		write_file(forger_cgroup, "0");
	if (forger_uid)
		become(forger_uid);
	if (!beside)
		own_namespaces();
	if (read(in, &t, sizeof(t)) != sizeof(t))
		exit(EXIT_SETUP);
	t.snd += shift;
	t.rcv += shift;
	t.port_a += beside;
	t.port_b += beside;
	f[1] = forged(t.port_b, t.port_a, t.snd, t.rcv);
	f[0] = forged(t.port_a, t.port_b, t.rcv, t.snd);
	for (r = 0; r < 2; r++) {
		set_int(f[r], IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
		set_nodelay(f[r]);
		set_nonblock(f[r], true);
	}
	/* the window probe at the end of a repair tells each end the other's window */
	for (r = 0; r < 2; r++) {
		set_int(f[r], IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
		set_int(f[r], IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF);
	}
	if (write(out, &foreign, sizeof(foreign)) != sizeof(foreign) || read(in, &c, 1) != 1)
		exit(EXIT_SETUP);
	catch_up(f[1], f[0], t.lead[0]);
	catch_up(f[0], f[1], t.lead[1]);
	while (read(in, &c, 1) == 1) {
		r = step(f[0], f[1], 'F');
		foreign = r < 0 ? -1 : foreign + r;
		if (write(out, &foreign, sizeof(foreign)) != sizeof(foreign) || foreign < 0)
			break;
	}
	exit(0);
}

/*
 * b, made by a child in another cgroup, comes here as a descriptor of our own: its cgroup stays the child's.
 */
static int accept_outside(void)
{
	int sv[2], fd, listener;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, sv))
		die("socketpair");
	pid = fork_with_us();
	if (!pid) {
		write_file(outside, "0");
		listener = tcp_listen("127.0.0.1", target_port);
		fd = local_port(listener);
		if (send(sv[1], &fd, sizeof(fd), 0) < 0)
			exit(EXIT_SETUP);
		pass_fd(sv[1], tcp_accept(listener));
		exit(0);
	}
	return sv[0];
}

static void victims(int pair[2])
{
	int via, port, p[1][2];

	if (!outside && relay_port) {
		via = tcp_listen("127.0.0.1", target_port);
		pair[0] = tcp_connect_nonblock("127.0.0.1", relay_port);
		pair[1] = tcp_accept_nonblock(via);
		close(via);
		return;
	}
	if (!outside) {
		tcp_pairs(p, 1);
		memcpy(pair, p[0], sizeof(p[0]));
		return;
	}
	via = accept_outside();
	if (recv(via, &port, sizeof(port), 0) != sizeof(port))
		die("outside");
	pair[0] = tcp_connect_nonblock("127.0.0.1", relay_port ? relay_port : port);
	pair[1] = take_fd(via);
	set_nonblock(pair[1], true);
	close(via);
}

/* One step of the forger; false when it has gone. */
static bool let_forge(int to, int from, long *stolen)
{
	if (write(to, "g", 1) == 1 && read(from, stolen, sizeof(*stolen)) == sizeof(*stolen))
		return true;
	fprintf(stderr, "the forger has gone\n");
	return false;
}

/* The victim has its past, if it is to have one; then the forger is told what it needs, and makes its
 * sockets. */
static void start_forging(int to, int from, const int pair[2])
{
	struct target t = {};
	long ready, r = 0;
	int i, end = pair[which];

	if (relay_port) { /* at once: who has been in repair mode stays on TCP for a while */
		read_key(end, &t);
		if (!early)
			warm_up(pair[0], pair[1]);
		progress(end, t.lead);
	} else {
		for (i = 0; i < (early ? 0 : 300) && !r; i++)
			r = step(pair[0], pair[1], 'V');
		if (r)
			die("the victim");
		read_sequence(end, &t);
	}
	t.port_a = peer_port(end);
	t.port_b = local_port(end);
	if (write(to, &t, sizeof(t)) != sizeof(t) || read(from, &ready, sizeof(ready)) != sizeof(ready))
		die("forger");
	if (command && system(command)) /* NOLINT(cert-env33-c): the test's own */
		die("%s", command);
	if (write(to, "g", 1) != 1)
		die("forger");
}

static int options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "r:g:k:u:oR:T:cG:x:N")) != -1) {
		if (c == 'r')
			rounds = atoi(optarg);
		else if (c == 'g')
			outside = optarg;
		else if (c == 'k')
			shift = atoi(optarg);
		else if (c == 'u')
			forger_uid = atoi(optarg);
		else if (c == 'o')
			early = true;
		else if (c == 'R')
			relay_port = atoi(optarg);
		else if (c == 'T')
			target_port = atoi(optarg);
		else if (c == 'c')
			which = 0;
		else if (c == 'G')
			forger_cgroup = optarg;
		else if (c == 'N')
			beside = true;
		else if (c == 'x')
			command = optarg;
		else
			return EXIT_SETUP;
	}
	return 0;
}

int main(int argc, char **argv)
{
	long stolen = 0, injected = 0, r = 0, n;
	int c, i, pair[2], to[2], from[2], hop = 0;
	bool gone = false;
	double until;
	pid_t pid;

	if (options(argc, argv))
		return EXIT_SETUP;
	signal(SIGPIPE, SIG_IGN);
	if (pipe(to) || pipe(from))
		die("pipe");
	pid = fork_with_us();
	if (!pid) {
		close(to[1]);
		close(from[0]);
		forger(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	victims(pair);
	start_forging(to[1], from[0], pair);
	for (i = 0; i < (relay_port && early ? AHEAD : 0) && !gone; i++)
		gone = !let_forge(to[1], from[0], &stolen);
	while (i-- > 0 && early)
		r |= step(pair[0], pair[1], 'V');
	until = now() + (relay_port ? RELAYED_SECONDS : 1000);
	for (i = 0; i < rounds && r >= 0 && stolen >= 0 && !gone && now() < until; i++) {
		uint64_t path = path_sent(pair[0]);
		bool forger_first = i & 8;
		double start = now();

		/* one order is right to steal, the other one to inject: a hop wants equal numbers */
		if (forger_first)
			gone = !let_forge(to[1], from[0], &stolen);
		r = step(pair[0], pair[1], 'V');
		if (r > 0)
			injected += r;
		hop += path_sent(pair[0]) == path;
		if (!forger_first)
			gone = !let_forge(to[1], from[0], &stolen);
		if (relay_port) /* most of the time the numbers agree: passes are to see them so */
			usleep((now() - start) * 3e6);
	}
	n = r;
	close(to[1]);
	waitpid(pid, &c, 0);
	printf("forge rounds=%d of=%d stolen=%ld injected=%ld victim_hops=%d victim=%s\n", i, rounds, stolen,
	       injected, hop, n < 0 ? "BAD" : "ok");
	if (stolen || injected || n < 0)
		return EXIT_FAULT;
	return gone ? EXIT_SETUP : 0;
}
