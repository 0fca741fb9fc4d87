// SPDX-License-Identifier: GPL-2.0-only
/*
 * Three proofs keep the stream exact; all are sums of counts that never go back:
 *
 * seen all: bytes received == plain_read + ep->seen + 1 (the FIN). EPOLLRDHUP alone proves nothing: tcp_fin()
 *	wakes before the verdict has run on the last segment.
 *
 * no debt: ep->to_user == ep->forwarded. The verdict redirects again, user space owes nothing.
 *
 * clean: written to the sink == user_sent + ep->redirected. What the kernel took has left the sink's psock.
 *	SIOCOUTQ alone proves nothing: it does not count the psock.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "flow.h"
#include "choice.h"
#include "direction.h"
#include "kern.h"
#include "pump.h"

static uint64_t load(const __u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

void relay_flow_poll(struct relay_dir *d)
{
	struct relay_worker *w = d->pair->worker;

	if (d->polling)
		return;
	d->polling = true;
	TAILQ_INSERT_TAIL(&w->polls, d, poll);
	w->poll_ms = RELAY_POLL_MIN_MS;
	w->poll_ns = w->now + RELAY_POLL_MIN_MS * 1000000ull;
}

void relay_flow_unpoll(struct relay_dir *d)
{
	if (!d->polling)
		return;
	d->polling = false;
	TAILQ_REMOVE(&d->pair->worker->polls, d, poll);
}

/* Has all that was redirected reached the sink's send queue? 1, 0 or -errno. */
static int is_clean(struct relay_dir *d)
{
	uint64_t redirected = load(&relay_dir_ep(d)->redirected), written;
	struct relay_sock *sink = relay_sink(d);
	int err;

	if (redirected == d->clean_at)
		return 1;
	err = relay_written(sink->fd, &written);
	if (err)
		return err;
	if (written - sink->base < d->user_sent + redirected)
		return 0;
	d->clean_at = redirected;
	return 1;
}

bool relay_flow_has_debt(const struct relay_dir *d)
{
	const struct relay_ep *ep = relay_dir_ep(d);

	return load(&ep->to_user) != ep->forwarded;
}

/* The verdict may redirect again as soon as this makes the debt zero. */
static void publish_forwarded(struct relay_dir *d)
{
	__atomic_store_n(&relay_dir_ep(d)->forwarded, d->taken - d->held_len, __ATOMIC_RELEASE);
}

/*
 * Carry what the verdict left to user space, by recv(): splice(2) does not look into the psock. `redirected`
 * stands still while there is a debt, so "clean" once seen holds until the debt is paid; it is asked anew
 * before each read since a debt may be paid and made again between two looks.
 */
