// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "listen.h"
#include "agent/lib/util.h"
#include "agent/relay/addr.h"

#define BACKLOG	 16
#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

static int listen_on(struct listener *l, const struct relay_addr *a)
{
	const int on = 1;

	l->fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l->fd, (const void *)&a->ss, a->len) || listen(l->fd, BACKLOG))
		return -errno;
	return 0;
}

/* The port that was chosen, where it was 0. */
static void name_tcp(struct listener *l)
{
	struct relay_addr a = {.len = sizeof(a.ss)};
	char text[100];

	if (getsockname(l->fd, (void *)&a.ss, &a.len))
		return;
	relay_addr_format(&a, text, sizeof(text));
	snprintf(l->name, sizeof(l->name), "http://%s/metrics", text);
}

static int parse_tcp(const char *where, struct relay_addr *a, const char **why)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	char host[128], port[16];
	struct addrinfo *found;
	int err = relay_addr_split(where, host, sizeof(host), port, sizeof(port), why);

	if (err)
		return err;
	/* getaddrinfo(3) takes larger ones, and cuts them */
	if (strspn(port, "0123456789") == strlen(port) && strtoul(port, NULL, 10) > UINT16_MAX) {
		*why = "ports end with 65535";
		return -EINVAL;
	}
	if (getaddrinfo(*host ? host : "127.0.0.1", port, &hints, &found)) {
		*why = "it is no numeric address and port";
		return -EINVAL;
	}
	memcpy(&a->ss, found->ai_addr, found->ai_addrlen);
	a->len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static int open_tcp(const char *where, struct listener *l, const char **why)
{
	struct relay_addr a;
	int err = parse_tcp(where, &a, why);

	if (err)
		return err;
	snprintf(l->name, sizeof(l->name), "%s", where);
	err = listen_on(l, &a);
	if (!err)
		name_tcp(l);
	return err;
}

static int check_unix(const char *path, const char **why)
{
	if (*path == '/' && strlen(path) < sizeof(((struct sockaddr_un *)0)->sun_path))
		return 0;
	*why = "a Unix socket wants an absolute path of less than 108 bytes";
	return -EINVAL;
}

/* A socket file that a process which was killed has left? */
static bool is_stale(const struct sockaddr_un *un)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	return fd >= 0 && !lstat(un->sun_path, &st) && S_ISSOCK(st.st_mode) &&
	       connect(fd, (const void *)un, sizeof(*un)) && errno == ECONNREFUSED;
}

static int open_unix(const char *path, struct listener *l, const char **why)
{
	struct relay_addr a = {.len = sizeof(struct sockaddr_un)};
	struct sockaddr_un *un = (void *)&a.ss;
	int err = check_unix(path, why);
	mode_t old;

	if (err)
		return err;
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	snprintf(l->name, sizeof(l->name), "unix:%s", path);
	/* the folder and, within it, the group decide who may read */
	old = umask(0117);
	err = listen_on(l, &a);
	if (err == -EADDRINUSE && is_stale(un)) {
		util__close(&l->fd);
		err = unlink(path) ? -errno : listen_on(l, &a);
	}
	umask(old);
	if (!err)
		strcpy(l->unlink, path);
	return err;
}

/* The protocol of sd_listen_fds(3): the descriptors from 3 on belong to the process that LISTEN_PID names. */
static int open_inherited(struct listener *l, const char **why)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int listens = 0;
	socklen_t len = sizeof(listens);

	if (!pid || !fds || atoi(pid) != getpid() || atoi(fds) < 1) {
		*why = "no service manager has handed a socket over (LISTEN_FDS)";
		return -EINVAL;
	}
	if (atoi(fds) > 1) {
		*why = "the service manager has handed several sockets over, one is wanted (LISTEN_FDS)";
		return -EINVAL;
	}
	if (getsockopt(FIRST_FD, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) || !listens) {
		*why = "what the service manager has handed over is no listening socket (Accept=no?)";
		return -EINVAL;
	}
	l->fd = FIRST_FD;
	snprintf(l->name, sizeof(l->name), "the socket of the service manager");
	return 0;
}

int listener_open(const char *where, struct listener *l, const char **why)
{
	struct listener out = {.fd = -1};
	int err;

	if (!strcmp(where, "fd"))
		err = open_inherited(&out, why);
	else if (!strncmp(where, "unix:", 5))
		err = open_unix(where + 5, &out, why);
	else
		err = open_tcp(where, &out, why);
	if (err)
		util__close(&out.fd);
	else
		*l = out;
	return err;
}

int listener_check(const char *where, const char **why)
{
	struct relay_addr a;

	if (!strcmp(where, "fd"))
		return 0;
	return strncmp(where, "unix:", 5) ? parse_tcp(where, &a, why) : check_unix(where + 5, why);
}

void listener_close(struct listener *l)
{
	util__close(&l->fd);
	if (l->unlink[0])
		unlink(l->unlink);
}
