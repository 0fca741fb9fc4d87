// SPDX-License-Identifier: GPL-2.0-only
/*
 * reuse: the memory of sockets that are gone is used again while somebody still sends to them. Connections
 * are made all the time and checked, byte for byte; after a while one end of each dies (reset, close, close
 * with unread bytes, killed process) while a thread keeps sending from the other one, which is kept for long
 * as an orphan. No connection may ever get a byte that is not its own.
 *
 * reuse [-s SECONDS]
 * To be run in a network namespace of its own, all sockets joining at ESTABLISHED. Prints how often a new
 * socket lay where an orphan's peer had been ("reused"; -1 if the kernel hides addresses): /proc/net/tcp
 * shows the address of each socket or a hash of it, and either is equal only if the address is. Exit status:
 * see sock.h; 2 also if nothing hopped or nothing was reused, when the test shows nothing.
 */
#include "sock.h"
#include "pattern.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BATCH	16   /* connections that are made, and that die, in one round */
#define LIVE	64   /* that are checked in each round */
#define ORPHANS 1024 /* whose peer is gone */
#define MESSAGE 48
#define SEEN	8 /* rounds between two looks at the addresses */

struct conn {
	int fd[2]; /* [1] is the end that dies */
	uint32_t id;
	uint64_t sent[2], got[2]; /* sent[i] by fd[i]; got[i] of it by fd[!i] */
	unsigned long addr[2];	  /* of the sockets; 0: not looked up */
};

static struct conn live[LIVE], orphan[ORPHANS];
static int n_live, n_orphans, next_orphan;
static pthread_mutex_t orphans = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool over;
static _Atomic unsigned long to_dead;
static unsigned long turns, hopped, made, reused, looked;
static int listener, port;

static __attribute__((noreturn)) void fault(const struct conn *c, int i, const char *what, const char *how)
{
	fprintf(stderr, "FAULT connection %u, end %d: %s: %s\n", c->id, i, what, how);
	exit(EXIT_FAULT);
}

static void make(struct conn *c)
{
	static uint32_t id;

	*c = (struct conn){.id = id};
	id++;
	c->fd[0] = tcp_connect_nonblock("127.0.0.1", port);
	c->fd[1] = tcp_accept_nonblock(listener);
	made++;
}

static void one_way(struct conn *c, int i)
{
	unsigned char buf[MESSAGE];
	ssize_t k;
	int err;

	pattern_fill(c->id, i, c->sent[i], buf, sizeof(buf));
	err = send_all(c->fd[i], buf, sizeof(buf), 5);
	if (err)
		fault(c, i, "send", err_name(err));
	c->sent[i] += sizeof(buf);
	err = recv_all(c->fd[!i], buf, sizeof(buf), 5);
	if (err)
		fault(c, !i, "recv", err_name(err));
	k = pattern_check(c->id, i, c->got[i], buf, sizeof(buf));
	if (k >= 0) {
		pattern_blame(c->id, i, c->got[i] + k, buf + k, sizeof(buf) - k);
		exit(EXIT_FAULT);
	}
	c->got[i] += sizeof(buf);
}

/* Nothing may be there but what was asked for. */
static void expect_nothing(struct conn *c, int i)
{
	unsigned char buf[4096];
	ssize_t r = recv(c->fd[i], buf, sizeof(buf), 0);

	if (r > 0)
		pattern_blame(c->id, !i, c->got[!i], buf, r);
	if (r >= 0 || errno != EAGAIN)
		fault(c, i, "idle", r > 0 ? "bytes of a stranger" : r ? err_name(errno) : "closed");
}

static void turn(struct conn *c)
{
	uint64_t before = path_sent(c->fd[0]);

	expect_nothing(c, 0);
	expect_nothing(c, 1);
	one_way(c, 0);
	one_way(c, 1);
	turns++;
	hopped += path_sent(c->fd[0]) == before;
}

/* What the orphans send goes nowhere. */
static void *send_to_the_dead(void *arg)
{
	unsigned char buf[MESSAGE];

	while (!over) {
		for (int i = 0; i < ORPHANS && !over; i++) {
			struct conn *c = &orphan[i];
			ssize_t r;

			/* held for each: descriptors are used again, too */
			pthread_mutex_lock(&orphans);
			if (i < n_orphans) {
				pattern_fill(c->id, 0, c->sent[0], buf, sizeof(buf));
				r = send(c->fd[0], buf, sizeof(buf), MSG_NOSIGNAL | MSG_DONTWAIT);
				if (r > 0) {
					c->sent[0] += r;
					to_dead++;
				}
			}
			pthread_mutex_unlock(&orphans);
		}
	}
	return arg;
}

