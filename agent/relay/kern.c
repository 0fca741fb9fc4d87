// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kern.h"
#include "agent/lib/util.h"
#include "relay.skel.h"

struct relay_kern {
	struct relay_bpf *skel;
	struct bpf_link *leave; /* iter/tcp */
	struct relay_walk *walk;
	bool leaving; /* a leave pass is under way */
	struct ring_buffer *ring;
	struct relay_ep *eps; /* mmap()ed */
	size_t eps_size;
	int from, to, slots;
	int *free; /* stack of even slots; from its end, those that were released during a leave pass */
	unsigned int n_free, n_kept, pairs;
	uint64_t *cookies; /* by slot */
	void **owners;	   /* by slot / 2 */
	void (*fn)(const struct relay_ev *ev, void *arg);
	void *arg;
};

int relay_received(int fd, uint64_t *received, bool *closed)
{
	struct tcp_info ti;
	socklen_t len = sizeof(ti);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len))
		return -errno;
	*received = ti.tcpi_bytes_received;
	*closed = ti.tcpi_state == BPF_TCP_CLOSE;
	return 0;
}

static int acked(int fd, uint64_t *bytes)
{
	struct tcp_info ti;
	socklen_t len = sizeof(ti);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len))
		return -errno;
	*bytes = ti.tcpi_bytes_acked;
	return 0;
}

int relay_written(int fd, uint64_t *written)
{
	uint64_t before, after;
	int queued, err;

	err = acked(fd, &after);
	do {
		before = after;
		if (!err && ioctl(fd, SIOCOUTQ, &queued))
			err = -errno;
		if (!err)
			err = acked(fd, &after);
	} while (!err && before != after);
	if (!err)
		*written = after + queued;
	return err;
}

static int on_ring(void *ctx, void *data, size_t size)
{
	struct relay_kern *k = ctx;

	if (size >= sizeof(struct relay_ev) && k->fn)
		k->fn(data, k->arg);
	return 0;
}

static int set_sizes(struct relay_bpf *s, unsigned int n)
{
	int err = bpf_map__set_max_entries(s->maps.from, n);

	err = err ?: bpf_map__set_max_entries(s->maps.to, n);
	err = err ?: bpf_map__set_max_entries(s->maps.slots, n);
	return err ?: bpf_map__set_max_entries(s->maps.eps, n);
}

static int load(struct relay_kern *k, unsigned int n)
{
	struct relay_bpf *s = relay_bpf__open();
	int err;

	if (!s)
		return -errno;
	k->skel = s;
	s->rodata->conf = (struct relay_conf_bpf){.turn_limit = RELAY_TURN_LARGE,
						  .turn_pause = RELAY_TURN_PAUSE,
						  .limit = RELAY_BACKLOG,
						  .leave_limit = RELAY_BACKLOG_LEAVE,
						  .burst_limit = RELAY_BACKLOG_SEGMENTS};
	err = set_sizes(s, n);
	err = err ?: relay_bpf__load(s);
	if (err)
		return err;
	k->from = bpf_map__fd(s->maps.from);
	k->to = bpf_map__fd(s->maps.to);
	k->slots = bpf_map__fd(s->maps.slots);
	err = bpf_prog_attach(bpf_program__fd(s->progs.relay_verdict), k->from, BPF_SK_SKB_STREAM_VERDICT, 0);
	if (err)
		return -errno;
	k->leave = bpf_program__attach_iter(s->progs.relay_leave, NULL);
	return k->leave ? 0 : -errno;
}

static int set_up(struct relay_kern *k, unsigned int n)
{
	void *mem;

	k->ring = ring_buffer__new(bpf_map__fd(k->skel->maps.events), on_ring, k, NULL);
	k->free = calloc(n / 2, sizeof(*k->free));
	k->cookies = calloc(n, sizeof(*k->cookies));
	k->owners = calloc(n / 2, sizeof(*k->owners));
	if (!k->ring || !k->free || !k->cookies || !k->owners)
		return -ENOMEM;
	for (unsigned int i = n; i >= 2; i -= 2)
		k->free[k->n_free++] = i - 2;
	k->pairs = n / 2;
	k->eps_size = n * sizeof(struct relay_ep);
	mem = mmap(NULL, k->eps_size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(k->skel->maps.eps), 0);
	if (mem == MAP_FAILED)
		return -errno;
	k->eps = mem;
	return 0;
}

static int quiet_print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (log_level < 2 || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, fmt, ap);
}

/*
 * What the programs need and this kernel has not, NULL if nothing: asked before they are loaded, for the
 * verifier only says EINVAL. Without bpf_cast_to_kern_ctx() the verdict cannot see sequence numbers, and
 * bytes that come twice would be forwarded twice.
 */
