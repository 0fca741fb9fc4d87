// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "addr.h"

static int fail(const char **why, const char *text)
{
	*why = text;
	return -EINVAL;
}

int relay_addr_split(const char *text, char *host, size_t host_size, char *port, size_t port_size,
		     const char **why)
{
	const char *colon = strrchr(text, ':'), *begin = text, *end = colon;

	if (!colon)
		begin = end = text;
	if (begin < end && *begin == '[') {
		if (end[-1] != ']')
			return fail(why, "a '[' wants a ']' before the port");
		begin++;
		end--;
	} else if (begin < end && memchr(begin, ':', end - begin)) {
		return fail(why, "an IPv6 address wants brackets: [::1]:80");
	}
	if ((size_t)(end - begin) >= host_size || strlen(colon ? colon + 1 : text) >= port_size)
		return fail(why, "it is too long");
	memcpy(host, begin, end - begin);
	host[end - begin] = '\0';
	strcpy(port, colon ? colon + 1 : text);
	return *port ? 0 : fail(why, "the port is missing");
}

static int resolve(const char *host, const char *port, int flags, struct addrinfo **out, const char **why)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
	int err = getaddrinfo(host, port, &hints, out);

	if (!err)
		return 0;
	*why = err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err);
	return -EADDRNOTAVAIL;
}

static void take(struct relay_addr *a, const struct addrinfo *ai)
{
	memset(a, 0, sizeof(*a));
	memcpy(&a->ss, ai->ai_addr, ai->ai_addrlen);
	a->len = ai->ai_addrlen;
}

static int resolve_one(const char *host, const char *port, int flags, struct relay_addr *out,
		       const char **why)
{
	struct addrinfo *ai;
	int err = resolve(host, port, flags, &ai, why);

	if (err)
		return err;
	take(out, ai);
	freeaddrinfo(ai);
	return 0;
}

int relay_addr_listen(const char *text, struct relay_addr *out, const char **why)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	int err = relay_addr_split(text, host, sizeof(host), port, sizeof(port), why);

	if (err)
		return err;
	if (*host && strcmp(host, "*"))
		return resolve_one(host, port, AI_PASSIVE, out, why);
	/* [::] takes IPv4 too, unless the host has no IPv6 */
	if (!resolve_one("::", port, AI_PASSIVE | AI_NUMERICHOST, out, why)) {
		int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd >= 0) {
			close(fd);
			return 0;
		}
	}
	return resolve_one("0.0.0.0", port, AI_PASSIVE, out, why);
}

int relay_addr_source(const char *text, struct relay_addr *out, const char **why)
{
	char host[NI_MAXHOST];
	size_t n = strlen(text);

	if (n >= sizeof(host))
		return fail(why, "it is too long");
	strcpy(host, text);
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		return resolve_one(host + 1, NULL, 0, out, why);
	}
	return resolve_one(host, NULL, 0, out, why);
}

static int unix_addr(const char *path, struct relay_addr *a, const char **why)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&a->ss;

	memset(a, 0, sizeof(*a));
	if (!*path)
		return fail(why, "the path is missing");
	if (strlen(path) >= sizeof(un->sun_path))
		return fail(why, "the path is too long");
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	a->len = offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
	return 0;
}

static int inet_addrs(const char *text, struct relay_target *t, const char **why)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	struct addrinfo *list;
	int err = relay_addr_split(text, host, sizeof(host), port, sizeof(port), why);

	if (!err && !*host)
		err = fail(why, "the host is missing");
	if (!err)
		err = resolve(host, port, AI_ADDRCONFIG, &list, why);
	if (err)
		return err;
	for (struct addrinfo *ai = list; ai; ai = ai->ai_next)
		t->n_addr++;
	t->addr = calloc(t->n_addr, sizeof(*t->addr));
	if (t->addr) {
		t->n_addr = 0;
		for (struct addrinfo *ai = list; ai; ai = ai->ai_next)
			take(&t->addr[t->n_addr++], ai);
	}
	freeaddrinfo(list);
	return t->addr ? 0 : -ENOMEM;
}

