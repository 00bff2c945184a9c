// SPDX-License-Identifier: GPL-2.0
/*
 * Lets /sys/kernel/debug/fail_function make those functions of the kernel fail
 * that nf_tracer calls and that can refuse. They are not on the kernel's list, for
 * who calls them in the kernel may not expect it; nf_tracer has to.
 */
#include <linux/error-injection.h>
#include <linux/filter.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/percpu.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_log.h>

ALLOW_ERROR_INJECTION(bpf_prog_create, ERRNO);
ALLOW_ERROR_INJECTION(nf_logger_find_get, ERRNO);
ALLOW_ERROR_INJECTION(nf_register_net_hook, ERRNO);
ALLOW_ERROR_INJECTION(nf_register_net_hooks, ERRNO);
ALLOW_ERROR_INJECTION(pcpu_alloc_noprof, NULL);
ALLOW_ERROR_INJECTION(register_pernet_subsys, ERRNO);

MODULE_DESCRIPTION("Lets functions fail that nf_tracer calls");
MODULE_AUTHOR("The nf_tracer authors");
MODULE_LICENSE("GPL");
