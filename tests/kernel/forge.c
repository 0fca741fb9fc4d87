// SPDX-License-Identifier: GPL-2.0-only
/*
 * forge: a process without privilege makes a user and a network namespace of its own and, by TCP_REPAIR, a
 * socket pair with the sequence numbers and addresses of somebody else's connection. It must get none of
 * their bytes and give them none of its own.
 *
 * forge [-r ROUNDS] [-g CGROUP_PROCS] [-k SHIFT] [-u UID] [-o]
 *   The victim a <-> b is made here; the forger talks in step with it, byte for byte, so that the sequence
 *   numbers agree all the time. -k: added to the forged sequence numbers (0: equal to b's; -1: the other
 * mirror) -g FILE: b is made by a process that first enters the cgroup of that cgroup.procs file (peer
 * outside) -u: the forger becomes this user first, without any privilege on the host (the victim's sequence
 * numbers are told him: reading them takes privilege) -o: the forger starts before the victim has exchanged a
 * byte (default: after)
 */
#include "process.h"

#include <grp.h>
#include <sched.h>
#include <sys/wait.h>

static int rounds = 3000, shift;
static uid_t forger_uid; /* 0: stays what we are */
static const char *outside;
static bool early;

/* What the forger must know of the victim's end b, and how the two keep in step. */
struct target {
	uint32_t snd, rcv; /* next sequence numbers to send and to receive */
	int port_a, port_b;
	bool stop;
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

/* The forger: for each byte on the pipe one step; reports on `out` how many foreign bytes it got so far. */
static void forger(int in, int out)
{
	struct target t;
	long foreign = 0, r;
	int f[2];
	char c;

	if (forger_uid)
		become(forger_uid);
	own_namespaces();
	if (read(in, &t, sizeof(t)) != sizeof(t))
		exit(EXIT_SETUP);
	t.snd += shift;
	t.rcv += shift;
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
	while (read(in, &c, 1) == 1) {
		r = step(f[0], f[1], 'F');
		foreign = r < 0 ? -1 : foreign + r;
		if (write(out, &foreign, sizeof(foreign)) != sizeof(foreign) || foreign < 0)
			break;
	}
	exit(0);
}

/* b, made by a child in another cgroup, comes here as a descriptor of our own: its cgroup stays the child's.
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
		listener = tcp_listen("127.0.0.1", 0);
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

	if (!outside) {
		tcp_pairs(p, 1);
		memcpy(pair, p[0], sizeof(p[0]));
		return;
	}
	via = accept_outside();
	if (recv(via, &port, sizeof(port), 0) != sizeof(port))
		die("outside");
	pair[0] = tcp_connect_nonblock("127.0.0.1", port);
	pair[1] = take_fd(via);
	set_nonblock(pair[1], true);
	close(via);
}

int main(int argc, char **argv)
{
	long stolen = 0, injected = 0, r = 0, n;
	int c, i, pair[2], to[2], from[2], hop = 0;
	struct target t = {};
	pid_t pid;

	while ((c = getopt(argc, argv, "r:g:k:u:o")) != -1) {
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
		else
			return EXIT_SETUP;
	}
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
	for (i = 0; i < (early ? 0 : 300); i++)
		r |= step(pair[0], pair[1], 'V');
	read_sequence(pair[1], &t);
	t.port_a = local_port(pair[0]);
	t.port_b = local_port(pair[1]);
	if (write(to[1], &t, sizeof(t)) != sizeof(t))
		die("forger");
	for (i = 0; i < rounds && r >= 0 && stolen >= 0; i++) {
		uint64_t path = path_sent(pair[0]);

		if (write(to[1], "g", 1) != 1 || read(from[0], &stolen, sizeof(stolen)) != sizeof(stolen)) {
			fprintf(stderr, "the forger has gone\n");
			break;
		}
		r = step(pair[0], pair[1], 'V');
		if (r > 0)
			injected += r;
		hop += path_sent(pair[0]) == path;
	}
	n = r;
	close(to[1]);
	waitpid(pid, &c, 0);
	printf("forge rounds=%d of=%d stolen=%ld injected=%ld victim_hops=%d victim=%s\n", i, rounds, stolen,
	       injected, hop, n < 0 ? "BAD" : "ok");
	if (stolen || injected || n < 0)
		return EXIT_FAULT;
	return i < rounds ? EXIT_SETUP : 0;
}
