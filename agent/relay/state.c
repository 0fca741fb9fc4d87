// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "state.h"
#include "collapse.h"
#include "direction.h"
#include "kern.h"
#include "agent/lib/util.h"
#include "agent/view/output.h"

static void add(json_object *o, const char *key, uint64_t n)
{
	json_object_object_add(o, key, json_object_new_uint64(n));
}

static void add_text(json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static json_object *bytes(uint64_t kernel, uint64_t spliced, uint64_t copied)
{
	json_object *o = json_object_new_object();

	add(o, "kernel", kernel);
	add(o, "splice", spliced);
	add(o, "copy", copied);
	return o;
}

static json_object *describe_dir(const struct relay_dir *d)
{
	const struct relay_hopped *h = &d->pair->hopped[relay_dir_index(d)];
	static const char *const names[] = {[DIR_COPY] = "copy",
					    [DIR_SPLICE] = "splice",
					    [DIR_KERNEL] = "kernel",
					    [DIR_LEAVE] = "kernel",
					    [DIR_FLUSH] = "kernel"};
	json_object *o = bytes(relay_dir_kernel_bytes(d), d->spliced, d->copied);

	add(o, "hopped", h->bytes);
	add(o, "messages_hopped", h->messages);
	add_text(o, "path", d->done ? "closed" : relay_collapse_hopping(d->pair) ? "hop" : names[d->mode]);
	return o;
}

static void add_peer(json_object *o, const char *key, int fd)
{
	struct relay_addr a = {.len = sizeof(a.ss)};
	char text[160];

	if (fd < 0 || getpeername(fd, (struct sockaddr *)&a.ss, &a.len))
		a.len = 0;
	relay_addr_format(&a, text, sizeof(text));
	add_text(o, key, text);
}

/* {"address", "port"} as for hops; a Unix socket has no port. NULL: there is none. */
static json_object *describe_address(const struct relay_addr *a)
{
	const struct sockaddr_in6 *in6 = (const void *)&a->ss;
	const struct sockaddr_in *in = (const void *)&a->ss;
	struct in6_addr mapped = {.s6_addr = {[10] = 0xff, 0xff}};
	json_object *o;
	char text[160];

	if (a->ss.ss_family == AF_INET6)
		return output_address(in6->sin6_addr.s6_addr, ntohs(in6->sin6_port));
	if (a->ss.ss_family == AF_INET) {
		mapped.s6_addr32[3] = in->sin_addr.s_addr;
		return output_address(mapped.s6_addr, ntohs(in->sin_port));
	}
	relay_addr_format(a, text, sizeof(text));
	o = json_object_new_object();
	json_object_object_add(o, "address", output_string(text, strlen(text)));
	json_object_object_add(o, "port", NULL);
	return o;
}

static json_object *describe_end(int fd)
{
	json_object *o = json_object_new_object();
	struct relay_addr a = {.len = sizeof(a.ss)};

	/* zeroed up to the end of sun_path: the kernel need not terminate it */
	if (fd >= 0 && !getsockname(fd, (struct sockaddr *)&a.ss, &a.len))
		json_object_object_add(o, "local", describe_address(&a));
	a = (struct relay_addr){.len = sizeof(a.ss)};
	if (fd >= 0 && !getpeername(fd, (struct sockaddr *)&a.ss, &a.len))
		json_object_object_add(o, "peer", describe_address(&a));
	return o;
}

static json_object *describe_ends(const struct relay_pair *p)
{
	json_object *ends = json_object_new_array();

	json_object_array_add(ends, describe_end(p->sock[0].fd));
	json_object_array_add(ends, describe_end(p->sock[1].fd));
	return ends;
}

static json_object *describe_pair(const struct relay_pair *p)
{
	static const char *const states[] = {[PAIR_WAITING] = "waiting",
					     [PAIR_CONNECTING] = "connecting",
					     [PAIR_JOINED] = "joined",
					     [PAIR_DEAD] = "closed"};
	json_object *o = json_object_new_object();

	add_peer(o, "a", p->sock[0].fd);
	add_peer(o, "b", p->sock[1].fd);
	json_object_object_add(o, "ends", describe_ends(p));
	json_object_object_add(o, "collapsed", json_object_new_boolean(relay_collapse_hopping(p)));
	add_text(o, "state", states[p->state]);
	add(o, "seconds", (p->worker->now - p->start_ns) / RELAY_NS);
	json_object_object_add(o, "a_to_b", describe_dir(&p->dir[0]));
	json_object_object_add(o, "b_to_a", describe_dir(&p->dir[1]));
	return o;
}

/* What hops past us, of the pairs that there are. */
struct past {
	uint64_t pairs, bytes;
};

static json_object *describe_pairs(const struct relay_worker *w, struct relay_totals *t, struct past *past)
{
	json_object *pairs = json_object_new_array();
	const struct relay_pair *p;

	TAILQ_FOREACH(p, &w->pairs, all)
	{
		json_object_array_add(pairs, describe_pair(p));
		past->pairs += relay_collapse_hopping(p);
		past->bytes += p->hopped[0].bytes + p->hopped[1].bytes;
		for (int i = 0; i < 2; i++) {
			t->kernel += relay_dir_kernel_bytes(&p->dir[i]);
			t->splice += p->dir[i].spliced;
			t->copy += p->dir[i].copied;
			t->trimmed += relay_dir_trimmed(&p->dir[i]);
		}
	}
	return pairs;
}

static json_object *describe(const struct relay_worker *w)
{
	json_object *o = json_object_new_object(), *targets = json_object_new_array(), *pairs;
	struct relay_totals t = w->total;
	struct past past = {0};
	char text[160];

	for (size_t i = 0; i < w->conf->n_targets; i++)
		json_object_array_add(targets, json_object_new_string(w->conf->targets[i].name));
	relay_addr_format(&w->conf->listen, text, sizeof(text));
	add_text(o, "program", program_invocation_short_name);
	add(o, "pid", getpid());
	add(o, "worker", w->index);
	add_text(o, "mode", w->conf->mode == RELAY_PAIR ? "pair" : "forward");
	add_text(o, "listen", text);
	json_object_object_add(o, "targets", targets);
	json_object_object_add(o, "kernel", json_object_new_boolean(w->kern != NULL));
	json_object_object_add(o, "draining", json_object_new_boolean(w->draining));
	json_object_object_add(o, "collapse", json_object_new_boolean(w->collapse != NULL));
	pairs = describe_pairs(w, &t, &past);
	add(o, "connections", w->n_pairs);
	add(o, "collapsed", past.pairs);
	add(o, "connections_total", t.pairs);
	add(o, "failed", t.failed);
	json_object_object_add(o, "bytes", bytes(t.kernel, t.splice, t.copy));
	add(o, "hopped", past.bytes);
	add(o, "trimmed", t.trimmed);
	json_object_object_add(o, "pairs", pairs);
	return o;
}

/* An fd goes as ancillary data of one byte (cmsg(3), SCM_RIGHTS). */
union fd_message {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static int send_fd(int sock, int fd)
{
	union fd_message u = {0};
	char byte = 0;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof(u.buf)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int receive_fd(int sock, int *fd)
{
	union fd_message u;
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof(u.buf)};
	struct cmsghdr *c;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(fd, CMSG_DATA(c), sizeof(int));
	return 0;
}

void relay_state_ready(struct relay_worker *w, struct relay_event *ev, uint32_t events)
{
	_cleanup_close_ int sock = accept4(w->state_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	_cleanup_close_ int mem = memfd_create("sockhop-relay", MFD_CLOEXEC);
	json_object *o;

	(void)ev;
	(void)events;
	if (sock < 0 || mem < 0)
		return;
	relay_collapse_refresh(w, true);
	o = describe(w);
	if (!json_object_to_fd(mem, o, JSON_C_TO_STRING_PLAIN))
		(void)send_fd(sock, mem);
	json_object_put(o);
}

static void socket_path(struct sockaddr_un *un, const char *name)
{
	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(un->sun_path, sizeof(un->sun_path), RELAY_RUN_DIR "/%.64s", name);
}

int relay_state_open(struct relay_worker *w)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un un;
	char name[64];
	mode_t mask;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (mkdir(RELAY_RUN_DIR, 0755) && errno != EEXIST)
		return -errno;
	snprintf(name, sizeof(name), "relay-%d.sock", getpid());
	socket_path(&un, name);
	unlink(un.sun_path);
	mask = umask(0177);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) || listen(fd, 16))
		err = -errno;
	umask(mask);
	if (err)
		return err;
	snprintf(w->state_path, sizeof(w->state_path), "%s", un.sun_path);
	w->state_fd = steal_fd(&fd);
	return relay_epoll(w, EPOLL_CTL_ADD, w->state_fd, EPOLLIN, &w->on_state);
}

