// SPDX-License-Identifier: GPL-2.0
/*
 * Two threads that add to the same number for a while, by 'insmod racer.ko
 * kind=KIND', so that it can be seen that a data race is reported, and what is
 * none is not. It never stays: insmod says EAGAIN.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>

#include "adding.h"

#define SECONDS 3

static char *kind = "add_marked";
module_param(kind, charp, 0444);
MODULE_PARM_DESC(kind, "which function adds");

static noinline void add_in_c(u64 *number)
{
	*number += 1;
}

static noinline void add_marked(u64 *number)
{
	WRITE_ONCE(*number, READ_ONCE(*number) + 1);
}

static const struct way {
	const char *kind;
	void (*add)(u64 *number);
} ways[] = {
	{ "add_marked", add_marked },
	{ "add_in_c", add_in_c },
	{ "racer_add_in_rust", racer_add_in_rust },
};

static int add(void *which)
{
	static u64 number;
	const struct way *way = which;

	while (!kthread_should_stop()) {
		way->add(&number);
		cond_resched();
	}
	return 0;
}

static int __init racer_init(void)
{
	const struct way *way = ways;
	const struct way *end = way + ARRAY_SIZE(ways);
	struct task_struct *first, *second;

	while (way != end && strcmp(way->kind, kind) != 0)
		way++;
	if (way == end)
		return -EINVAL;
	first = kthread_run(add, (void *)way, "racer");
	if (IS_ERR(first))
		return PTR_ERR(first);
	second = kthread_run(add, (void *)way, "racer");
	if (!IS_ERR(second)) {
		ssleep(SECONDS);
		kthread_stop(second);
	}
	kthread_stop(first);
	return IS_ERR(second) ? PTR_ERR(second) : -EAGAIN;
}
module_init(racer_init);

MODULE_DESCRIPTION("Has a data race");
MODULE_AUTHOR("The nf_tracer authors");
MODULE_LICENSE("GPL");
