// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <bpf/bpf.h>

#include "collapse.h"
#include "direction.h"
#include "agent/daemon/spawn.h"
#include "agent/instance/collapse.h"
#include "agent/instance/instance.h"
#include "agent/instance/snapshot.h"
#include "agent/lib/util.h"
#include "bpf/key.h"

/* Turns of a direction that make a pair worth it. An end is a candidate from 64 segments on. */
#define TURNS 8
/* Wait so long for others before a pass, and so many times what it cost after it. */
#define COALESCE  (RELAY_NS / 200)
#define PASS_REST 20

struct relay_collapse {
	struct instance in;
	struct relay_event on_folder;
	int folder_fd;		   /* inotify: tells of a detach */
	struct relay_pair **pairs; /* by tag */
	int *free;		   /* stack of tags */
	int n, n_free;
	uint64_t due, not_before;
	uint64_t refreshed; /* worker->now of the last refresh */
	__u32 pid;
};

int relay_collapse_check(const char *instance)
{
	struct instance in;
	int err = instance_open(&in, instance, 0);

	if (err)
		return err;
	/* others tell by the owner's pid whether a record is still somebody's */
	if (!agent_names_processes())
		err = -EOPNOTSUPP;
	else
		collapse_sweep(&in);
	instance_close(&in);
	return err;
}

/* Nobody waits for a relay that is idle: without this it would keep the maps of a detached instance alive. */
static int watch_folder(struct relay_worker *w, struct relay_collapse *c)
{
	c->on_folder.ready = relay_collapse_folder;
	c->folder_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (c->folder_fd < 0 || inotify_add_watch(c->folder_fd, c->in.dir, IN_DELETE | IN_MOVE_SELF) < 0)
		return -errno;
	return relay_epoll(w, EPOLL_CTL_ADD, c->folder_fd, EPOLLIN, &c->on_folder);
}

int relay_collapse_open(struct relay_worker *w)
{
	struct relay_collapse *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->folder_fd = -1;
	c->pid = getpid();
	err = instance_open(&c->in, w->conf->instance, 0);
	if (err) {
		free(c);
		return err;
	}
	c->n = c->n_free = w->conf->max_pairs + 1; /* one may be waiting for another client */
	c->pairs = calloc(c->n, sizeof(*c->pairs));
	c->free = calloc(c->n, sizeof(*c->free));
	w->collapse = c;
	if (!c->pairs || !c->free) {
		relay_collapse_close(w);
		return -ENOMEM;
	}
	for (int i = 0; i < c->n; i++)
		c->free[i] = c->n - 1 - i;
	if (watch_folder(w, c))
		msg_debug("relay: cannot watch %s: %s", c->in.dir, strerror(errno));
	return 0;
}

static void forget(struct relay_pair *p)
{
	if (p->collapse == COLLAPSE_WANTED)
		TAILQ_REMOVE(&p->worker->wanting, p, want);
	p->collapse = COLLAPSE_NO;
	p->asked = false;
}

void relay_collapse_close(struct relay_worker *w)
{
	struct relay_collapse *c = w->collapse;
	struct relay_pair *p;

	if (!c)
		return;
	TAILQ_FOREACH(p, &w->pairs, all)
	relay_collapse_end(p);
	w->collapse = NULL;
	instance_close(&c->in);
	util__close(&c->folder_fd);
	free(c->pairs);
	free(c->free);
	free(c);
}

void relay_collapse_folder(struct relay_worker *w, struct relay_event *ev, uint32_t events)
{
	char buf[4096];

	(void)ev;
	(void)events;
	while (read(w->collapse->folder_fd, buf, sizeof(buf)) > 0)
		;
	if (!w->collapse->in.config->draining)
		return;
	msg_warn("relay: instance '%s' was detached: no more hop collapse", w->collapse->in.name);
	relay_collapse_close(w);
}

/* The instance was detached while we ran: is there a new one? */
static void open_again(struct relay_worker *w)
{
	if (w->collapse || !w->conf->collapse || w->now < w->collapse_ns)
		return;
	w->collapse_ns = w->now + RELAY_NS;
	if (!relay_collapse_open(w))
		msg_info("relay: instance '%s' is attached again", w->collapse->in.name);
}