int relay_target_resolve(const char *text, struct relay_target *out, const char **why)
{
	struct relay_target t = {.name = strdup(text)};
	int err;

	*why = strerror(ENOMEM);
	if (!t.name)
		return -ENOMEM;
	if (!strncmp(text, "unix:", 5)) {
		t.addr = calloc(1, sizeof(*t.addr));
		t.n_addr = 1;
		err = t.addr ? unix_addr(text + 5, t.addr, why) : -ENOMEM;
	} else {
		err = inet_addrs(text, &t, why);
	}
	if (err) {
		relay_target_free(&t);
		return err;
	}
	*out = t;
	return 0;
}

void relay_target_free(struct relay_target *t)
{
	free(t->name);
	free(t->addr);
	t->name = NULL;
	t->addr = NULL;
	t->n_addr = 0;
}

/* A v4-mapped IPv6 address as what it stands for; others as they are. */
static struct relay_addr unmap(const struct relay_addr *a)
{
	const struct sockaddr_in6 *in6 = (const void *)&a->ss;
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct relay_addr r = *a;

	if (a->ss.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return r;
	in.sin_port = in6->sin6_port;
	memcpy(&in.sin_addr, &in6->sin6_addr.s6_addr[12], 4);
	memset(&r, 0, sizeof(r));
	memcpy(&r.ss, &in, sizeof(in));
	r.len = sizeof(in);
	return r;
}

void relay_addr_format(const struct relay_addr *a, char *buf, size_t size)
{
	struct relay_addr u = unmap(a);
	const struct sockaddr_in6 *in6 = (const void *)&u.ss;
	const struct sockaddr_in *in = (const void *)&u.ss;
	const struct sockaddr_un *un = (const void *)&u.ss;
	char text[INET6_ADDRSTRLEN] = "";

	if (!u.len)
		snprintf(buf, size, "-");
	else if (u.ss.ss_family == AF_INET)
		snprintf(buf, size, "%s:%u", inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)),
			 ntohs(in->sin_port));
	else if (u.ss.ss_family == AF_INET6)
		snprintf(buf, size, "[%s]:%u", inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)),
			 ntohs(in6->sin6_port));
	else
		snprintf(buf, size, "unix:%s",
			 u.len > offsetof(struct sockaddr_un, sun_path) ? un->sun_path : "");
}

enum {
	PROXY_VERSION = 0x20,
	PROXY_CMD_PROXY = 0x01,
	PROXY_FAM_TCP4 = 0x11,
	PROXY_FAM_TCP6 = 0x21,
	PROXY_HEADER = 16,
};

size_t relay_proxy_v2(const struct relay_addr *src, const struct relay_addr *dst, uint8_t buf[PROXY_V2_MAX])
{
	static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
	struct relay_addr s = unmap(src), d = unmap(dst);
	const struct sockaddr_in *s4 = (const void *)&s.ss, *d4 = (const void *)&d.ss;
	const struct sockaddr_in6 *s6 = (const void *)&s.ss, *d6 = (const void *)&d.ss;
	uint8_t *p = buf + PROXY_HEADER;

	memcpy(buf, signature, sizeof(signature));
	buf[12] = PROXY_VERSION | PROXY_CMD_PROXY;
	if (s.ss.ss_family == AF_INET && d.ss.ss_family == AF_INET) {
		buf[13] = PROXY_FAM_TCP4;
		memcpy(p, &s4->sin_addr, 4);
		memcpy(p + 4, &d4->sin_addr, 4);
		memcpy(p + 8, &s4->sin_port, 2);
		memcpy(p + 10, &d4->sin_port, 2);
		p += 12;
	} else if (s.ss.ss_family == AF_INET6 && d.ss.ss_family == AF_INET6) {
		buf[13] = PROXY_FAM_TCP6;
		memcpy(p, &s6->sin6_addr, 16);
		memcpy(p + 16, &d6->sin6_addr, 16);
		memcpy(p + 32, &s6->sin6_port, 2);
		memcpy(p + 34, &d6->sin6_port, 2);
		p += 36;
	} else {
		buf[12] = PROXY_VERSION; /* LOCAL */
		buf[13] = 0;
	}
	buf[14] = 0;
	buf[15] = p - buf - PROXY_HEADER;
	return p - buf;
}
