// SPDX-License-Identifier: GPL-2.0-only
/*
 * backpressure: a non-blocking sender against a reader that sleeps. It must see EAGAIN within a bounded
 * number of bytes and of kernel memory; when the reader drains, POLLOUT must return and every byte must
 * arrive, in order.
 *
 * backpressure [-z SIZE] [-n PAIRS] [-m MAX_BYTES] [-k MAX_KMEM] [-c MAX_MESSAGES] [-r RCVBUF]
 *   -m, -k: bytes taken per pair and kernel memory growth (bytes, all pairs) above which it fails
 *   -c: stop sending after so many messages per pair (a flood that plain TCP would coalesce)
 */
#include "sock.h"
#include "pattern.h"

struct flow {
	uint64_t tx, rx, base;
	long messages;
	bool full;
};

static size_t size = 4096;
static long max_messages = -1;
static int faults;

/* Unreclaimable slab plus TCP's socket memory, in bytes. The whole host's: other load makes it noisy. */
static long kernel_memory(void)
{
	long kb, pages, total = 0;
	char line[256];
	FILE *f;

	f = fopen("/proc/meminfo", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SUnreclaim: %ld", &kb) == 1)
			total += kb * 1024;
	if (f)
		fclose(f);
	f = fopen("/proc/net/sockstat", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "TCP: inuse %*d orphan %*d tw %*d alloc %*d mem %ld", &pages) == 1)
			total += pages * sysconf(_SC_PAGESIZE);
	if (f)
		fclose(f);
	return total;
}

/* Sends messages until the socket is full or the limit is reached; false when it failed. */
static bool push(int fd, int id, struct flow *f, long limit)
{
	static unsigned char b[1 << 20];
	ssize_t r;

	while (limit < 0 || f->messages < limit) {
		pattern_fill(id, 0, f->tx, b, size);
		r = send(fd, b, size, MSG_NOSIGNAL);
		if (r < 0) {
			f->full = errno == EAGAIN;
			if (!f->full) {
				fprintf(stderr, "send: %s\n", strerror(errno));
				faults++;
			}
			return f->full;
		}
		f->tx += r;
		f->messages++;
	}
	return true;
}

/* Pushes until nothing was taken for 50 ms. */
static void fill(int fd, int id, struct flow *f)
{
	uint64_t before;

	do {
		before = f->tx;
		if (!push(fd, id, f, max_messages))
			return;
	} while ((f->tx != before || !f->full) && f->full && wait_for(fd, POLLOUT, 50));
}

static bool pull(int fd, int id, struct flow *f)
{
	static unsigned char b[16384];
	ssize_t r = recv(fd, b, sizeof(b), 0), k;

	if (r <= 0) {
		if (!r || errno != EAGAIN) {
			fprintf(stderr, "recv: %s\n", r ? strerror(errno) : "end of stream");
			faults++;
		}
		return false;
	}
	k = pattern_check(id, 0, f->rx, b, r);
	if (k >= 0) {
		pattern_blame(id, 0, f->rx + k, b + k, r - k);
		faults++;
		return false;
	}
	f->rx += r;
	return true;
}

/* Drains; says how long it took until the sender was writable again; goes on sending meanwhile. */
static double drain(int a, int b, int id, struct flow *f)
{
	double start = now(), writable = -1;
	long more = f->messages + 200;

	while (now() < start + 10 && !faults) {
		bool got = pull(b, id, f);

		if (writable < 0 && wait_for(a, POLLOUT, 0))
			writable = now() - start;
		if (writable >= 0 && f->messages < more)
			push(a, id, f, more);
		if (!got && f->rx == f->tx && f->messages >= more)
			break;
		if (!got)
			wait_for(b, POLLIN, 50);
	}
	if (f->rx != f->tx) {
		fprintf(stderr, "FAULT connection %d: sent %llu, received %llu\n", id,
			(unsigned long long)f->tx, (unsigned long long)f->rx);
		faults++;
	}
	return writable < 0 ? 99 : writable;
}

int main(int argc, char **argv)
{
	long kmem, growth, max_kmem = 0, max_bytes = 0;
	uint64_t taken = 0, total = 0, hop = 0;
	int c, i, full = 0, rcvbuf = 0, n = 1;
	double t, slowest = 0;
	int(*pair)[2];
	struct flow *f;

	while ((c = getopt(argc, argv, "z:n:m:k:c:r:")) != -1) {
		long v = optarg ? atol(optarg) : 0;

		if (c == 'z')
			size = v;
		else if (c == 'n')
			n = v;
		else if (c == 'm')
			max_bytes = v;
		else if (c == 'k')
			max_kmem = v;
		else if (c == 'c')
			max_messages = v;
		else if (c == 'r')
			rcvbuf = v;
		else
			return EXIT_SETUP;
	}
	raise_fd_limit();
	pair = calloc(n, sizeof(*pair));
	f = calloc(n, sizeof(*f));
	tcp_pairs(pair, n);
	for (i = 0; i < n && rcvbuf; i++)
		set_int(pair[i][1], SOL_SOCKET, SO_RCVBUF, rcvbuf);
	warm_up_all(pair, n);
	kmem = kernel_memory();
	for (i = 0; i < n; i++) {
		f[i].base = path_sent(pair[i][0]);
		fill(pair[i][0], i, &f[i]);
		full += f[i].full;
		total += f[i].tx;
		hop += f[i].tx - (path_sent(pair[i][0]) - f[i].base);
		if (f[i].tx > taken)
			taken = f[i].tx;
	}
	growth = kernel_memory() - kmem;
	for (i = 0; i < n; i++) {
		t = drain(pair[i][0], pair[i][1], i, &f[i]);
		if (f[i].full && t > slowest)
			slowest = t;
	}
	printf("backpressure pairs=%d size=%zu eagain=%d max_taken=%llu total=%llu hop=%llu kmem_growth=%ld "
	       "kmem_per_pair=%ld pollout_s=%.3f faults=%d\n",
	       n, size, full, (unsigned long long)taken, (unsigned long long)total, (unsigned long long)hop,
	       growth, growth / n, slowest, faults);
	if (faults || (max_messages < 0 && full != n) || slowest > 2)
		return EXIT_FAULT;
	if ((max_bytes && (long)taken > max_bytes) || (max_kmem && growth > max_kmem))
		return EXIT_FAULT;
	return 0;
}
