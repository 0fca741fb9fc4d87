// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "http.h"

#ifdef NO_HTTP /* build/static/sockhop: libmicrohttpd brings GnuTLS, of which not all exists as static \
		  libraries */

bool metrics_can_serve(void)
{
	return false;
}

int metrics_serve(struct metrics *m, int fd)
{
	(void)m;
	(void)fd;
	return -EOPNOTSUPP;
}

#else

#include <signal.h>
#include <string.h>
#include <microhttpd.h>

#include "metrics.h"
#include "agent/lib/util.h"
#include "agent/view/output.h"

#define FRESH_NS	1000000000ull
#define CONNECTIONS_MAX 16
#define CLIENT_SECONDS	10 /* of silence, then the connection is ended */

/* Touched by the one thread of the server only. */
struct server {
	struct metrics *metrics;
	json_object *collected;
	unsigned long long at; /* now_ns(); 0: nothing was collected yet */
	int err;
};

static void collect(struct server *s)
{
	unsigned long long now = now_ns();

	if (s->at && now - s->at < FRESH_NS)
		return;
	json_object_put(s->collected);
	s->collected = metrics_collect(s->metrics, &s->err);
	s->at = now;
}

static enum MHD_Result answer(struct MHD_Connection *c, unsigned int status, const char *type, char *text,
			      size_t size, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(size, text, mode);
	enum MHD_Result ret;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	ret = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ret;
}

static enum MHD_Result answer_words(struct MHD_Connection *c, unsigned int status, const char *words)
{
	return answer(c, status, "text/plain; charset=utf-8", (char *)words, strlen(words),
		      MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result answer_metrics(struct MHD_Connection *c, struct server *s)
{
	const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	enum metrics_format format = metrics_negotiate(accept);
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	collect(s);
	/* not attached is a fact that is served */
	if (s->err && s->err != -ENOENT)
		return answer_words(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "sockhop: cannot open the instance\n");
	f = open_memstream(&text, &size);
	if (!f)
		return MHD_NO;
	metrics_write(f, s->collected, format);
	if (fclose(f)) {
		free(text);
		return MHD_NO;
	}
	return answer(c, MHD_HTTP_OK, metrics_media_type(format), text, size, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method,
				  const char *version, const char *data, size_t *size, void **state)
{
	(void)version;
	(void)data;
	/* libmicrohttpd asks first with the head of a request, then with its body, which is not looked at,
	 * and in the end without: who answers earlier loses the connection */
	if (!*state || *size) {
		*state = c;
		*size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return answer_words(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	if (!strcmp(url, "/metrics"))
		return answer_metrics(c, arg);
	if (!strcmp(url, "/"))
		return answer_words(c, MHD_HTTP_OK, "sockhop: /metrics\n");
	return answer_words(c, MHD_HTTP_NOT_FOUND, "sockhop: /metrics\n");
}

bool metrics_can_serve(void)
{
	return true;
}

int metrics_serve(struct metrics *m, int fd)
{
	struct server s = {.metrics = m};
	struct MHD_Daemon *d;
	sigset_t ends;
	int got;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	/* before the thread of the server begins, which then has them blocked as well */
	sigprocmask(SIG_BLOCK, &ends, NULL);
	d = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO, 0, NULL, NULL, on_request, &s,
			     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
			     MHD_OPTION_CONNECTION_TIMEOUT, CLIENT_SECONDS, MHD_OPTION_END);
	if (!d)
		return errno ? -errno : -EIO;
	sigwait(&ends, &got);
	MHD_stop_daemon(d);
	json_object_put(s.collected);
	return 0;
}

#endif
