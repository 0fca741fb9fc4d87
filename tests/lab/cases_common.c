// SPDX-License-Identifier: GPL-2.0-only
/* cases_common: what the cases of the catalogue note, and how; see lab.h. */
#include "lab.h"
#include "../prog/process.h"

#include <sched.h>

void note(struct lab *t, const char *key, const char *fmt, ...)
{
	char line[1000];
	int n = snprintf(line, sizeof(line), "%s: ", key);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	fprintf(t->out, "%s\n", line);
}

void note_ret(struct lab *t, const char *key, ssize_t r)
{
	if (r < 0)
		note(t, key, "%s", err_name(errno));
	else
		note(t, key, "%zd", r);
}

/* FNV-1a, for bytes that are too many to show. */
static uint32_t digest(const unsigned char *p, size_t n)
{
	uint32_t h = 2166136261u;

	while (n--)
		h = (h ^ *p++) * 16777619u;
	return h;
}

void note_data(struct lab *t, const char *key, ssize_t r, const void *data)
{
	if (r < 0)
		note(t, key, "%s", err_name(errno));
	else if (!r)
		note(t, key, "EOF");
	else if (r <= 40)
		note(t, key, "%zd '%.*s'", r, (int)r, (const char *)data);
	else
		note(t, key, "%zd digest %08x", r, digest(data, r));
}

const char *poll_names(int ev)
{
	static const struct {
		int bit;
		const char *name;
	} names[] = {
		{POLLIN, "IN"},	  {POLLPRI, "PRI"},  {POLLOUT, "OUT"},	     {POLLERR, "ERR"},
		{POLLHUP, "HUP"}, {0x2000, "RDHUP"}, {POLLRDBAND, "RDBAND"},
	};
	static __thread char buf[100];
	size_t i;

	buf[0] = '\0';
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (ev & names[i].bit) {
			strcat(buf, buf[0] ? "|" : "");
			strcat(buf, names[i].name);
		}
	return buf[0] ? buf : "-";
}

void note_poll(struct lab *t, const char *key, int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	if (events)
		poll(&p, 1, ms);
	else
		msleep(ms);
	p.events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP;
	poll(&p, 1, 0);
	note(t, key, "%s", poll_names(p.revents));
}

void note_time(struct lab *t, const char *key, double took, double expected)
{
	if (took < 0.1 && expected > 0.15)
		note(t, key, "at once");
	else if (took < expected * 0.5)
		note(t, key, "early");
	else if (took < expected * 3 + 0.3)
		note(t, key, "in time");
	else
		note(t, key, "late");
}

ssize_t note_recv(struct lab *t, const char *key, int fd, size_t size, int flags)
{
	static __thread char buf[1 << 20];
	ssize_t r;

	wait_for(fd, POLLIN, 1000);
	r = recv(fd, buf, size < sizeof(buf) ? size : sizeof(buf), flags | MSG_DONTWAIT);
	note_data(t, key, r, buf);
	return r;
}

void note_rest(struct lab *t, const char *key, int fd)
{
	static __thread unsigned char buf[1 << 16];
	uint32_t h = 2166136261u;
	size_t n = 0;
	ssize_t r, i;

	for (;;) {
		if (!wait_for(fd, POLLIN, 300)) {
			note(t, key, "%zu digest %08x then nothing", n, h);
			return;
		}
		r = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (r <= 0)
			break;
		for (i = 0; i < r; i++)
			h = (h ^ buf[i]) * 16777619u;
		n += r;
	}
	note(t, key, "%zu digest %08x then %s", n, h, r ? err_name(errno) : "EOF");
}

void lab_sent(struct lab *t, int fd, uint64_t before, ssize_t r)
{
	if (r <= 0)
		return;
	if (path_sent(fd) == before)
		__atomic_fetch_add(&t->hopped, r, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&t->stayed, r, __ATOMIC_RELAXED);
}

static void put_bytes(struct lab *t, int fd, const char *p, size_t n)
{
	double until = now() + 5;
	ssize_t r;

	while (n) {
		r = SENT(t, fd, send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT));
		if (r > 0) {
			p += r;
			n -= r;
		} else if (errno != EAGAIN || now() > until) {
			note(t, "put", "%s", err_name(errno));
			return;
		} else {
			wait_for(fd, POLLOUT, 100);
		}
	}
}

