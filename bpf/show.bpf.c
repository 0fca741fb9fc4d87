// SPDX-License-Identifier: GPL-2.0-only
/*
 * show.bpf.c: what user space reads: a record per socket (`list`), a record per process that holds a
 * registered socket (the program veto), the keys of a relay's sockets, and an event when a program starts in
 * an attached cgroup.
 */
#include "end.h"
#include "ksock.h"

static __always_inline void show_sock(struct hop_show *s, struct sock *sk)
{
	struct tcp_sock *tp = (void *)sk;

	sock_tuple(sk, &s->tuple);
	s->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	s->netns = sock_netns(sk);
	s->tcp_state = BPF_CORE_READ(sk, __sk_common.skc_state);
	s->segs = BPF_CORE_READ(tp, data_segs_in) + BPF_CORE_READ(tp, data_segs_out);
	s->bytes = BPF_CORE_READ(tp, bytes_received) + BPF_CORE_READ(tp, bytes_acked);
	s->cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
}

static __always_inline void show_end(struct hop_show *s, struct hop_sock *st)
{
	struct hop_end *self = NULL;

	s->peer_cookie = st->peer_cookie;
	s->why = st->why;
	s->last_stay = st->last_stay;
	s->hops = st->hops;
	s->hop_bytes = st->hop_bytes;
	s->stays = st->stays;
	s->relay = st->relay;
	s->relay_tag = st->relay_tag;
	s->places = st->places;
	s->state = st->state;
	if (!hop_registered(st->state))
		return;
	struct hop_key key = st->self;

	self = bpf_map_lookup_elem(&ends, &key);
	if (!self || self->cookie != st->cookie)
		return;
	s->end_flags = self->flags;
	if (!s->peer_cookie) { /* not joined yet: name the peer if it is known */
		struct hop_end *peer;

		key = st->peer;
		peer = bpf_map_lookup_elem(&ends, &key);
		if (peer && peer->cookie != st->cookie)
			s->peer_cookie = peer->cookie;
	}
}

/*
 * One registered end, of whatever network namespace: user space walks `ends` and asks for each of its keys by
 * BPF_PROG_TEST_RUN. It takes no socket lock. Returns 0 if ctx->show is filled in, 1 if that end is gone. (An
 * iterator over `socks` would do it in one go, but some hosts refuse iter/bpf_sk_storage_map with EPERM, as
 * they do the other iterators over the elements of a map.)
 */
SEC("syscall")
int hop_show_end(struct hop_show_call *ctx)
{
	struct hop_key key = ctx->key;
	struct hop_end *e = bpf_map_lookup_elem(&ends, &key);
	struct hop_show s = {};
	struct hop_sock st;

	if (!e || bpf_probe_read_kernel(&st, sizeof(st), (void *)(long)e->st) || st.cookie != e->cookie)
		return 1;
	show_sock(&s, (struct sock *)(long)e->sk);
	/* memory that was freed keeps its cookie until it is used again; a socket is closed before it goes */
	if (s.cookie != st.cookie || s.tcp_state == BPF_TCP_CLOSE)
		return 1;
	show_end(&s, &st);
	ctx->show = s;
	return 0;
}

/* All established TCP sockets of the attached cgroups in one network namespace. */
SEC("iter/tcp")
int hop_show_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct seq_file *seq = ctx->meta->seq;
	struct hop_show s = {};
	struct hop_sock *st;
	struct tcp_sock *tp;

	if (!skc || skc->skc_state != BPF_TCP_ESTABLISHED)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp || sock_cgroup_attached((struct sock *)tp) < 0)
		return 0;
	show_sock(&s, (struct sock *)tp);
	s.cookie = bpf_get_socket_cookie(tp); /* assigns one if there is none yet */
	s.why = HOP_WHY_YOUNG;
	st = bpf_sk_storage_get(&socks, tp, 0, 0);
	if (st)
		show_end(&s, st);
	bpf_seq_write(seq, &s, sizeof(s));
	return 0;
}

/* Did this process make the socket, and is it still the same program with the same credentials? */
static __always_inline void made_by(struct hop_holder *h, struct task_struct *leader, struct file *file)
{
	const struct cred *cred = BPF_CORE_READ(file, f_cred);

	if (BPF_CORE_READ(leader, real_cred) != cred)
		return;
	h->cred = (__u64)(long)cred;
	h->task = (__u64)(long)leader;
	h->start = BPF_CORE_READ(leader, start_time);
}

/* Who holds the registered sockets (not those of members with HOP_MODE_JOINS): one record per (process,
 * socket). */
SEC("iter/task_file")
int hop_holders(struct bpf_iter__task_file *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct hop_holder h = {};
	struct hop_sock *st;
	struct socket *sock;

	if (!task || !file)
		return 0;
	sock = bpf_sock_from_file(file);
	if (!sock || !sock->sk)
		return 0;
	st = bpf_sk_storage_get(&socks, sock->sk, 0, 0);
	if (!st || !hop_registered(st->state))
		return 0;
	if (hop_in(st->state) && st->gen == cfg.policy_gen && pass_mode() & HOP_MODE_JOINS)
		return 0;
	h.cookie = st->cookie;
	h.pid = task->tgid;
	h.why = st->why == HOP_WHY_FLIPS || st->why == HOP_WHY_BLOCKS ? st->why : HOP_WHY_NONE;
	sock_tuple(sock->sk, &h.tuple);
	BPF_CORE_READ_STR_INTO(&h.comm, task, group_leader, comm);
	made_by(&h, BPF_CORE_READ(task, group_leader), file);
	bpf_seq_write(seq, &h, sizeof(h));
	return 0;
}