static void reset_and_close(int fd)
{
	const struct linger at_once = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

static void bury(const struct conn *c)
{
	pthread_mutex_lock(&orphans);
	if (n_orphans < ORPHANS) {
		orphan[n_orphans++] = *c;
	} else {
		reset_and_close(orphan[next_orphan].fd[0]);
		orphan[next_orphan] = *c;
		next_orphan = (next_orphan + 1) % ORPHANS;
	}
	pthread_mutex_unlock(&orphans);
}

/* The descriptors of these ends are a child's, which is killed. */
static void kill_holder(const struct conn *c, int n)
{
	pid_t pid = fork_with_us();

	if (!pid) {
		pause();
		_exit(0);
	}
	for (int i = 0; i < n; i++)
		close(c[i].fd[1]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The oldest connections lose one end, in the middle of what the other one sends. */
static void let_die(int round)
{
	unsigned char buf[3000] = {0};

	for (int i = 0; i < BATCH; i++) {
		if (round % 4 == 2 && send(live[i].fd[0], buf, sizeof(buf), MSG_NOSIGNAL) > 0)
			live[i].sent[0] += sizeof(buf);
		bury(&live[i]);
	}
	if (round % 4 == 3)
		kill_holder(live, BATCH);
	for (int i = 0; i < BATCH && round % 4 < 3; i++) {
		if (round % 4)
			close(live[i].fd[1]);
		else
			reset_and_close(live[i].fd[1]);
	}
	n_live -= BATCH;
	memmove(live, live + BATCH, n_live * sizeof(*live));
}

/* Addresses of the live sockets that have not been looked up yet. */
static void look_up(void)
{
	unsigned long inode, addr;
	struct stat st[LIVE][2];
	char line[512];
	FILE *f = fopen("/proc/net/tcp", "r");

	if (!f)
		die("/proc/net/tcp");
	for (int i = 0; i < n_live; i++)
		for (int k = 0; k < 2; k++)
			fstat(live[i].fd[k], &st[i][k]);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %*s %lx", &inode, &addr) != 2 ||
		    !inode)
			continue;
		for (int i = 0; i < 2 * n_live; i++)
			if (st[i / 2][i % 2].st_ino == inode)
				live[i / 2].addr[i % 2] = addr;
	}
	fclose(f);
}

static void count_reused(void)
{
	for (int i = 0; i < 2 * n_live; i++) {
		unsigned long addr = live[i / 2].addr[i % 2];

		looked += !!addr;
		for (int k = 0; k < n_orphans && addr; k++)
			if (orphan[k].addr[1] == addr) {
				reused++;
				break;
			}
	}
}

int main(int argc, char **argv)
{
	double until = now() + 2;
	pthread_t sender;
	int c, round;

	while ((c = getopt(argc, argv, "s:")) != -1) {
		if (c != 's')
			return EXIT_SETUP;
		until = now() + atof(optarg);
	}
	signal(SIGPIPE, SIG_IGN);
	raise_fd_limit();
	listener = tcp_listen("127.0.0.1", 0);
	port = local_port(listener);
	if (pthread_create(&sender, NULL, send_to_the_dead, NULL))
		die("pthread_create");
	for (round = 0; now() < until; round++) {
		while (n_live < LIVE)
			make(&live[n_live++]);
		for (int i = 0; i < n_live; i++)
			turn(&live[i]);
		/* before they die, and after; what is read twice counts twice */
		if (round % SEEN < 2) {
			look_up();
			count_reused();
		}
		let_die(round);
	}
	over = true;
	pthread_join(sender, NULL);
	for (int i = 0; i < n_live; i++) {
		turn(&live[i]);
		reset_and_close(live[i].fd[0]);
		reset_and_close(live[i].fd[1]);
	}
	for (int i = 0; i < n_orphans; i++)
		reset_and_close(orphan[i].fd[0]);
	printf("reuse made=%lu turns=%lu hopped=%lu to_dead=%lu reused=%ld\n", made, turns, hopped,
	       (unsigned long)to_dead, looked ? (long)reused : -1);
	return hopped > turns / 4 && (reused || !looked) ? 0 : EXIT_SETUP;
}