void relay_state_close(struct relay_worker *w)
{
	if (w->state_fd < 0)
		return;
	unlink(w->state_path);
	close(w->state_fd);
	w->state_fd = -1;
}

/* What the relay behind one socket says, NULL if nothing. */
static json_object *ask(const char *name)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct timeval patience = {.tv_sec = 2};
	_cleanup_close_ int mem = -1;
	struct sockaddr_un un;

	if (fd < 0)
		return NULL;
	socket_path(&un, name);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un))) {
		/* nobody listens: a relay that was killed left it */
		if (errno == ECONNREFUSED)
			unlink(un.sun_path);
		return NULL;
	}
	if (receive_fd(fd, &mem) || lseek(mem, 0, SEEK_SET))
		return NULL;
	return json_object_from_fd(mem);
}

int relay_list(json_object **out)
{
	json_object *list = json_object_new_array();
	struct dirent **names = NULL;
	int n = scandir(RELAY_RUN_DIR, &names, NULL, alphasort);

	if (n < 0 && errno != ENOENT) {
		json_object_put(list);
		return -errno;
	}
	for (int i = 0; i < n; i++) {
		json_object *o = NULL;

		if (!fnmatch("relay-*.sock", names[i]->d_name, 0))
			o = ask(names[i]->d_name);
		if (o)
			json_object_array_add(list, o);
		free(names[i]);
	}
	free(names);
	*out = list;
	return 0;
}
