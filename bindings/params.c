// SPDX-License-Identifier: GPL-2.0
/*
 * Registers nf_tracer's parameters. The kernel crate knows numbers only, and none
 * that change while the module is loaded.
 */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "params.h"
#include "report.h"

/*
 * The files belong to uid 0, which need not have any right in a container, and an
 * open one can be passed on. What is asked for is what nft asks for, in the initial
 * user namespace; and insmod gives values too, with the right to load modules: also
 * to a parameter that is read only, and where the name stands alone, a null pointer.
 */
static int param_set(const char *value, const struct kernel_param *kp)
{
	if (!capable(CAP_NET_ADMIN) && !capable(CAP_SYS_MODULE))
		return -EPERM;
	return nf_tracer_param_set((uintptr_t)kp->arg, value);
}

static int param_get(char *to, const struct kernel_param *kp)
{
	/* Whoever gives a whole page, sysfs_kf_seq_show() takes for wrong, and warns. */
	return nf_tracer_param_get((uintptr_t)kp->arg, to, PAGE_SIZE - 1);
}

/* Called when the module goes, also where it goes before its init. */
static void param_free(void *arg)
{
	nf_tracer_cancel_report();
	nf_tracer_param_free((uintptr_t)arg);
}

/* All parameters have these: C calls .set unchecked at load, whatever the mode. */
static const struct kernel_param_ops param_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = param_set,
	.get = param_get,
	.free = param_free,
};

#define PARAM_MODE(name, index, mode)					\
	module_param_cb(name, &param_ops, (void *)(uintptr_t)(index), mode)

/* Anybody may read what is in force, as of most modules. */
#define PARAM(name, index) PARAM_MODE(name, index, 0644)

PARAM(hooks, NF_TRACER_HOOKS);
MODULE_PARM_DESC(hooks,
		 "hook points: prerouting,input,forward,output,postrouting, or all (default: prerouting,output)");
PARAM(family, NF_TRACER_FAMILY);
MODULE_PARM_DESC(family, "ipv4 (default), ipv6, or inet for both");
PARAM(proto, NF_TRACER_PROTO);
MODULE_PARM_DESC(proto,
		 "protocols: tcp,udp,icmp,icmpv6,sctp, names such as gre, numbers, or all (default: tcp)");
PARAM(host, NF_TRACER_HOST);
MODULE_PARM_DESC(host,
		 "addresses or prefixes of either end, comma between (default: any)");
PARAM(src, NF_TRACER_SRC);
MODULE_PARM_DESC(src, "addresses or prefixes of the source (default: any)");
PARAM(dst, NF_TRACER_DST);
MODULE_PARM_DESC(dst,
		 "addresses or prefixes of the destination (default: any)");
PARAM(port, NF_TRACER_PORT);
MODULE_PARM_DESC(port,
		 "ports or ranges of either end, as 22,80-90 (default: any)");
PARAM(sport, NF_TRACER_SPORT);
MODULE_PARM_DESC(sport, "ports or ranges of the source (default: any)");
PARAM(dport, NF_TRACER_DPORT);
MODULE_PARM_DESC(dport, "ports or ranges of the destination (default: any)");
PARAM(iface, NF_TRACER_IFACE);
MODULE_PARM_DESC(iface,
		 "devices that packets come in or leave by; eth+ for all that start so (default: any)");
PARAM(bpf, NF_TRACER_BPF);
MODULE_PARM_DESC(bpf,
		 "classic BPF program, as 'tcpdump -y RAW -ddd EXPRESSION' prints it, comma between (default: none)");
PARAM(netns, NF_TRACER_NETNS);
MODULE_PARM_DESC(netns,
		 "network namespaces: host for the initial one (default), or all");
PARAM(rate, NF_TRACER_RATE);
MODULE_PARM_DESC(rate, "lines a second, 0 for no limit (default: 1000)");
PARAM(burst, NF_TRACER_BURST);
MODULE_PARM_DESC(burst, "lines at once, above the rate (default: auto, twice the rate)");
PARAM(format, NF_TRACER_FORMAT);
MODULE_PARM_DESC(format, "of lines: classic (default), full, or nf_log");
PARAM(sink, NF_TRACER_SINK);
MODULE_PARM_DESC(sink,
		 "log (default), trace for the tracepoint nf_tracer:packet, nflog:GROUP, or several with commas");
PARAM(priority, NF_TRACER_PRIORITY);
MODULE_PARM_DESC(priority,
		 "among other hooks: a number, or first, raw, mangle, filter, last..., with an offset (default: first+1)");

/* For uid 0 only, like nft's counters: it tells about traffic. */
PARAM_MODE(counts, NF_TRACER_COUNTS, 0400);
MODULE_PARM_DESC(counts, "what became of the packets seen, by hook point and family (read only)");

void rust_helper_param_lock(void)
{
	kernel_param_lock(THIS_MODULE);
}

void rust_helper_param_unlock(void)
{
	kernel_param_unlock(THIS_MODULE);
}