/*
 * What a relay needs to know of its own sockets, and user space cannot ask for: once for each, under its lock
 * (design.md, I26). Any relay's pass does it for all relays of the network namespace.
 */
SEC("iter/tcp")
int hop_relay_ends(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct hop_relayed *r;
	struct tcp_sock *tp;
	struct sock *sk;

	if (!skc || skc->skc_state == BPF_TCP_SYN_SENT || skc->skc_state == BPF_TCP_LISTEN)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp)
		return 0;
	r = bpf_sk_storage_get(&relayed, tp, 0, 0);
	if (!r || r->known)
		return 0;
	sk = (struct sock *)tp;
	r->key = hop_key_derive(tp->snd_una, tp->bytes_acked, tp->rcv_nxt, tp->bytes_received);
	r->via.sk = (__u64)(long)tp;
	r->via.cookie = bpf_get_socket_cookie(tp);
	r->via.net = (__u64)(long)BPF_CORE_READ(sk, __sk_common.skc_net.net);
	r->via.userns = sock_userns(sk);
	r->known = 1;
	return 0;
}

/* What the iterators that this thread runs from here on are asked for: by BPF_PROG_TEST_RUN. */
SEC("syscall")
int hop_begin(struct hop_begin *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u32 mode = ctx->mode;

	return bpf_map_update_elem(&modes, &thread, &mode, BPF_ANY) != 0;
}

/*
 * Wakes the agent, whichever namespaces it and the caller are in (design.md, I46): a command runs this by
 * BPF_PROG_TEST_RUN. The event only wakes; what counts is config.pokes, so a full ring loses nothing. Forced,
 * because the reader of the ring is not always seen to have caught up by the time that it sleeps.
 */
SEC("syscall")
int hop_poke(void *ctx)
{
	struct hop_event ev = {.type = HOP_EV_POKE};

	(void)ctx;
	__sync_fetch_and_add(&cfg.pokes, 1);
	bpf_ringbuf_output(&events, &ev, sizeof(ev), BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* Is this descriptor a TCP socket? */
static __always_inline bool file_tcp(struct file *file)
{
	struct socket *sock;
	struct sock *sk;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & HOP_S_IFMT) != HOP_S_IFSOCK)
		return false;
	sock = BPF_CORE_READ(file, private_data); /* sock_alloc_file(), net/socket.c */
	sk = BPF_CORE_READ(sock, sk);
	return sk && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP;
}

struct inherited {
	struct file **files;
	unsigned long *open; /* bit map */
	__u32 tcp;	     /* 1: one of them is a TCP socket, or may be */
};

/* 64 descriptors of a table; returns 1 to end bpf_loop(). */
static long look_at_files(__u32 word, struct inherited *t)
{
	unsigned long open = 0;
	struct file *file;

	if (bpf_probe_read_kernel(&open, sizeof(open), t->open + word))
		t->tcp = 1;
	for (int bit = 0; bit < 64 && open && !t->tcp; bit++, open >>= 1) {
		if (!(open & 1))
			continue;
		if (bpf_probe_read_kernel(&file, sizeof(file), t->files + word * 64ul + bit) ||
		    file_tcp(file))
			t->tcp = 1;
	}
	return t->tcp ? 1 : 0;
}

/*
 * May the program have inherited a connection? By now its descriptors are its own, and those with FD_CLOEXEC
 * closed (begin_new_exec(), fs/exec.c); the table may still be as large as that of its parent.
 */
static __always_inline bool inherits_tcp(struct task_struct *task)
{
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct inherited t = {.files = BPF_CORE_READ(fdt, fd), .open = BPF_CORE_READ(fdt, open_fds)};
	__u32 words = BPF_CORE_READ(fdt, max_fds) / 64; /* NR_OPEN_DEFAULT or more, alloc_fdtable() */

	if (words > HOP_FD_WORDS)
		return true;
	bpf_loop(words, look_at_files, &t, 0);
	return t.tcp;
}

/*
 * execve() in an attached cgroup while there are members: a descriptor may have reached a program that
 * splices. Runs for every exec of the host, so it looks at the member count first; and an event costs a look
 * at all descriptors of the host and a pass, too much for a program that has no connection. While no program
 * has needed the splice guard so far, the agent looks at every program that starts: connections older than
 * the guard stay out.
 */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(hop_exec, struct task_struct *task)
{
	struct hop_event ev = {.type = HOP_EV_EXEC};
	__u64 cgrp;

	if (!(cfg.members || cfg.guard_seek) || cfg.draining)
		return 0;
	cgrp = (__u64)(long)BPF_CORE_READ(task, cgroups, dfl_cgrp);
	if (cgroup_attached(cgrp) < 0)
		return 0;
	if (!cfg.members || !inherits_tcp(task)) {
		if (!cfg.guard_seek)
			return 0;
		ev.type = HOP_EV_START;
	}
	emit(&ev);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
