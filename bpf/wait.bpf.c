// SPDX-License-Identifier: GPL-2.0-only
/*
 * wait.bpf.c: tells entries of a socket's wait queue apart by their wake function. An object of its own,
 * because libbpf's linker (1.1) cannot merge two that name the same kernel symbol. Where kernel.kptr_restrict
 * hides the addresses all are 0, and every entry is HOP_WAKE_OTHER.
 */
#include "ksock.h"

/* Sleepers in recv and send (sk_wait_data(), sk_stream_wait_memory()) wait with this function. */
extern const void woken_wake_function __ksym __weak;

/* Sleepers in poll(2) and select(2) wait with this one, each with a reference to the file (__pollwait(),
 * fs/select.c). epoll takes none. */
extern const void pollwake __ksym __weak;

/* epoll leaves this one in the queue for as long as it watches (ep_ptable_queue_proc(), fs/eventpoll.c). */
extern const void ep_poll_callback __ksym __weak;

/* The kind of the wake function at this address: enum hop_wake. */
__noinline int wake_kind(__u64 func)
{
	if (!func)
		return HOP_WAKE_OTHER;
	if (func == (__u64)(long)&woken_wake_function)
		return HOP_WAKE_SLEEPER;
	if (func == (__u64)(long)&pollwake)
		return HOP_WAKE_POLL;
	if (func == (__u64)(long)&ep_poll_callback)
		return HOP_WAKE_EPOLL;
	return HOP_WAKE_OTHER;
}

char LICENSE[] SEC("license") = "GPL";
