/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nf_tracer's parameters: C registers them, Rust has their values.
 *
 * Text goes both ways: what insmod was given or what was written to a file below
 * /sys/module/nf_tracer/parameters/, and what is read there. C calls with the
 * module's parameter lock held, in process context, which may sleep; at first
 * before the module's init, with what insmod was given.
 */
#ifndef NF_TRACER_PARAMS_H
#define NF_TRACER_PARAMS_H

#include <linux/types.h>

enum nf_tracer_param {
	NF_TRACER_HOOKS,
	NF_TRACER_FAMILY,
	NF_TRACER_PROTO,
	NF_TRACER_HOST,
	NF_TRACER_SRC,
	NF_TRACER_DST,
	NF_TRACER_PORT,
	NF_TRACER_SPORT,
	NF_TRACER_DPORT,
	NF_TRACER_IFACE,
	NF_TRACER_BPF,
	NF_TRACER_NETNS,
	NF_TRACER_RATE,
	NF_TRACER_BURST,
	NF_TRACER_FORMAT,
	NF_TRACER_SINK,
	NF_TRACER_PRIORITY,
	NF_TRACER_COUNTS,
	NF_TRACER_NR_PARAMS,
};

/*
 * In Rust. `value` ends in 0, or is NULL where insmod was given the name alone. Gives 0
 * or a negative error number.
 */
int nf_tracer_param_set(unsigned int param, const char *value);
/* In Rust. Writes at most `size` bytes to `to`, without a 0, and gives their number. */
int nf_tracer_param_get(unsigned int param, char *to, size_t size);
/* In Rust. Frees what the value takes: no parameter is set or read any more. */
void nf_tracer_param_free(unsigned int param);

void rust_helper_param_lock(void);
void rust_helper_param_unlock(void);

#endif