static int carry_to_user(struct relay_dir *d)
{
	struct relay_worker *w = d->pair->worker;
	size_t moved = 0;

	while (relay_flow_has_debt(d) && moved < RELAY_QUOTA) {
		ssize_t n;
		int err = relay_send_held(d);

		publish_forwarded(d);
		if (err || d->held_len)
			return err;
		if (d->taken == load(&relay_dir_ep(d)->to_user))
			continue;
		err = is_clean(d);
		if (err <= 0) {
			if (!err)
				relay_flow_poll(d);
			return err;
		}
		n = recv(relay_source(d)->fd, w->scratch, RELAY_SCRATCH, MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (!n)
			return 0;
		d->taken += n;
		moved += n;
		err = relay_send(d, w->scratch, n);
		publish_forwarded(d);
		if (err)
			return err;
	}
	return 0;
}

/* The FIN has come: is everything before it delivered? Then the direction is an ordinary one at its end. */
static int finish(struct relay_dir *d)
{
	int fd = relay_source(d)->fd;
	uint64_t received;
	bool closed;
	int r = relay_received(fd, &received, &closed);

	if (r)
		return r;
	/* read after `closed`: then it is final */
	if (received != d->plain_read + load(&relay_dir_ep(d)->seen) + 1) {
		/* no FIN ended it: a reset, whose error somebody else was told, as a send to this socket */
		if (closed)
			return -ECONNRESET;
		relay_flow_poll(d);
		return relay_kern_kick(fd);
	}
	if (relay_flow_has_debt(d))
		return 0;
	r = is_clean(d);
	if (r < 0)
		return r;
	if (!r)
		relay_flow_poll(d);
	else
		d->mode = DIR_COPY;
	return 0;
}

void relay_flow_want_leave(struct relay_dir *d)
{
	struct relay_worker *w = d->pair->worker;

	if (d->mode != DIR_KERNEL || d->eof || w->conf->path != RELAY_AUTO)
		return;
	d->mode = DIR_LEAVE;
	__atomic_store_n(&relay_dir_ep(d)->leave, 1, __ATOMIC_RELEASE);
	w->leave_wanted = true;
	relay_flow_poll(d);
}

/* Has the leave pass taken it out? A FIN seen meanwhile may stand behind bytes that user space has to read
 * now. */
static void check_left(struct relay_dir *d)
{
	const struct relay_ep *ep = relay_dir_ep(d);

	if (__atomic_load_n(&ep->left, __ATOMIC_ACQUIRE) != ep->enter) {
		relay_flow_poll(d);
		return;
	}
	d->mode = DIR_FLUSH;
	d->eof = false;
	relay_note_bulk(d);
}

/* User space may go on as soon as the kernel's part is in the sink's send queue. */
static int flush(struct relay_dir *d)
{
	int r = is_clean(d);

	if (r < 0)
		return r;
	if (r)
		d->mode = DIR_COPY;
	else
		relay_flow_poll(d);
	return 0;
}

int relay_flow_step(struct relay_dir *d)
{
	int err = relay_in_kernel(d) ? carry_to_user(d) : 0;

	if (err)
		return err;
	if (d->mode == DIR_LEAVE)
		check_left(d);
	if (d->mode == DIR_FLUSH)
		return flush(d);
	return d->eof ? finish(d) : 0;
}

uint32_t relay_flow_events(const struct relay_dir *d)
{
	uint32_t events = 0;

	if (!relay_in_kernel(d))
		return 0;
	/* EPOLLIN would fire for every redirected segment (sk_psock_data_ready()), at a third of the speed */
	if (!d->eof)
		events |= EPOLLRDHUP;
	if (relay_flow_has_debt(d) && !d->held_len && load(&relay_dir_ep(d)->redirected) == d->clean_at)
		events |= EPOLLIN;
	return events;
}

/* The source has to be read dry first; what is found on the way is carried, and the next read tries again. */
static int read_dry(struct relay_dir *d, bool *dry)
{
	struct relay_worker *w = d->pair->worker;
	ssize_t n = recv(relay_source(d)->fd, w->scratch, RELAY_SCRATCH, MSG_DONTWAIT);

	*dry = n < 0 && errno == EAGAIN;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	d->eof = !n;
	d->plain_read += n;
	return n ? relay_send(d, w->scratch, n) : 0;
}

static bool known(struct relay_pair *p)
{
	if (p->slot < 0 && p->sock[0].stream_tcp && p->sock[1].stream_tcp)
		p->slot = relay_kern_add(p->worker->kern, p->sock[0].fd, p->sock[1].fd, p);
	return p->slot >= 0;
}

int relay_flow_enter(struct relay_dir *d)
{
	struct relay_pair *p = d->pair;
	bool dry;
	int err = read_dry(d, &dry);

	if (err || !dry)
		return err;
	if (!known(p)) {
		p->dir[0].stay = p->dir[1].stay = true;
		return 0;
	}
	d->clean_at = load(&relay_dir_ep(d)->redirected);
	/* refused: most likely the FIN has come */
	if (relay_kern_enter(p->worker->kern, p->slot + relay_dir_index(d), relay_source(d)->fd)) {
		d->stay = true;
		return 0;
	}
	d->mode = DIR_KERNEL;
	return relay_kern_kick(relay_source(d)->fd);
}
