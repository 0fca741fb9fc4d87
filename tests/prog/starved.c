// SPDX-License-Identifier: GPL-2.0-only
/*
 * starved: a receiver whose cgroup has hardly any memory left, and that does not read. What does the sender
 * see? On TCP nothing but windows that close: counts and EAGAIN.
 *
 * starved [-g FOLDER] [-n CONNECTIONS] [-z BYTES] [-t TCP_MEM]
 *   -g: a cgroup with a limit on memory, which the receiver enters: of v2 (memory.max; it fills that but for
 *   2 MB), or of v1 (memory.kmem.tcp.limit_in_bytes)
 *   -t: "LOW PRESSURE HIGH" for net.ipv4.tcp_mem, once all hop, until the end: it is the whole host's!
 * Then the receiver reads, and every byte must arrive.
 */
#include "pattern.h"
#include "process.h"

#include <sys/mman.h>
#include <sys/wait.h>

/* Of memory.max: no more than what must be free for a message to hop, enough for what TCP takes of 4. */
#define LEAVE (2 << 20)

struct flow {
	uint64_t sent, path;
	bool full;
};

static const char *folder, *tcp_mem;
static int size = 4096, n = 64;
static int to_parent[2], to_child[2];

static long cgroup_number(const char *file)
{
	char path[512], text[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return atol(text);
}

static void enter_cgroup(void)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	f = fopen(path, "w");
	if (!f || fprintf(f, "0\n") < 0 || fclose(f))
		die("enter %s", folder);
}

/* Writes what TCP may use on this host; returns what that was. */
static const char *set_tcp_mem(const char *text)
{
	static char old[64];
	int fd = open("/proc/sys/net/ipv4/tcp_mem", O_RDWR | O_CLOEXEC);

	if (fd < 0 || (!old[0] && read(fd, old, sizeof(old) - 1) <= 0) ||
	    pwrite(fd, text, strlen(text), 0) < 0)
		die("tcp_mem");
	close(fd);
	return old;
}

/* v2: memory of our own, up to LEAVE below the limit. */
static void take_memory(void)
{
	long max = cgroup_number("memory.max"), take = max - cgroup_number("memory.current") - LEAVE;

	if (max <= 0 || take <= 0)
		return;
	if (mmap(NULL, take, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) ==
	    MAP_FAILED)
		die("mmap");
}

static void say(int fd)
{
	if (write(fd, "x", 1) != 1)
		exit(EXIT_SETUP);
}

static void hear(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1) {
		fprintf(stderr, "the other process is gone\n");
		exit(EXIT_FAULT);
	}
}

/* Echoes until it is told to stop. */
static void echo(const int *fd)
{
	struct pollfd *p = calloc(n + 1, sizeof(*p));
	static char buf[4096];
	ssize_t r;

	for (int i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = fd[i], .events = POLLIN};
	p[n] = (struct pollfd){.fd = to_child[0], .events = POLLIN};
	while (poll(p, n + 1, -1) > 0 && !p[n].revents)
		for (int i = 0; i < n; i++)
			if (p[i].revents && (r = recv(fd[i], buf, sizeof(buf), 0)) > 0 &&
			    send_all(fd[i], buf, r, 5))
				exit(EXIT_FAULT);
	hear(to_child[0]);
	free(p);
}

/* Reads all to the end; a wrong byte is a fault. */
static int read_all(const int *fd)
{
	struct pollfd *p = calloc(n, sizeof(*p));
	uint64_t *got = calloc(n, sizeof(*got));
	static unsigned char buf[65536];
	int open = n;

	for (int i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = fd[i], .events = POLLIN};
	while (open && poll(p, n, 60000) > 0) {
		for (int i = 0; i < n; i++) {
			ssize_t r = p[i].revents ? recv(fd[i], buf, sizeof(buf), 0) : -1;

			if (!p[i].revents || (r < 0 && errno == EAGAIN))
				continue;
			if (r <= 0) {
				p[i].fd = -1;
				open--;
			} else if (pattern_check(i, 0, got[i], buf, r) >= 0) {
				fprintf(stderr, "wrong byte on connection %d\n", i);
				return EXIT_FAULT;
			} else {
				got[i] += r;
			}
		}
	}
	for (int i = 0; i < n; i++)
		if (write(to_parent[1], &got[i], sizeof(got[i])) != sizeof(got[i]))
			return EXIT_SETUP;
	return open ? EXIT_FAULT : 0;
}

