// SPDX-License-Identifier: GPL-2.0
/* Helpers for the kernel's packet loggers. */
#include <linux/kmod.h>
#include <net/netfilter/nf_log.h>

#include "../helpers.h"

int nf_tracer_logger_load(enum nf_log_type type)
{
	int err = nf_logger_find_get(NFPROTO_INET, type);

	if (err == -ENOENT &&
	    request_module(type == NF_LOG_TYPE_LOG ? "nf_log_syslog" :
						     "nfnetlink_log") == 0)
		err = nf_logger_find_get(NFPROTO_INET, type);
	return err;
}

/* The loggers take locks with bottom halves disabled. */
static bool may_log(void)
{
	return !in_hardirq() && !irqs_disabled();
}

bool nf_tracer_log_syslog(const struct sk_buff *skb,
			  const struct nf_hook_state *state,
			  const char *prefix)
{
	static const struct nf_loginfo all_fields = {
		.type = NF_LOG_TYPE_LOG,
		.u.log.level = LOGLEVEL_INFO,
		.u.log.logflags = NF_LOG_DEFAULT_MASK | NF_LOG_MACDECODE,
	};

	if (!may_log() ||
	    (!net_eq(state->net, &init_net) && !READ_ONCE(sysctl_nf_log_all_netns)))
		return false;
	nf_log_packet(state->net, state->pf, state->hook, skb, state->in,
		      state->out, &all_fields, "%s", prefix);
	return true;
}

bool nf_tracer_log_nflog(u16 group, const struct sk_buff *skb,
			 const struct nf_hook_state *state, const char *prefix)
{
	/*
	 * Each packet is sent at once, not batched for up to a second: NFLOG
	 * does not timestamp outgoing packets, and libpcap and ulogd then use
	 * the time at which they receive them. Besides, dumpcap loses all but
	 * the first packet of a batch.
	 */
	const struct nf_loginfo info = {
		.type = NF_LOG_TYPE_ULOG,
		.u.ulog.group = group,
		.u.ulog.qthreshold = 1,
	};

	if (!may_log())
		return false;
	nf_log_packet(state->net, state->pf, state->hook, skb, state->in,
		      state->out, &info, "%s", prefix);
	return true;
}
