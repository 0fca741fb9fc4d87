// SPDX-License-Identifier: GPL-2.0-only
/*
 * examiner.c: the agent's side of the examination: pairs of an examiner and a scanner, and what it asks them.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <linux/capability.h>

#include "examiner.h"
#include "late.h"
#include "sandbox.h"
#include "scanner.h"
#include "agent/lib/util.h"

#define MS	 1000000ull
#define PAIRS	 4
#define PATIENCE (200 * MS)   /* so long the agent waits for one answer; a first look takes 20 to 100 ms */
#define HASTY	 (10 * MS)    /* ... when it has waited for VETO_LOOK_MS in this look */
#define LOOK_MAX (1000 * MS)  /* then it waits no more */
#define DEADLINE (10000 * MS) /* an examination that takes longer is given up */

struct pair {
	pid_t examiner, scanner; /* 0: none, or reaped */
	int fd;
	pid_t asked;		  /* the process that it looks at; 0: idle */
	unsigned long long since; /* it was asked */
	bool killed;
};

struct veto_cache {
	struct file_cache *files;
	struct examined_file *at; /* [PAIRS], shared */
	unsigned long long cpu, waited;
	bool warned;
	struct pair pair[PAIRS];
	struct late late; /* processes that took too long */
};

struct answer {
	int r;
	unsigned long long cpu;
	struct veto_result result;
};

/* ---- in the examiner ---- */

/*
 * It takes these to read /proc/PID/maps of all users' processes, files of all users, and map_files: for those
 * CAP_SYS_ADMIN is as good (proc_map_files_get_link(), fs/proc/base.c), which is much more.
 */
static int keep_privileges(void)
{
	bool has = sandbox_has_capability(CAP_CHECKPOINT_RESTORE);
	unsigned int cap[] = {CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE,
			      has ? CAP_CHECKPOINT_RESTORE : CAP_SYS_ADMIN};

	return sandbox_keep_capabilities(cap, ARRAY_SIZE(cap));
}

static void __attribute__((noreturn)) examiner_main(struct examiner *x, int parent, int sock)
{
	int fd[] = {sock, x->scanner};
	struct answer a;
	pid_t pid;

	if (sandbox_detach("sockhop-examine", parent, fd, ARRAY_SIZE(fd)) || keep_privileges() ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		_exit(1);
	x->scanner = 1;
	while (recv(0, &pid, sizeof(pid), 0) == sizeof(pid)) {
		unsigned long long start = cpu_ns();

		memset(&a, 0, sizeof(a));
		a.r = veto_examine(x, pid, &a.result);
		a.cpu = cpu_ns() - start;
		/* the agent starts another pair, and asks again if need be */
		if (x->scanner < 0 && a.r == -EAGAIN)
			a.r = -ECHILD;
		if (send(0, &a, sizeof(a), MSG_NOSIGNAL) != sizeof(a) || x->scanner < 0)
			break;
	}
	_exit(0);
}

/* ---- pairs ---- */

static int start_processes(struct veto_cache *c, struct pair *p, const int *ask, const int *scan)
{
	struct examiner x = {.files = c->files, .at = &c->at[p - c->pair], .scanner = scan[0]};
	int parent = getpid();

	p->scanner = fork();
	if (!p->scanner)
		scanner_main(scan[1], parent);
	if (p->scanner < 0)
		return -errno;
	x.scanner_pid = p->scanner;
	p->examiner = fork();
	if (!p->examiner)
		examiner_main(&x, parent, ask[1]);
	return p->examiner < 0 ? -errno : 0;
}

static void pair_kill(struct pair *p)
{
	if (p->examiner > 0)
		kill(p->examiner, SIGKILL);
	if (p->scanner > 0)
		kill(p->scanner, SIGKILL);
	util__close(&p->fd);
	p->fd = -1;
	p->killed = true;
	p->asked = 0;
}

static int pair_start(struct veto_cache *c, struct pair *p)
{
	int ask[2], scan[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ask))
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, scan)) {
		r = -errno;
		close(ask[0]);
		close(ask[1]);
		return r;
	}
	*p = (struct pair){.fd = ask[0]};
	c->at[p - c->pair].busy = false;
	r = start_processes(c, p, ask, scan);
	close(ask[1]);
	close(scan[0]);
	close(scan[1]);
	if (r)
		pair_kill(p);
	return r;
}

static bool reaped(struct veto_cache *c, pid_t *pid)
{
	if (*pid > 0 && waitpid(*pid, NULL, WNOHANG) == 0)
		return false;
	if (*pid > 0)
		file_cache_bury(c->files, *pid);
	*pid = 0;
	return true;
}

/* A killed pair is there until the kernel lets it go: a request to a FUSE server may keep it. */
static void pair_reap(struct veto_cache *c, struct pair *p)
{
	bool a = reaped(c, &p->examiner), b = reaped(c, &p->scanner);

	if (a && b)
		p->killed = false;
}

/* ETIMEDOUT: what it was reading is to blame, and that counts for this version of the file for good. */
static void give_up(struct veto_cache *c, struct pair *p, int err)
{
	static const struct veto slow = {
		.why = HOP_WHY_UNKNOWN, .elf = true, .what = "could not be read in time"};
	const struct examined_file *at = &c->at[p - c->pair];

	late_note(&c->late, p->asked, err, now_ns());
	pair_kill(p);
	if (err == ETIMEDOUT && at->busy)
		file_cache_put(c->files, &at->id, &slow);
}

/* ---- asking ---- */

