// SPDX-License-Identifier: GPL-2.0-only
/*
 * guard_cost: what calls of strangers cost, in ns a call; run where nanoseconds are instructions (an emulator
 * that counts them) it is exact. For the splice guard, which every read and write of the host passes.
 *
 * guard_cost [-n CALLS]
 *   "guard_cost read=NS write=NS recv=NS read_socket=NS splice=NS"
 */
#include "sock.h"

static unsigned long calls = 20000;
static int file = -1, pair[2], pipes[2];
static char buf[64];

static void read_file(void)
{
	if (pread(file, buf, sizeof(buf), 0) != sizeof(buf))
		die("read");
}

static void write_file(void)
{
	if (pwrite(file, buf, sizeof(buf), 0) != sizeof(buf))
		die("write");
}

/* Nothing is there, so that TCP costs little. */
static void recv_socket(void)
{
	if (recv(pair[0], buf, sizeof(buf), MSG_DONTWAIT) >= 0)
		die("recv");
}

static void read_socket(void)
{
	if (read(pair[0], buf, sizeof(buf)) >= 0)
		die("read");
}

static void splice_socket(void)
{
	if (splice(pair[0], NULL, pipes[1], NULL, sizeof(buf), SPLICE_F_NONBLOCK) >= 0)
		die("splice");
}

static double cost(void (*call)(void))
{
	double start;

	for (int i = 0; i < 100; i++)
		call();
	start = now();
	for (unsigned long i = 0; i < calls; i++)
		call();
	return (now() - start) * 1e9 / calls;
}

int main(int argc, char **argv)
{
	char name[] = "/tmp/guard-cost-XXXXXX";
	int p[1][2];

	if (argc == 3 && !strcmp(argv[1], "-n"))
		calls = strtoul(argv[2], NULL, 0);
	file = mkstemp(name);
	if (file < 0 || unlink(name) || write(file, buf, sizeof(buf)) != sizeof(buf) ||
	    pipe2(pipes, O_NONBLOCK))
		die("set-up");
	tcp_pairs(p, 1);
	pair[0] = p[0][0];
	pair[1] = p[0][1];
	printf("guard_cost read=%.0f write=%.0f recv=%.0f read_socket=%.0f splice=%.0f\n", cost(read_file),
	       cost(write_file), cost(recv_socket), cost(read_socket), cost(splice_socket));
	return 0;
}
