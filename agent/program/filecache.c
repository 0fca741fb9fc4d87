// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "filecache.h"
#include "agent/lib/util.h"

/*
 * Set-associative: a file has its place in one set, where it pushes out the one that was used least recently.
 */
#define CACHE_SETS 1024u
#define CACHE_WAYS 4u
#define OWNERS	   64u /* users are told apart by their number modulo that */

struct entry {
	pid_t writer;	      /* who writes it now; 0: nobody */
	unsigned int version; /* changes with each writing */
	unsigned long used;   /* 0: empty */
	struct file_id id;
	struct veto veto;
};

struct file_cache {
	unsigned long clock;
	/* when all that was spent is paid for, at the share's rate, in now_ns() */
	unsigned long long paid[OWNERS], paid_all;
	struct entry entry[CACHE_SETS][CACHE_WAYS];
};

struct file_cache *file_cache_new(void)
{
	void *p = mmap(NULL, sizeof(struct file_cache), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void file_cache_free(struct file_cache *c)
{
	if (c)
		munmap(c, sizeof(*c));
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct file_id *a, const struct file_id *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->size == b->size &&
	       same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

static struct entry *set_of(struct file_cache *c, const struct file_id *id)
{
	return c->entry[(id->ino ^ id->dev * 31) % CACHE_SETS];
}

static void touch(struct file_cache *c, struct entry *e)
{
	__atomic_store_n(&e->used, __atomic_add_fetch(&c->clock, 1, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

bool file_cache_get(struct file_cache *c, const struct file_id *id, struct veto *out)
{
	struct entry *set = set_of(c, id);

	for (struct entry *e = set; e < set + CACHE_WAYS; e++) {
		unsigned int version = __atomic_load_n(&e->version, __ATOMIC_ACQUIRE);
		struct veto veto;

		if (__atomic_load_n(&e->writer, __ATOMIC_ACQUIRE) || !e->used || !same_file(&e->id, id))
			continue;
		veto = e->veto;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&e->version, __ATOMIC_RELAXED) != version)
			continue;
		touch(c, e);
		*out = veto;
		return true;
	}
	return false;
}

/* Where the file belongs, taken for writing; NULL if others write there. */
static struct entry *take(struct file_cache *c, const struct file_id *id)
{
	struct entry *set = set_of(c, id), *oldest = set;
	pid_t nobody = 0;

	for (struct entry *e = set; e < set + CACHE_WAYS; e++) {
		if (e->used && same_file(&e->id, id)) {
			oldest = e;
			break;
		}
		if (e->used < oldest->used)
			oldest = e;
	}
	if (!__atomic_compare_exchange_n(&oldest->writer, &nobody, getpid(), false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return NULL;
	__atomic_add_fetch(&oldest->version, 1, __ATOMIC_ACQ_REL);
	return oldest;
}

void file_cache_put(struct file_cache *c, const struct file_id *id, const struct veto *veto)
{
	struct entry *e = take(c, id);

	if (!e)
		return;
	e->id = *id;
	e->veto = *veto;
	touch(c, e);
	__atomic_store_n(&e->writer, 0, __ATOMIC_RELEASE);
}

void file_cache_bury(struct file_cache *c, pid_t pid)
{
	struct entry *e = c->entry[0];

	for (; e < c->entry[0] + CACHE_SETS * CACHE_WAYS; e++) {
		if (__atomic_load_n(&e->writer, __ATOMIC_RELAXED) != pid)
			continue;
		e->used = 0;
		__atomic_store_n(&e->writer, 0, __ATOMIC_RELEASE);
	}
}

bool file_cache_may_scan(const struct file_cache *c, uid_t owner)
{
	unsigned long long until = now_ns() + SCAN_SAVED;

	return c->paid[owner % OWNERS] <= until && c->paid_all <= until;
}

/* Two that pay at once may lose one of the costs: there are few of them, and more files to come. */
static void pay(unsigned long long *paid, unsigned long long price)
{
	unsigned long long now = now_ns(), from = __atomic_load_n(paid, __ATOMIC_RELAXED);

	__atomic_store_n(paid, (from < now ? now : from) + price, __ATOMIC_RELAXED);
}

void file_cache_charge(struct file_cache *c, uid_t owner, unsigned long long cost)
{
	pay(&c->paid[owner % OWNERS], SCAN_SHARE * cost);
	pay(&c->paid_all, SCAN_SHARE_ALL * cost);
}
