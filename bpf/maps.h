/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * maps.h: the maps and the one global of the kernel side. Definitions are weak so that each object file can
 * include them and `bpftool gen object` merges them into one set.
 */
#ifndef SOCKHOP_MAPS_H
#define SOCKHOP_MAPS_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "hop.h"
#include "key.h"

#define __maybe_unused __attribute__((unused))

/* Configuration and state; user space maps the pinned `config` and reads or writes it directly. */
volatile struct hop_config cfg SEC(".data.config") __weak = {};

/* The sockhash: its sockets run hop_msg on send and, where needed, hop_verdict on receive. Key: cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 131072);
	__type(key, __u64);
	__type(value, __u64);
} members SEC(".maps") __weak;

/*
 * Shared part of each end, keyed by its derived ISN key. Allocated on demand (the BPF allocator, 6.1), so an
 * idle instance costs no memory.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct hop_key);
	__type(value, struct hop_end);
} ends SEC(".maps") __weak;

/* Private part of each end; freed with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct hop_sock);
} socks SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOP_CNT_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps") __weak;

/* Looks at the memory of receivers that a CPU's messages share: memory.h. Of no concern to user space. */
struct hop_roomy {
	__u64 memcg; /* the receivers' memory cgroup: memcg_serial() */
	__u32 at;    /* jiffies (32 bits) of the look, which found room */
	__u32 left;  /* bytes that may be charged before the next one */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOP_MEMORY_SLOTS);
	__type(key, __u32);
	__type(value, struct hop_roomy);
} roomy SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps") __weak;

/* What the agent found out about the programs behind a socket, keyed by cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, __u64);
	__type(value, struct hop_vet);
} vetted SEC(".maps") __weak;

/* Processes whose program may not join, by the address of their credentials. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct hop_program);
} programs SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, struct hop_cgroup);
} cgroups SEC(".maps") __weak;

/* Two policies; cfg.policy_slot names the live one, so that a change is atomic. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct hop_policy);
} policy SEC(".maps") __weak;

/* Ends whose peer is beyond a relay, by their derived key. Written by relays; an end that closes deletes its
 * own. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct hop_key);
	__type(value, struct hop_collapse);
} collapse SEC(".maps") __weak;

/* Questions about translated addresses, by the derived key of the end that asks. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct hop_key);
	__type(value, struct hop_translation);
} translations SEC(".maps") __weak;

/* The sockets of relays that collapse. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct hop_relayed);
} relayed SEC(".maps") __weak;

/* What the iterators of a thread are asked for (enum hop_mode), by bpf_get_current_pid_tgid(). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u32);
} modes SEC(".maps") __weak;

/* When a pass over a network namespace was last finished, by its inode number. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct hop_pass);
} passes SEC(".maps") __weak;

/* The mode of the running iterator; 0, which leaves no end out, for a thread that set none. */
static __always_inline __maybe_unused __u32 pass_mode(void)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u32 *mode = bpf_map_lookup_elem(&modes, &thread);

	return mode ? *mode : 0;
}

static __always_inline void count_add(__u32 index, __u64 n)
{
	__u64 *v = bpf_map_lookup_elem(&counters, &index);

	if (v)
		*v += n; /* per CPU; a torn update by an interrupt costs a count, not a byte */
}

static __always_inline void count(__u32 index)
{
	count_add(index, 1);
}

/* Send an event; a full ring is counted, and the agent then looks at everything. */
static __always_inline void emit(const struct hop_event *e)
{
	if (bpf_ringbuf_output(&events, (void *)e, sizeof(*e), 0))
		count(HOP_CNT_EVENTS_LOST);
}

#endif
