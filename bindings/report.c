// SPDX-License-Identifier: GPL-2.0
/*
 * Schedules the report on suppressed lines. It is a static of C's, not a value of
 * Rust's, since safe code may forget any value without cancelling what it has begun.
 */
#include <linux/jiffies.h>
#include <linux/workqueue.h>

#include "report.h"

static void report(struct work_struct *work)
{
	nf_tracer_report_suppressed();
}

static DECLARE_DELAYED_WORK(report_work, report);

void nf_tracer_schedule_report(void)
{
	schedule_delayed_work(&report_work, HZ);
}

void nf_tracer_cancel_report(void)
{
	cancel_delayed_work_sync(&report_work);
}