static const char *kernel_lacks(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const char *lacks = NULL;

	if (!btf)
		return "the kernel has no BTF, /sys/kernel/btf/vmlinux";
	if (btf__find_by_name_kind(btf, "bpf_cast_to_kern_ctx", BTF_KIND_FUNC) < 0)
		lacks = "the kernel has no bpf_cast_to_kern_ctx(), which came with Linux 6.2";
	btf__free(btf);
	return lacks;
}

static int load_quietly(struct relay_kern *k, unsigned int n, const char **why)
{
	/* the caller says what a failure means; libbpf's own words only help with -vv */
	libbpf_print_fn_t print = libbpf_set_print(quiet_print);
	int err = 0;

	*why = kernel_lacks();
	if (*why)
		err = -EOPNOTSUPP;
	err = err ?: load(k, n);
	libbpf_set_print(print);
	return err;
}

int relay_kern_open(struct relay_kern **out, unsigned int pairs, struct relay_walk *walk, const char **why)
{
	struct relay_kern *k = calloc(1, sizeof(*k));
	int err;

	*why = NULL;
	if (!k) {
		*why = strerror(ENOMEM);
		return -ENOMEM;
	}
	k->walk = walk;
	err = load_quietly(k, pairs * 2, why);
	err = err ?: set_up(k, pairs * 2);
	if (err) {
		if (!*why)
			*why = strerror(-err);
		relay_kern_close(k);
		return err;
	}
	*out = k;
	return 0;
}

void relay_kern_close(struct relay_kern *k)
{
	if (!k)
		return;
	if (k->eps)
		munmap(k->eps, k->eps_size);
	ring_buffer__free(k->ring);
	bpf_link__destroy(k->leave);
	relay_bpf__destroy(k->skel);
	free(k->free);
	free(k->cookies);
	free(k->owners);
	free(k);
}

struct relay_ep *relay_kern_ep(const struct relay_kern *k, int slot)
{
	return &k->eps[slot];
}

static int add_one(struct relay_kern *k, int fd, __u32 slot)
{
	socklen_t len = sizeof(uint64_t);
	uint64_t value = fd;

	memset(&k->eps[slot], 0, sizeof(k->eps[slot]));
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &k->cookies[slot], &len) ||
	    bpf_map_update_elem(k->slots, &k->cookies[slot], &slot, BPF_ANY) ||
	    bpf_map_update_elem(k->to, &slot, &value, BPF_NOEXIST))
		return -errno;
	return 0;
}

int relay_kern_add(struct relay_kern *k, int a, int b, void *owner)
{
	int slot, err;

	if (!k->n_free)
		return -ENOSPC;
	slot = k->free[--k->n_free];
	err = add_one(k, a, slot);
	err = err ?: add_one(k, b, slot + 1);
	if (err) {
		/* nothing is lost: without a program on the map, the psocks are empty */
		bpf_map_delete_elem(k->to, &(__u32){slot});
		relay_kern_release(k, slot);
		return err;
	}
	k->owners[slot / 2] = owner;
	return slot;
}

void relay_kern_release(struct relay_kern *k, int slot)
{
	bpf_map_delete_elem(k->slots, &k->cookies[slot]);
	bpf_map_delete_elem(k->slots, &k->cookies[slot + 1]);
	k->owners[slot / 2] = NULL;
	if (k->leaving)
		k->free[k->pairs - ++k->n_kept] = slot;
	else
		k->free[k->n_free++] = slot;
}

void *relay_kern_owner(const struct relay_kern *k, int slot)
{
	return k->owners[slot / 2];
}

int relay_kern_enter(struct relay_kern *k, int slot, int fd)
{
	struct relay_ep *ep = &k->eps[slot];
	uint64_t value = fd;
	__u32 key = slot;

	ep->leave = 0;
	__atomic_store_n(&ep->enter, ep->enter + 1, __ATOMIC_RELEASE);
	return bpf_map_update_elem(k->from, &key, &value, BPF_NOEXIST) ? -errno : 0;
}

int relay_kern_kick(int fd)
{
	char byte;

	/* a peek, for it may return a byte that the verdict has left to user space */
	if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno == EAGAIN || errno == EINTR)
		return 0;
	return -errno;
}

int relay_kern_leave_begin(struct relay_kern *k)
{
	int err = relay_walk_begin(k->walk, bpf_link__fd(k->leave), RELAY_WALK_LEAVE);

	k->leaving |= !err;
	return err;
}

void relay_kern_leave_end(struct relay_kern *k)
{
	k->leaving = false;
	for (; k->n_kept; k->n_kept--)
		k->free[k->n_free++] = k->free[k->pairs - k->n_kept];
}

int relay_kern_ring_fd(const struct relay_kern *k)
{
	return ring_buffer__epoll_fd(k->ring);
}

void relay_kern_ring_consume(struct relay_kern *k, void (*fn)(const struct relay_ev *ev, void *arg),
			     void *arg)
{
	k->fn = fn;
	k->arg = arg;
	ring_buffer__consume(k->ring);
}

uint64_t relay_kern_events_lost(const struct relay_kern *k)
{
	return k->skel->bss->events_lost;
}