void relay_collapse_mark(struct relay_pair *p, int i, int fd, bool opens)
{
	struct relay_collapse *c;
	struct hop_relayed r = {0};
	struct hop_sock known;

	open_again(p->worker);
	c = p->worker->collapse;
	p->opened[i] = opens;
	p->marked &= ~(1u << i);
	if (!c)
		return;
	/*
	 * First the mark, then the look: an end that joined at ESTABLISHED, before it was accepted, has its
	 * record by now; a later one sees the mark (register_as() in bpf/pair.h).
	 */
	if (bpf_map_update_elem(c->in.map[MAP_RELAYED], &fd, &r, BPF_NOEXIST))
		return;
	if (!bpf_map_lookup_elem(c->in.map[MAP_SOCKS], &fd, &known)) {
		msg_debug("relay: a connection hops to the relay itself and is not collapsed");
		return;
	}
	p->marked |= 1u << i;
}

static bool is_chatty(const struct relay_pair *p)
{
	for (int i = 0; i < 2; i++)
		if (p->dir[i].turns >= TURNS || relay_in_kernel(&p->dir[i]))
			return true;
	return false;
}

static void be_due(struct relay_worker *w)
{
	struct relay_collapse *c = w->collapse;

	if (!c->due)
		c->due = w->now + COALESCE > c->not_before ? w->now + COALESCE : c->not_before;
}

void relay_collapse_look(struct relay_pair *p)
{
	struct relay_worker *w = p->worker;
	struct relay_collapse *c = w->collapse;

	if (!c || p->collapse != COLLAPSE_NO || p->marked != 3 || !is_chatty(p))
		return;
	p->collapse = COLLAPSE_WANTED;
	TAILQ_INSERT_TAIL(&w->wanting, p, want);
	be_due(w);
}

uint64_t relay_collapse_due(const struct relay_worker *w)
{
	return w->collapse ? w->collapse->due : 0;
}

/* What hop_relay_ends found out about our two sockets. */
static bool known(const struct relay_collapse *c, const struct relay_pair *p, struct hop_relayed r[2])
{
	for (int i = 0; i < 2; i++)
		if (bpf_map_lookup_elem(c->in.map[MAP_RELAYED], &p->sock[i].fd, &r[i]) || !r[i].known)
			return false;
	return true;
}

static bool all_known(const struct relay_worker *w)
{
	struct hop_relayed r[2];
	struct relay_pair *p;

	TAILQ_FOREACH(p, &w->wanting, want)
	if (!known(w->collapse, p, r))
		return false;
	return true;
}

static int publish_end(const struct relay_collapse *c, const struct relay_pair *p, int i,
		       const struct hop_relayed r[2])
{
	struct hop_collapse rec = {.peer = p->end[!i],
				   .first = r[i].key.b,
				   .skip = i ? 0 : p->skip,
				   .via = r[i].via,
				   .owner = c->pid,
				   .tag = 2 * p->tag + i};

	/* BPF_NOEXIST: a record is never changed, since ends that joined by it keep what they read */
	return bpf_map_update_elem(c->in.map[MAP_COLLAPSE], &p->end[i], &rec, BPF_NOEXIST) ? -errno : 0;
}

static int publish(struct relay_collapse *c, struct relay_pair *p)
{
	struct hop_relayed r[2];
	int err;

	if (!c->n_free || !known(c, p, r))
		return -ENOENT;
	for (int i = 0; i < 2; i++)
		p->end[i] = hop_key_peer(&r[i].key, p->opened[i]);
	p->tag = c->free[--c->n_free];
	err = publish_end(c, p, 0, r);
	if (!err) {
		err = publish_end(c, p, 1, r);
		if (err)
			bpf_map_delete_elem(c->in.map[MAP_COLLAPSE], &p->end[0]);
	}
	if (err) {
		c->free[c->n_free++] = p->tag;
		return err;
	}
	c->pairs[p->tag] = p;
	return 0;
}

/* An end that registers from now on finds the record; two that had done so before would wait for ever. */
static bool both_registered(const struct relay_collapse *c, const struct relay_pair *p)
{
	struct hop_end e;

	return !bpf_map_lookup_elem(c->in.map[MAP_ENDS], &p->end[0], &e) &&
	       !bpf_map_lookup_elem(c->in.map[MAP_ENDS], &p->end[1], &e);
}

