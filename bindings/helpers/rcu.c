// SPDX-License-Identifier: GPL-2.0
/* Helpers for RCU. */
#include <linux/preempt.h>
#include <linux/rcupdate.h>

#include "../helpers.h"

/*
 * Hooks run inside rcu_read_lock(), which not every kernel counts, often with
 * softirqs off.
 */
bool nf_tracer_may_wait_for_rcu(void)
{
	return !rcu_preempt_depth() && !preempt_count() && !irqs_disabled();
}

/* An inline function on a UP kernel. */
void rust_helper_synchronize_rcu_expedited(void)
{
	synchronize_rcu_expedited();
}
