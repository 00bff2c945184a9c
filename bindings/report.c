// SPDX-License-Identifier: GPL-2.0
/*
 * Schedules the report of suppressed lines. The work is a static in C, not a
 * value in Rust, since safe code may leak a value without cancelling its work.
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
