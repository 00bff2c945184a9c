// SPDX-License-Identifier: GPL-2.0
/*
 * Has each of nf_tracer's counters say, while this is loaded, that it has counted as
 * much as it can: what that makes of the text of counts, packets would take too long for.
 */
#include <linux/kprobes.h>
#include <linux/module.h>

static int say_huge(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	regs_set_return_value(regs, ULONG_MAX);
	return 0;
}

static struct kretprobe probe = {
	.handler = say_huge,
	.kp.symbol_name = "nf_tracer:nf_tracer_sum_percpu_counter",
};

static int __init huge_counts_init(void)
{
	return register_kretprobe(&probe);
}
module_init(huge_counts_init);

static void __exit huge_counts_exit(void)
{
	unregister_kretprobe(&probe);
}
module_exit(huge_counts_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Counters of nf_tracer that are as large as can be");
