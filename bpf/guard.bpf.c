// SPDX-License-Identifier: GPL-2.0-only
/*
 * guard.bpf.c: the splice guard, an object of its own, since some hosts refuse its programs. It shares the
 * maps of an instance. It runs at every read and write of the host, so whatever is not a splice from a socket
 * returns first.
 *
 * splice(2), sendfile(2) into a pipe and IORING_OP_SPLICE ask for the permission to read from their input
 * before they take anything from it (rw_verify_area(READ), fs/read_write.c: of do_splice_to() in 6.1, of its
 * callers from 6.8 on), without the socket's lock. tee(2) and vmsplice(2) know pipes and memory only.
 */
#include "end.h"
#include "guard.h"
#include "preempt.h"

#define GUARD_MAY_READ	   4
#define GUARD_EINVAL	   22
#define GUARD_IPPROTO_TCP  6
#define GUARD_PF_IO_WORKER 0x10	      /* include/linux/sched.h */
#define GUARD_X32	   0x40000000 /* arch/x86/include/uapi/asm/unistd.h: __X32_SYSCALL_BIT */
#define GUARD_OP_SPLICE	   30	      /* include/uapi/linux/io_uring.h: IORING_OP_SPLICE */

/* The inode number of a socket from which every splice is refused: how user space finds out that we act. */
__u64 guard_probe;

/* Does this kernel preempt itself (preempt.h)? Set when guard_probe is found: programs of fmod_ret are of
 * type tracing. */
__u32 guard_preempt;

/*
 * For fmod_ret, whose programs may not use socket storage (bpf_sk_storage_tracing_allowed(),
 * net/core/bpf_sk_storage.c): threads whose splice guard_entry has judged and guard_exit must refuse.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u32);
} refusals SEC(".maps");

/* io_uring/io-wq.c, include/linux/io_uring_types.h */
struct io_worker___guard {
	struct io_wq_work *cur_work;
} __attribute__((preserve_access_index));
struct io_kiocb___guard {
	__u8 opcode;
	struct io_wq_work work;
} __attribute__((preserve_access_index));

/* A worker of io_uring, which is where IORING_OP_SPLICE always runs (io_splice(), io_uring/splice.c). */
static __always_inline bool uring_splices(struct task_struct *task)
{
	struct io_worker___guard *worker = (void *)(long)BPF_CORE_READ(task, worker_private);
	struct io_kiocb___guard *req = NULL;
	void *work;

	if (!bpf_core_field_exists(worker->cur_work) || !bpf_core_field_exists(req->work))
		return false;
	work = BPF_CORE_READ(worker, cur_work);
	if (!work)
		return false;
	req = work - bpf_core_field_offset(struct io_kiocb___guard, work);
	return BPF_CORE_READ(req, opcode) == GUARD_OP_SPLICE;
}

/*
 * The descriptor that a system call splices from, or -1. (32-bit programs are vetoed: their numbers differ.)
 */
static __always_inline int splice_fd(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

#if defined(__TARGET_ARCH_arm64)
	switch (regs->syscallno) {
	case 76: /* splice(fd_in, ...) */
		return regs->orig_x0;
	case 71: /* sendfile(out, in, ...) */
		return regs->regs[1];
	}
#else
	switch (regs->orig_ax & ~GUARD_X32) {
	case 275: /* splice(fd_in, ...) */
		return regs->di;
	case 40: /* sendfile(out, in, ...) */
		return regs->si;
	}
#endif
	return -1;
}

/* Work of io_uring may run at the end of any call, a splice of another file as well. */
static __always_inline bool is_fd_of(struct task_struct *task, int fd, struct file *file)
{
	struct file **table, *found = NULL;
	struct fdtable *fdt;

	if (fd < 0)
		return false;
	fdt = BPF_CORE_READ(task, files, fdt);
	if ((__u32)fd >= BPF_CORE_READ(fdt, max_fds))
		return false;
	table = BPF_CORE_READ(fdt, fd);
	bpf_probe_read_kernel(&found, sizeof(found), table + fd);
	return found == file;
}

static __always_inline bool is_splice(struct file *file)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (task->flags & GUARD_PF_IO_WORKER)
		return uring_splices(task);
	return is_fd_of(task, splice_fd(task), file);
}

/* A member that joined before there was a guard has no record. */
static __always_inline bool joined_before(struct sock *sk)
{
	struct hop_sock *st = bpf_sk_storage_get(&socks, sk, 0, 0);

	return st && hop_in(st->state);
}

/*
 * No memory for the mark: this socket might join later, and a later splice would then be refused. So this
 * generation vouches for no socket any more; the agent may publish another one.
 */
static __always_inline bool unmarked(struct sock *sk)
{
	struct hop_event ev = {.type = HOP_EV_START};

	if (sock_guarded((__u64)(long)sk)) {
		cfg.guard = 0;
		emit(&ev);
	}
	return false;
}

/* true: refuse it. */
static __always_inline bool judge(struct sock *sk)
{
	struct hop_spliced *s;
	__u32 was;

	if (sk->__sk_common.skc_state == BPF_TCP_LISTEN || sk->__sk_common.skc_state == BPF_TCP_CLOSE)
		return false;
	s = bpf_sk_storage_get(&spliced, sk, 0, 0);
	if (!s && sock_cgroup_attached(sk) < 0)
		return false;
	if (!s)
		s = guard_record(sk);
	if (!s)
		return unmarked(sk);
	if (s->state == HOP_SPLICE_NONE && joined_before(sk))
		return true;
	was = __sync_val_compare_and_swap(&s->state, HOP_SPLICE_NONE, HOP_SPLICE_SEEN);
	if (was == HOP_SPLICE_NONE)
		count(HOP_CNT_SPLICED);
	return was == HOP_SPLICE_MEMBER;
}

/* true: it is a splice from a member. */
static __always_inline bool refused(struct file *file, int mask)
{
	struct socket *sock;
	struct sock *sk;

	if ((file->f_inode->i_mode & HOP_S_IFMT) != HOP_S_IFSOCK || !(mask & GUARD_MAY_READ) ||
	    !is_splice(file))
		return false;
	if (guard_probe && file->f_inode->i_ino == guard_probe) {
		guard_preempt = preempts();
		return true;
	}
	sock = bpf_sock_from_file(file);
	sk = sock ? sock->sk : NULL;
	if (!sk || sk->sk_protocol != GUARD_IPPROTO_TCP || !judge(sk))
		return false;
	count(HOP_CNT_REFUSED);
	return true;
}

/* Where "bpf" is in the list of active security modules. */
SEC("lsm/file_permission")
int BPF_PROG(guard_lsm, struct file *file, int mask)
{
	return refused(file, mask) ? -GUARD_EINVAL : 0;
}

/* Elsewhere: one program that finds out, one that refuses; a trampoline runs them in this order. */
SEC("fentry/security_file_permission")
int BPF_PROG(guard_entry, struct file *file, int mask)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u32 yes = 1;

	if (refused(file, mask))
		bpf_map_update_elem(&refusals, &thread, &yes, BPF_ANY);
	return 0;
}

SEC("fmod_ret/security_file_permission")
int BPF_PROG(guard_exit, struct file *file, int mask)
{
	__u64 thread;

	if ((file->f_inode->i_mode & HOP_S_IFMT) != HOP_S_IFSOCK)
		return 0;
	thread = bpf_get_current_pid_tgid();
	return bpf_map_delete_elem(&refusals, &thread) ? 0 : -GUARD_EINVAL;
}

char LICENSE[] SEC("license") = "GPL";