/* All that were there when the pass began. */
static void publish_asked(struct relay_worker *w)
{
	struct relay_collapse *c = w->collapse;
	struct relay_pair *p;
	bool poke = false;

	/* the others are behind them */
	while ((p = TAILQ_FIRST(&w->wanting)) && p->asked) {
		TAILQ_REMOVE(&w->wanting, p, want);
		p->asked = false;
		p->collapse = publish(c, p) ? COLLAPSE_NO : COLLAPSE_PUBLISHED;
		if (p->collapse == COLLAPSE_NO)
			p->marked = 0; /* once refused, not asked again */
		else
			poke |= both_registered(c, p);
	}
	if (poke && instance_poke(&c->in))
		msg_warn("relay: cannot wake the agent of '%s'", c->in.name);
}

void relay_collapse_clock(struct relay_worker *w)
{
	struct relay_collapse *c = w->collapse;
	struct relay_pair *p;

	if (!c || !c->due || w->now < c->due || w->walk.busy)
		return;
	c->due = 0;
	if (c->in.config->draining || TAILQ_EMPTY(&w->wanting))
		return;
	TAILQ_FOREACH(p, &w->wanting, want)
	p->asked = true;
	if (!all_known(w)) {
		if (!relay_pass_ready(w) &&
		    !relay_walk_begin(&w->walk, c->in.iter[ITER_RELAY_ENDS], RELAY_WALK_ENDS))
			return;
		msg_debug("relay: the pass over its sockets cannot run");
	}
	publish_asked(w);
}

void relay_collapse_walked(struct relay_worker *w, uint64_t cost)
{
	struct relay_collapse *c = w->collapse;

	if (!c) /* the instance was detached meanwhile */
		return;
	c->not_before = w->now + cost * PASS_REST;
	publish_asked(w);
	if (!TAILQ_EMPTY(&w->wanting))
		be_due(w);
}

void relay_collapse_end(struct relay_pair *p)
{
	struct relay_collapse *c = p->worker->collapse;

	if (c && p->collapse == COLLAPSE_PUBLISHED) {
		/* ends that joined stay members of each other: they close next, or are reset */
		for (int i = 0; i < 2; i++)
			bpf_map_delete_elem(c->in.map[MAP_COLLAPSE], &p->end[i]);
		c->pairs[p->tag] = NULL;
		c->free[c->n_free++] = p->tag;
	}
	forget(p);
	p->marked = 0;
}

bool relay_collapse_aborted(const struct relay_pair *p, int i)
{
	const struct relay_collapse *c = p->worker->collapse;
	struct hop_end e;

	return c && p->collapse == COLLAPSE_PUBLISHED &&
	       !bpf_map_lookup_elem(c->in.map[MAP_ENDS], &p->end[i], &e) && e.flags & HOP_END_UNREAD;
}

static int note_end(const void *record, void *arg)
{
	const struct hop_show *s = record;
	struct relay_worker *w = arg;
	struct relay_collapse *c = w->collapse;
	struct relay_hopped *h;
	struct relay_pair *p;

	if (s->relay != c->pid || s->relay_tag / 2 >= (__u32)c->n)
		return 0;
	p = c->pairs[s->relay_tag / 2];
	if (!p) /* its pair is over */
		return 0;
	h = &p->hopped[s->relay_tag % 2];
	if (h->messages != s->hops)
		relay_pair_active(p);
	*h = (struct relay_hopped){.member = hop_in(s->state), .messages = s->hops, .bytes = s->hop_bytes};
	return 0;
}

bool relay_collapse_refresh(struct relay_worker *w, bool force)
{
	struct relay_collapse *c = w->collapse;

	if (!c || (c->refreshed == w->now && !force) || c->n_free == c->n)
		return false;
	c->refreshed = w->now;
	if (snapshot_each(&c->in, note_end, w))
		msg_debug("relay: cannot see what hops");
	return true;
}

bool relay_collapse_hopping(const struct relay_pair *p)
{
	return p->collapse == COLLAPSE_PUBLISHED && p->hopped[0].member && p->hopped[1].member;
}
