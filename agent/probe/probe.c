// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <linux/sock_diag.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "probe.h"
#include "loopback.h"
#include "agent/lib/util.h"
#include "probe.skel.h"

#define PROBE_MS      1000
#define PROBE_TRIES   20
#define PROBE_SECONDS 40 /* for all: an emulated machine that boots has taken more than 10 */

/* sk_rmem_alloc: bytes charged to the socket as a receiver. */
static __u32 rmem_alloc(int fd)
{
	__u32 info[SK_MEMINFO_VARS] = {};
	socklen_t len = sizeof(info);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) ? 0 : info[SK_MEMINFO_RMEM_ALLOC];
}

/* Send n bytes a -> b, wait for them, and return what FIONREAD says and what b is charged; then read them
 * away. */
static int fionread_after(int a, int b, int n, __u32 *charge)
{
	struct pollfd pfd = {.fd = b, .events = POLLIN};
	int bytes = -1, left = n;
	char buf[64] = {};

	if (send(a, buf, n, MSG_NOSIGNAL) != n || poll(&pfd, 1, PROBE_MS) != 1)
		return -1;
	if (ioctl(b, FIONREAD, &bytes))
		bytes = -1;
	*charge = rmem_alloc(b);
	while (left > 0) {
		ssize_t r = recv(b, buf, left, MSG_DONTWAIT);

		if (r <= 0 && (errno != EAGAIN || poll(&pfd, 1, PROBE_MS) != 1))
			return -1;
		left -= r > 0 ? r : 0;
	}
	return bytes;
}

static bool splice_works(int a, int b)
{
	int p[2];
	bool ok = false;
	struct pollfd pfd = {.fd = b, .events = POLLIN};

	/* tcp_splice_read() goes by the file's flags; with SPLICE_F_NONBLOCK alone it would sleep for ever */
	if (fcntl(b, F_SETFL, O_NONBLOCK) || pipe2(p, O_CLOEXEC | O_NONBLOCK))
		return false;
	if (send(a, "splice", 6, MSG_NOSIGNAL) == 6 && poll(&pfd, 1, PROBE_MS) == 1)
		ok = splice(b, NULL, p[1], NULL, 6, SPLICE_F_NONBLOCK) == 6;
	close(p[0]);
	close(p[1]);
	return ok;
}

static int socket_cookie(int fd, __u64 *cookie)
{
	socklen_t len = sizeof(*cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &len) ? -errno : 0;
}

static int run_iter(struct probe_bpf *skel)
{
	struct bpf_link *link = bpf_program__attach_iter(skel->progs.probe_iter, NULL);
	_cleanup_close_ int fd = -1;
	char buf[64];
	int err = 0;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		err = -errno;
	while (!err && read(fd, buf, sizeof(buf)) > 0)
		;
	bpf_link__destroy(link);
	return err;
}

/* Put both into the sockhash, the server by the iterator where that works. */
static int insert_pair(struct probe_bpf *skel, struct probe *out, int client, int server)
{
	__u64 ck_client, ck_server, fd_client = client, fd_server = server;
	int map = bpf_map__fd(skel->maps.probe_socks), err;

	err = socket_cookie(client, &ck_client);
	if (!err)
		err = socket_cookie(server, &ck_server);
	if (err)
		return err;
	skel->bss->probe_insert = ck_server;
	skel->bss->probe_inserted = false;
	err = run_iter(skel);
	if (err)
		return err;
	skel->bss->probe_inserted = true;
	out->iter_insert = !skel->data->probe_insert_result;
	out->iter_setsockopt = !skel->data->probe_setsockopt_result;
	if (!out->iter_insert && bpf_map_update_elem(map, &ck_server, &fd_server, BPF_NOEXIST))
		return -errno;
	return bpf_map_update_elem(map, &ck_client, &fd_client, BPF_NOEXIST) ? -errno : 0;
}

/*
 * 5 bytes hop and 7 come by TCP behind them: does FIONREAD count all, and does one recv() give all? *all says
 * the latter. (The 7 may take a moment.)
 */
static bool fionread_mixed(struct probe_bpf *skel, int a, int b, bool *all)
{
	struct pollfd pfd = {.fd = b, .events = POLLIN};
	int bytes = -1, got = 0;
	char buf[64] = {};

	*all = false;
	skel->bss->probe_target = skel->bss->probe_insert;
	if (send(a, buf, 5, MSG_NOSIGNAL) != 5)
		return false;
	skel->bss->probe_target = 0;
	if (send(a, buf, 7, MSG_NOSIGNAL) != 7)
		return false;
	for (int i = 0; i < PROBE_TRIES && bytes != 12; i++) {
		poll(NULL, 0, i ? PROBE_MS / PROBE_TRIES : 0);
		if (ioctl(b, FIONREAD, &bytes))
			bytes = -1;
	}
	while (got < 12 && poll(&pfd, 1, PROBE_MS) == 1) {
		ssize_t r = recv(b, buf, sizeof(buf), MSG_DONTWAIT);

		if (r <= 0)
			break;
		*all = r == 12;
		got += r;
	}
	return bytes == 12;
}