static int receiver(int listener)
{
	int *fd = calloc(n, sizeof(*fd));

	if (folder)
		enter_cgroup();
	say(to_parent[1]);
	for (int i = 0; i < n; i++)
		fd[i] = tcp_accept_nonblock(listener);
	echo(fd);
	if (folder)
		take_memory();
	say(to_parent[1]);
	hear(to_child[0]);
	return read_all(fd);
}

static bool one_round(const int *fd)
{
	static char buf[RR_SIZE];
	bool hopped = true;

	for (int i = 0; i < n; i++) {
		uint64_t path = path_sent(fd[i]);

		if (send_all(fd[i], buf, sizeof(buf), 5) || recv_all(fd[i], buf, sizeof(buf), 5))
			die("round trip");
		hopped &= path == path_sent(fd[i]);
	}
	return hopped;
}

static void warm_up_apart(const int *fd)
{
	double until = now() + (on_plain() ? 0.5 : join_wait());
	int streak = 0;

	while (now() < until && streak < JOIN_STREAK)
		streak = one_round(fd) && !on_plain() ? streak + 1 : 0;
	if (!on_plain() && streak < JOIN_STREAK)
		exit(EXIT_NEVER_JOINED);
}

/* Sends until nothing is taken any more for 300 ms; counts errors other than EAGAIN. */
static int fill(const int *fd, struct flow *f)
{
	static unsigned char buf[1 << 20];
	double quiet = now() + 0.3;
	int errors = 0;

	while (now() < quiet) {
		for (int i = 0; i < n; i++) {
			ssize_t r;

			pattern_fill(i, 0, f[i].sent, buf, size);
			r = send(fd[i], buf, size, MSG_NOSIGNAL);
			if (r > 0) {
				f[i].sent += r;
				quiet = now() + 0.3;
			} else if (errno != EAGAIN && errors++ < 3) {
				fprintf(stderr, "send: %s\n", strerror(errno));
			}
		}
	}
	return errors;
}

int main(int argc, char **argv)
{
	int c, errors, status = 0, listener, *fd;
	uint64_t total = 0, hop = 0, got;
	struct flow *f;
	pid_t pid;

	while ((c = getopt(argc, argv, "g:n:t:z:")) != -1) {
		if (c == 'g')
			folder = optarg;
		else if (c == 'n')
			n = atoi(optarg);
		else if (c == 't')
			tcp_mem = optarg;
		else if (c == 'z')
			size = atoi(optarg);
		else
			return EXIT_SETUP;
	}
	signal(SIGPIPE, SIG_IGN);
	if (pipe(to_parent) || pipe(to_child))
		die("pipe");
	fd = calloc(n, sizeof(*fd));
	f = calloc(n, sizeof(*f));
	listener = tcp_listen("127.0.0.1", 0);
	pid = fork_with_us();
	if (!pid)
		_exit(receiver(listener));
	close(to_parent[1]); /* one that is killed is heard of */
	close(to_child[0]);
	hear(to_parent[0]);
	for (int i = 0; i < n; i++)
		fd[i] = tcp_connect_nonblock("127.0.0.1", local_port(listener));
	for (int i = 0; i < n; i++)
		set_int(fd[i], SOL_SOCKET, SO_SNDBUF, 65536); /* what waits there is not what this is about */
	warm_up_apart(fd);
	if (tcp_mem)
		tcp_mem = set_tcp_mem(tcp_mem);
	say(to_child[1]);
	hear(to_parent[0]);
	for (int i = 0; i < n; i++)
		f[i].path = path_sent(fd[i]);
	errors = fill(fd, f);
	for (int i = 0; i < n; i++) {
		total += f[i].sent;
		hop += f[i].sent - (path_sent(fd[i]) - f[i].path);
		shutdown(fd[i], SHUT_WR);
	}
	say(to_child[1]);
	for (int i = 0; i < n; i++) {
		if (read(to_parent[0], &got, sizeof(got)) != sizeof(got) || got != f[i].sent)
			errors++;
	}
	waitpid(pid, &status, 0);
	if (tcp_mem)
		set_tcp_mem(tcp_mem);
	printf("starved connections=%d total=%llu hop=%llu errors=%d receiver=%s:%d\n", n,
	       (unsigned long long)total, (unsigned long long)hop, errors,
	       WIFSIGNALED(status) ? "killed" : "ended",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return errors || status ? EXIT_FAULT : 0;
}
