// SPDX-License-Identifier: GPL-2.0
/* Helpers for work queues. */
#include <linux/workqueue.h>

#include "../helpers.h"

void rust_helper_work_init(struct work_struct *work, work_func_t func)
{
	INIT_WORK(work, func);
}

void rust_helper_work_schedule(struct work_struct *work)
{
	schedule_work(work);
}

void rust_helper_delayed_work_init(struct delayed_work *work, work_func_t func)
{
	INIT_DELAYED_WORK(work, func);
}

void rust_helper_delayed_work_schedule(struct delayed_work *work,
				       unsigned long delay)
{
	schedule_delayed_work(work, delay);
}