/* A hop moves copied_seq, which counts TCP bytes: such a kernel's verdict program breaks the order rule. */
static bool hop_is_counted(struct probe_bpf *skel, int client, int server)
{
	__u32 before, charge;
	bool counted;

	if (run_iter(skel))
		return true;
	before = skel->bss->probe_copied;
	skel->bss->probe_target = skel->bss->probe_insert;
	counted = fionread_after(client, server, 13, &charge) < 0 || run_iter(skel) ||
		  skel->bss->probe_copied != before;
	skel->bss->probe_target = 0;
	return counted;
}

/* A member whose stream cannot be kept whole must be reset. The last question: it ends the connection. */
static bool can_reset(struct probe_bpf *skel, int server)
{
	char buf[64];
	int err;

	skel->bss->probe_reset = true;
	err = run_iter(skel);
	skel->bss->probe_reset = false;
	while (!err && recv(server, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		; /* what splice_works() has left */
	return !err && errno == ECONNABORTED;
}

/* What readers of members see, with or without the stream verdict program on the sockhash. */
static int probe_pair(struct probe_bpf *skel, struct probe *out, bool verdict)
{
	_cleanup_close_ int client = -1, server = -1;
	int err = loopback_pair(&client, &server);
	__u32 charge = 0;
	bool all;

	if (!err)
		err = insert_pair(skel, out, client, server);
	if (err)
		return err;
	out->fionread_tcp = fionread_after(client, server, 11, &charge) == 11;
	skel->bss->probe_target = skel->bss->probe_insert;
	err = fionread_after(client, server, 13, &charge);
	skel->bss->probe_target = 0;
	out->hop = err >= 0;
	out->charged = out->hop && charge >= 13;
	out->fionread_hop = err == 13;
	if (!out->hop)
		return 0;
	out->one_queue = verdict && !hop_is_counted(skel, client, server);
	out->fionread_tcp &= fionread_mixed(skel, client, server, &all);
	out->one_queue &= all;
	skel->bss->probe_target = skel->bss->probe_insert;
	out->splice = splice_works(client, server);
	skel->bss->probe_target = 0;
	out->one_queue = out->one_queue && can_reset(skel, server);
	return 0;
}

/* With the stream verdict program where it can be used, since that is the profile then, else without. */
static int probe_profiles(struct probe_bpf *skel, struct probe *out)
{
	int map = bpf_map__fd(skel->maps.probe_socks), verdict = bpf_program__fd(skel->progs.probe_verdict);
	int err = 0;

	if (bpf_prog_attach(bpf_program__fd(skel->progs.probe_msg), map, BPF_SK_MSG_VERDICT, 0))
		return -errno;
	if (out->kern_ctx && !bpf_prog_attach(verdict, map, BPF_SK_SKB_STREAM_VERDICT, 0)) {
		err = probe_pair(skel, out, true);
		if (!err && out->one_queue)
			return 0;
		if (bpf_prog_detach2(verdict, map, BPF_SK_SKB_STREAM_VERDICT))
			return -errno;
	}
	return probe_pair(skel, out, false);
}

/* Runs in a child of its own, which has a network namespace of its own. */
static int probe_child(struct probe *out)
{
	struct probe_bpf *skel;
	int err;

	if (unshare(CLONE_NEWNET))
		return -errno;
	err = loopback_up();
	if (err)
		return err;
	skel = probe_bpf__open();
	if (!skel)
		return -errno;
	bpf_program__set_autoload(skel->progs.probe_kern_ctx, false);
	out->load = probe_bpf__load(skel);
	if (!out->load)
		err = probe_profiles(skel, out);
	probe_bpf__destroy(skel);
	return err;
}

/* Whether a program loads cannot be asked of a skeleton that must load as a whole. */
static bool probe_kern_ctx(void)
{
	struct probe_bpf *skel = probe_bpf__open();
	bool ok;

	if (!skel)
		return false;
	bpf_program__set_autoload(skel->progs.probe_msg, false);
	bpf_program__set_autoload(skel->progs.probe_iter, false);
	bpf_program__set_autoload(skel->progs.probe_verdict, false);
	ok = !probe_bpf__load(skel);
	probe_bpf__destroy(skel);
	return ok;
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (log_level < 2 || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, fmt, ap);
}

int probe_kernel(struct probe *out)
{
	struct {
		struct probe probe;
		int err;
	} * shared;
	int status = 0, err;
	pid_t pid;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return -errno;
	pid = fork();
	if (pid == 0) {
		alarm(PROBE_SECONDS); /* whatever a kernel may do to us, the caller gets an answer */
		libbpf_set_print(quiet);
		shared->probe.kern_ctx = probe_kern_ctx();
		shared->err = probe_child(&shared->probe);
		_exit(0);
	}
	err = pid < 0 ? -errno : 0;
	while (!err && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			err = -errno;
	if (!err)
		err = WIFEXITED(status) ? shared->err : WTERMSIG(status) == SIGALRM ? -ETIMEDOUT : -EIO;
	*out = shared->probe;
	munmap(shared, sizeof(*shared));
	return err;
}
