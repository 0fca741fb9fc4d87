/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * preempt.h: does this kernel preempt itself? Then programs of type tracing can be left out: one that is
 * preempted counts as running on that CPU, and is not entered a second time (bpf_prog_check_recur(),
 * __bpf_prog_enter_recur()). Those of LSM always run.
 */
#ifndef SOCKHOP_PREEMPT_H
#define SOCKHOP_PREEMPT_H

#include "maps.h"

extern const void woken_wake_function __ksym __weak;
extern const void preempt_schedule_irq __ksym __weak; /* CONFIG_PREEMPTION */
extern const void preempt_dynamic_mode __ksym __weak; /* CONFIG_PREEMPT_DYNAMIC; 0 none, 1 voluntary */

static __always_inline bool preempts(void)
{
	int mode = -1;

	if (!&woken_wake_function) /* symbols are hidden: it cannot be told */
		return true;
	if (!&preempt_schedule_irq)
		return false;
	if (&preempt_dynamic_mode)
		bpf_probe_read_kernel(&mode, sizeof(mode), &preempt_dynamic_mode);
	return mode != 0 && mode != 1;
}

#endif
