// SPDX-License-Identifier: GPL-2.0-only
#include <stdint.h>
#ifndef NO_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "notify.h"

#ifdef NO_SYSTEMD

void notify_ready(void)
{
}

void notify_stopping(void)
{
}

int notify_alive(unsigned long long now, int ms)
{
	(void)now;
	return ms;
}

#else

/* In ns: the watchdog's time, and when it was told last. */
static unsigned long long watchdog, told;

void notify_ready(void)
{
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) > 0)
		watchdog = usec * 1000;
	sd_notify(0, "READY=1");
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

/* Three times as often as it must be: a busy host may let us wait. */
int notify_alive(unsigned long long now, int ms)
{
	unsigned long long every = watchdog / 3;
	int left;

	if (!watchdog)
		return ms;
	if (now - told >= every) {
		sd_notify(0, "WATCHDOG=1");
		told = now;
	}
	left = (int)((told + every - now) / 1000000) + 1;
	return ms < 0 || left < ms ? left : ms;
}

#endif
