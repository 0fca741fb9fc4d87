// SPDX-License-Identifier: GPL-2.0-only
/*
 * lock_inflight: a hop that is in flight for as long as we like, while the other end leaves. The receiver's
 * own send() faults on a userfaultfd page while it holds its socket lock, so the sender's redirect sleeps in
 * lock_sock(receiver) with its verdict taken. Meanwhile COMMAND runs (a detach, a policy change), or the
 * receiver leaves in another way. Bytes that send() acknowledged must arrive.
 *
 * That takes an instance without the rule that such a message stays (HOP_FORCE_HELD).
 *
 * lock_inflight [-r] [-w MS] [-x COMMAND]      -w: how long the hop stays in flight (default 1500)
 * lock_inflight -n                             with the rule: the sender goes on at once, whichever call of
 *   the receiver has the lock
 *   -r: it is the receiver's recv() that faults, and its lock is free again while COMMAND runs, but the
 * sender's thread does not get to run (its CPU belongs to a real-time task); another thread sends on the same
 * sockets. Needs two CPUs.
 */
#include "fault.h"
#include "process.h"

#include <pthread.h>
#include <sys/wait.h>

#define RIVALS 20

struct call {
	int fd, cpu; /* -1: any */
	bool receives;
	void *data;
	size_t n;
	ssize_t ret;
	int err;
	_Atomic bool done;
};

static void *do_call(void *arg)
{
	struct call *c = arg;

	pin(c->cpu);
	c->ret = c->receives ? recv(c->fd, c->data, c->n, 0) : send(c->fd, c->data, c->n, MSG_NOSIGNAL);
	c->err = errno;
	c->done = true;
	return NULL;
}

static pid_t start_command(const char *cmd)
{
	pid_t pid = fork_with_us();

	if (!pid) {
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* Takes a CPU away from everybody else. The kernel would give it back for 5 % of each second. */
static pid_t hog(int cpu, int ms)
{
	struct sched_param prio = {.sched_priority = 1};
	double end = now() + ms * 1e-3;
	pid_t pid = fork_with_us();

	if (pid)
		return pid;
	pin(cpu);
	if (sched_setscheduler(0, SCHED_FIFO, &prio))
		die("SCHED_FIFO");
	while (now() < end)
		;
	_exit(0);
}

/*
 * The hop has its verdict, and nothing holds it but that its thread cannot run. All queues are empty, and
 * what another thread sends meanwhile, both ways, is read at once.
 */
static void talk_beside(const int pair[2], pid_t *pid, const char *cmd)
{
	char buf[8];

	if (cmd)
		*pid = start_command(cmd);
	for (int i = 0; i < RIVALS; i++) {
		if (send_all(pair[0], "there", 5, 1) || recv_all(pair[1], buf, 5, 1) ||
		    memcmp(buf, "there", 5) || send_all(pair[1], "back", 4, 1) ||
		    recv_all(pair[0], buf, 4, 1))
			die("what the other thread sends");
		msleep(30);
	}
}

/*
 * The receiver is inside recv() or send() and holds its lock for as long as nobody serves its page fault;
 * the sender is to notice nothing of that.
 */
static void nobody_waits(bool receives)
{
	struct call holder = {.n = 8, .cpu = -1, .receives = receives};
	struct call sender = {.data = "INFLIGHT", .n = 8, .cpu = -1};
	int pair[2], uffd, stuck;
	char buf[16] = "";
	pthread_t t[2];
	double start;

	holder.data = faulting_page(&uffd);
	member_pair(pair);
	holder.fd = pair[1];
	if (receives && send_all(pair[0], "for page", 8, 1))
		die("send");
	pthread_create(&t[0], NULL, do_call, &holder);
	if (!wait_for(uffd, POLLIN, 2000))
		die("no page fault");
	sender.fd = pair[0];
	start = now();
	pthread_create(&t[1], NULL, do_call, &sender);
	while (!sender.done && now() < start + 1)
		msleep(1);
	stuck = !sender.done;
	fill_page(uffd, holder.data);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	printf("lock_inflight holder=%s stuck=%d sent=%zd:%s\n", receives ? "recv" : "send", stuck,
	       sender.ret, err_name(sender.ret < 0 ? sender.err : 0));
	if (stuck || sender.ret != 8 || recv_all(pair[1], buf, 8, 2) || memcmp(buf, "INFLIGHT", 8))
		exit(EXIT_FAULT);
	if (!receives && recv_all(pair[0], buf, 8, 2))
		exit(EXIT_FAULT);
	if (round_trip(pair[0], pair[1], 64))
		exit(EXIT_FAULT);
}

int main(int argc, char **argv)
{
	struct call recv_side = {.n = 100, .cpu = -1}, send_side = {.data = "INFLIGHT", .n = 8, .cpu = -1};
	bool rival = false;
	pid_t hogging = -1;
	int c, pair[2], uffd, ms = 1500, status = 0, err, stuck, lost, hopped;
	const char *cmd = NULL;
	char buf[16] = "", back[100] = "";
	pthread_t t[2];
	pid_t pid = -1;
	uint64_t path;
	void *page;

	while ((c = getopt(argc, argv, "nrw:x:")) != -1) {
		if (c == 'n') {
			nobody_waits(true);
			nobody_waits(false);
			return 0;
		} else if (c == 'w')
			ms = atoi(optarg);
		else if (c == 'x')
			cmd = optarg;
		else if (c == 'r')
			rival = true;
		else
			return EXIT_SETUP;
	}
	if (rival) {
		pin(0); /* and the command */
		send_side.cpu = 1;
	}
	page = faulting_page(&uffd);
	member_pair(pair);
	recv_side.fd = pair[1];
	recv_side.receives = rival;
	recv_side.data = page;
	send_side.fd = pair[0];
	if (rival &&
	    send_all(pair[0], back, sizeof(back), 1)) /* for t[0] to read: it has sent nothing itself */
		die("send");
	pthread_create(&t[0], NULL, do_call, &recv_side);
	wait_for(uffd, POLLIN, 2000); /* it has faulted: its socket lock is held */
	path = path_sent(pair[0]);
	pthread_create(&t[1], NULL, do_call, &send_side);
	msleep(100);
	stuck = !send_side.done;
	if (rival) {
		hogging = hog(1, 900);
		msleep(50);
		fill_page(uffd, page);
		pthread_join(t[0], NULL);
		stuck = !send_side.done;
		talk_beside(pair, &pid, cmd);
	} else {
		if (cmd)
			pid = start_command(cmd);
		msleep(ms);
		fill_page(uffd, page);
		pthread_join(t[0], NULL);
	}
	pthread_join(t[1], NULL);
	if (hogging > 0)
		waitpid(hogging, NULL, 0);
	hopped = path_sent(pair[0]) - path <=
		 (rival ? 5 * RIVALS : 0); /* while it lasted nothing else could */

	err = recv_all(pair[1], buf, 8, 2);
	lost = send_side.ret == 8 && (err || memcmp(buf, "INFLIGHT", 8));
	if (!err && !rival)
		err = recv_all(pair[0], back, sizeof(back), 2);
	if (pid > 0)
		waitpid(pid, &status, 0);
	printf("lock_inflight stuck=%d hopped=%d sent=%zd:%s received=%s lost=%d command=%d after=%s\n",
	       stuck, hopped, send_side.ret, err_name(send_side.ret < 0 ? send_side.err : 0), err_name(err),
	       lost, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
	       round_trip(pair[0], pair[1], 64) ? "BAD" : "ok");
	return lost || err || send_side.ret != 8 || (!on_plain() && !stuck);
}
