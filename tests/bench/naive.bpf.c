// SPDX-License-Identifier: GPL-2.0-only
/*
 * naive.bpf.c: the baseline of the benches, the sockmap accelerator as it is usually written: every
 * connection goes into a sockhash by its 4-tuple at ESTABLISHED, and every message is redirected. It loses
 * and misdelivers bytes (docs/design.md); here it only shows what that would buy.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

struct tuple {
	__u32 local, peer, local_port, peer_port;
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, struct tuple);
	__type(value, __u32);
} socks SEC(".maps");

SEC("sockops")
int naive_sockops(struct bpf_sock_ops *ctx)
{
	struct tuple t = {ctx->local_ip4, ctx->remote_ip4, ctx->local_port, bpf_ntohl(ctx->remote_port)};

	if (ctx->family == 2 /* AF_INET */ &&
	    (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB || ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB))
		bpf_sock_hash_update(ctx, &socks, &t, BPF_NOEXIST);
	return 1;
}

SEC("sk_msg")
int naive_msg(struct sk_msg_md *msg)
{
	struct tuple t = {msg->remote_ip4, msg->local_ip4, bpf_ntohl(msg->remote_port), msg->local_port};

	bpf_msg_redirect_hash(msg, &socks, &t, BPF_F_INGRESS);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