/* The pair's answer, waiting so long. -EAGAIN: none yet; -ECHILD: it is gone, or goes. */
static int pair_answer(struct veto_cache *c, struct pair *p, unsigned long long wait, struct answer *a)
{
	struct pollfd pfd = {.fd = p->fd, .events = POLLIN};
	unsigned long long start = now_ns();
	ssize_t n = 0;
	int ready = poll(&pfd, 1, (wait + MS - 1) / MS);

	c->waited += now_ns() - start;
	if (ready <= 0)
		return -EAGAIN;
	n = recv(p->fd, a, sizeof(*a), MSG_DONTWAIT);
	if (n != sizeof(*a)) {
		pair_kill(p);
		return -ECHILD;
	}
	c->cpu += a->cpu;
	p->asked = 0;
	if (a->r == -ECHILD)
		pair_kill(p);
	return 0;
}

/* One that is free for another question, or the place for one; *last: no other is. */
static struct pair *find_free(struct veto_cache *c, bool *last)
{
	struct pair *found = NULL;
	unsigned int n = 0;
	struct answer a;

	for (struct pair *p = c->pair; p < c->pair + PAIRS; p++) {
		/* the caller does not want that answer any more, or asks again; files are remembered */
		if (p->asked)
			pair_answer(c, p, 0, &a);
		if (p->killed)
			pair_reap(c, p);
		if (p->killed || p->asked)
			continue;
		n++;
		if (!found || (!found->examiner && p->examiner))
			found = p;
	}
	*last = n == 1;
	return found;
}

static struct pair *find_asked(struct veto_cache *c, pid_t pid)
{
	for (struct pair *p = c->pair; p < c->pair + PAIRS; p++)
		if (p->asked == pid)
			return p;
	return NULL;
}

static unsigned long long patience(const struct veto_cache *c)
{
	if (c->waited < VETO_LOOK_MS * MS)
		return PATIENCE;
	return c->waited < LOOK_MAX ? HASTY : 0;
}

/* Put the question to a pair. *last: none is left for the next one. */
static struct pair *ask(struct veto_cache *c, pid_t pid, bool *last, int *err)
{
	struct pair *p = find_free(c, last);

	*err = -EAGAIN;
	if (!p)
		return NULL;
	if (!p->examiner) {
		*err = pair_start(c, p);
		if (*err)
			return NULL;
	}
	if (send(p->fd, &pid, sizeof(pid), MSG_NOSIGNAL) != sizeof(pid)) {
		pair_kill(p);
		return NULL;
	}
	p->asked = pid;
	p->since = now_ns();
	return p;
}

static int ask_once(struct veto_cache *c, pid_t pid, struct answer *a)
{
	struct pair *p = find_asked(c, pid);
	bool last = false;
	int r = 0;

	if (!p && !patience(c))
		return -EAGAIN;
	if (!p)
		p = ask(c, pid, &last, &r);
	if (!p)
		return r;
	/* a pair that did not answer at once is not waited for again in each look */
	r = pair_answer(c, p, now_ns() - p->since < PATIENCE ? patience(c) : 0, a);
	/* one pair is kept for programs that take no time */
	if (r == -EAGAIN && last)
		give_up(c, p, EAGAIN);
	return r ? r : a->r;
}

static void give_up_overdue(struct veto_cache *c)
{
	struct answer a;

	for (struct pair *p = c->pair; p < c->pair + PAIRS; p++)
		if (p->asked && now_ns() - p->since > DEADLINE && pair_answer(c, p, 0, &a) == -EAGAIN)
			give_up(c, p, ETIMEDOUT);
}

int veto_process(struct veto_cache *c, pid_t pid, struct veto_result *out)
{
	enum { CRASHES = 3 };
	struct answer a;
	int r = -ECHILD, late;

	give_up_overdue(c);
	late = late_error(&c->late, pid, now_ns());
	if (late)
		return late == EAGAIN ? -EAGAIN : veto_unexamined(pid, late, out);
	for (int i = 0; i < CRASHES && r == -ECHILD; i++)
		r = ask_once(c, pid, &a);
	if (!r) {
		*out = a.result;
	} else if (r == -ECHILD) {
		/* its files are known now for what they did; or no scanner comes up at all */
		if (!c->warned)
			msg_warn("process %d cannot be examined: its scanner ends at once (is seccomp(2) "
				 "allowed "
				 "here?)",
				 pid);
		c->warned = true;
		r = -EAGAIN;
	} else if (r != -ESRCH && r != -EAGAIN) {
		r = veto_unexamined(pid, -r, out);
	}
	return r;
}

struct veto_cache *veto_cache_new(void)
{
	struct veto_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	for (int i = 0; i < PAIRS; i++)
		c->pair[i].fd = -1;
	c->files = file_cache_new();
	c->at = mmap(NULL, PAIRS * sizeof(*c->at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->at != MAP_FAILED && c->files)
		return c;
	if (c->at == MAP_FAILED)
		c->at = NULL;
	veto_cache_free(c);
	return NULL;
}

void veto_cache_free(struct veto_cache *c)
{
	if (!c)
		return;
	for (struct pair *p = c->pair; p < c->pair + PAIRS; p++) {
		if (p->examiner || p->scanner)
			pair_kill(p);
		/* they end by themselves where they cannot be reaped yet */
		for (int ms = 0; p->killed && ms < 20; ms++) {
			pair_reap(c, p);
			if (p->killed)
				poll(NULL, 0, 1);
		}
	}
	file_cache_free(c->files);
	if (c->at)
		munmap(c->at, PAIRS * sizeof(*c->at));
	free(c);
}

unsigned long long veto_cache_cpu_ns(const struct veto_cache *c)
{
	return c->cpu;
}

void veto_cache_look(struct veto_cache *c)
{
	c->waited = 0;
}
