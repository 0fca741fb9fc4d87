// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <syslog.h>
#include <time.h>

#include "util.h"

int log_level;
void (*msg_before)(void);
static bool to_syslog;

static void vmsg(int prio, const char *prefix, const char *fmt, va_list ap)
{
	if (to_syslog) {
		vsyslog(prio, fmt, ap);
		return;
	}
	/* one write: messages of several processes must not mix within a line */
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (msg_before)
		msg_before();
	fprintf(stderr, "sockhop: %s%s\n", prefix, text);
}

#define DEFINE_MSG(name, prio, prefix, level) \
	void name(const char *fmt, ...)       \
	{                                     \
		va_list ap;                   \
                                              \
		if (log_level < (level))      \
			return;               \
		va_start(ap, fmt);            \
		vmsg(prio, prefix, fmt, ap);  \
		va_end(ap);                   \
	}
DEFINE_MSG(msg_error, LOG_ERR, "", 0)
DEFINE_MSG(msg_warn, LOG_WARNING, "warning: ", 0)
DEFINE_MSG(msg_info, LOG_INFO, "", 1)
DEFINE_MSG(msg_debug, LOG_DEBUG, "debug: ", 2)

void log_to_syslog(void)
{
	openlog("sockhop", LOG_PID, LOG_DAEMON);
	to_syslog = true;
}

bool process_alive(pid_t pid)
{
	return !kill(pid, 0) || errno != ESRCH;
}

void *array_grow(void *array, size_t n, size_t *room, size_t size)
{
	size_t more = *room ? 2 * *room : 64;

	if (n < *room)
		return array;
	array = reallocarray(array, more, size);
	if (array)
		*room = more;
	return array;
}

static unsigned long long clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

unsigned long long now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

unsigned long long cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}
