// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe.bpf.c: an object of its own, used by agent/probe/probe.c to find out by doing what this kernel does
 * with members of a sockhash. It touches only the two sockets that the probe made.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 8);
	__type(key, __u64);
	__type(value, __u64);
} probe_socks SEC(".maps");

__u64 probe_target;  /* cookie that probe_msg redirects to; 0: none */
__u64 probe_insert;  /* cookie that probe_iter inserts */
bool probe_inserted; /* by user space: probe_iter shall only look */
bool probe_reset;    /* probe_iter shall end the connection of that socket */
int probe_insert_result = -1;
int probe_setsockopt_result = -1;
__u32 probe_copied; /* copied_seq of that socket when probe_iter last ran */

SEC("sk_msg")
int probe_msg(struct sk_msg_md *msg)
{
	__u64 key = probe_target;

	if (key)
		bpf_msg_redirect_hash(msg, &probe_socks, &key, BPF_F_INGRESS);
	return SK_PASS;
}

/*
 * Weak: a name that the kernel does not have would fail the whole object, not only the program that calls it.
 */
void *bpf_cast_to_kern_ctx(void *) __ksym __weak;
extern int bpf_sock_destroy(struct sock_common *sock) __ksym __weak;

SEC("iter/tcp")
int probe_iter(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct tcp_sock *tp;
	__u64 cookie;
	int flags = BPF_SOCK_OPS_STATE_CB_FLAG;

	if (!skc)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp)
		return 0;
	cookie = bpf_get_socket_cookie(tp);
	if (cookie != probe_insert)
		return 0;
	if (probe_reset) {
		if (bpf_sock_destroy)
			bpf_sock_destroy(skc);
		return 0;
	}
	probe_copied = tp->copied_seq;
	if (probe_inserted)
		return 0;
	probe_setsockopt_result =
		bpf_setsockopt(tp, 6 /* SOL_TCP */, TCP_BPF_SOCK_OPS_CB_FLAGS, &flags, sizeof(flags));
	probe_insert_result = bpf_map_update_elem(&probe_socks, &cookie, (struct sock *)tp, BPF_NOEXIST);
	return 0;
}

/* Moves TCP bytes to the hop queue, as hop_verdict does. */
SEC("sk_skb/stream_verdict")
int probe_verdict(struct __sk_buff *skb)
{
	return SK_PASS;
}

/* Loads only where early joins work, and hop_verdict, which needs the same. */
SEC("sockops")
int probe_kern_ctx(struct bpf_sock_ops *ctx)
{
	struct bpf_sock_ops_kern *kern = bpf_cast_to_kern_ctx(ctx);

	return kern->sk != NULL;
}

char LICENSE[] SEC("license") = "GPL";