void put(struct lab *t, int fd, const char *text)
{
	put_bytes(t, fd, text, strlen(text));
}

void put_n(struct lab *t, int fd, size_t n)
{
	char *b = malloc(n);
	size_t i;

	if (!b)
		die("malloc");
	for (i = 0; i < n; i++)
		b[i] = 'a' + i % 26;
	put_bytes(t, fd, b, n);
	free(b);
}

size_t fill_up(struct lab *t, int fd)
{
	static const char b[4096];
	size_t n = 0;
	ssize_t r;

	while ((r = SENT(t, fd, send(fd, b, sizeof(b), MSG_NOSIGNAL | MSG_DONTWAIT))) > 0 ||
	       wait_for(fd, POLLOUT, 100) & POLLOUT)
		n += r > 0 ? r : 0;
	return n;
}

void note_alive(struct lab *t)
{
	int i, err = 0;

	for (i = 0; i < 20 && !err; i++)
		err = round_trip(t->a, t->b, 100);
	note(t, "alive", "%s", err_name(err));
}

void settle(void)
{
	msleep(30);
}

static void *run_send(void *arg)
{
	struct later *l = arg;

	msleep(l->ms);
	put(l->t, l->fd, l->text);
	return NULL;
}

static void *run_shutdown(void *arg)
{
	struct later *l = arg;

	msleep(l->ms);
	shutdown(l->fd, l->how);
	return NULL;
}

static void *run_close(void *arg)
{
	struct later *l = arg;

	msleep(l->ms);
	close(l->fd);
	return NULL;
}

/* The threads take no signals: those are for the one who waits. */
static void begin(struct later *l, void *(*fn)(void *))
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&l->thread, NULL, fn, l))
		die("thread");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void send_later(struct later *l)
{
	begin(l, run_send);
}

void shutdown_later(struct later *l)
{
	begin(l, run_shutdown);
}

void close_later(struct later *l)
{
	begin(l, run_close);
}

void finish_later(struct later *l)
{
	pthread_join(l->thread, NULL);
}

void lab_nonblock(struct lab *t, bool on)
{
	set_nonblock(t->a, on);
	set_nonblock(t->b, on);
}

void make_blocking(struct lab *t)
{
	lab_nonblock(t, false);
}

void make_pair(struct lab *t, const char *listen_addr, const char *connect_addr)
{
	int l = tcp_listen(listen_addr, 0);

	t->a = tcp_connect(connect_addr, local_port(l));
	t->b = tcp_accept(l);
	lab_nonblock(t, true);
	close(l);
}

void own_netns(const char *key, const char *value)
{
	char path[100];
	int fd;

	if (unshare(CLONE_NEWNET))
		die("unshare");
	lo_up();
	if (!key)
		return;
	/* proc shows the namespace of the process that opens the file */
	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", key);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die("%s", path);
	close(fd);
}

const char *lab_ask(const char *arguments)
{
	static char text[1 << 20];
	const char *sockhop = getenv("SOCKHOP"), *instance = getenv("SOCKHOP_INSTANCE");
	char cmd[600];
	size_t n = 0;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "'%s' %s --json --instance '%s'", sockhop ? sockhop : "sockhop", arguments,
		 instance ? instance : "default");
	f = popen(cmd, "re");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		pclose(f);
	}
	text[n] = '\0';
	return text;
}

void lab_why(int fd, char *why, size_t size)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	char key[64], *at;

	snprintf(why, size, "?");
	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	snprintf(key, sizeof(key), "\"cookie\": %llu,", (unsigned long long)cookie);
	at = strstr(lab_ask("list --all"), key);
	at = at ? strstr(at, "\"why_not\": ") : NULL;
	if (!at)
		return;
	at += strlen("\"why_not\": ");
	snprintf(why, size, "%.*s", *at == '"' ? (int)strcspn(at + 1, "\"") : 0, at + 1);
}
