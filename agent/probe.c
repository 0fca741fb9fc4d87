// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <linux/sock_diag.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "loopback.h"
#include "probe.h"
#include "util.h"
#include "probe.skel.h"

#define PROBE_MS 1000

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

static int probe_pair(struct probe_bpf *skel, struct probe *out, int client, int server)
{
	__u64 ck_client, ck_server, fd_client = client, fd_server = server;
	int map = bpf_map__fd(skel->maps.probe_socks), err;
	__u32 charge = 0;

	err = socket_cookie(client, &ck_client);
	if (!err)
		err = socket_cookie(server, &ck_server);
	if (!err && bpf_prog_attach(bpf_program__fd(skel->progs.probe_msg), map, BPF_SK_MSG_VERDICT, 0))
		err = -errno;
	if (err)
		return err;

	skel->bss->probe_insert = ck_server;
	err = run_iter(skel);
	if (err)
		return err;
	out->iter_insert = !skel->data->probe_insert_result;
	out->iter_setsockopt = !skel->data->probe_setsockopt_result;
	if (!out->iter_insert && bpf_map_update_elem(map, &ck_server, &fd_server, BPF_NOEXIST))
		return -errno;
	if (bpf_map_update_elem(map, &ck_client, &fd_client, BPF_NOEXIST))
		return -errno;

	out->fionread_tcp = fionread_after(client, server, 11, &charge) == 11;
	skel->bss->probe_target = ck_server;
	err = fionread_after(client, server, 13, &charge);
	out->hop = err >= 0;
	out->charged = out->hop && charge >= 13;
	out->fionread_hop = err == 13;
	out->splice = splice_works(client, server);
	return 0;
}

/* Runs in a child of its own, which has a network namespace of its own. */
static int probe_child(struct probe *out)
{
	struct probe_bpf *skel;
	int client = -1, server = -1, err;

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
		err = loopback_pair(&client, &server);
	if (!out->load && !err)
		err = probe_pair(skel, out, client, server);
	util__close(&client);
	util__close(&server);
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
		alarm(10); /* whatever a kernel may do to us, the caller gets an answer */
		libbpf_set_print(quiet);
		shared->err = probe_child(&shared->probe);
		shared->probe.kern_ctx = probe_kern_ctx();
		_exit(0);
	}
	err = pid < 0 ? -errno : 0;
	while (!err && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			err = -errno;
	if (!err)
		err = WIFEXITED(status) ? shared->err : -EIO;
	*out = shared->probe;
	munmap(shared, sizeof(*shared));
	return err;
}
