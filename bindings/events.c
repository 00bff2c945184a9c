// SPDX-License-Identifier: GPL-2.0
/*
 * Defines the tracepoint that events.h declares, and the function by which Rust
 * calls it.
 */
#include <linux/module.h>

#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include "events.h"

bool nf_tracer_trace_event_exists(void)
{
#ifdef CONFIG_EVENT_TRACING
	return event_packet.event.type != 0;
#else
	return IS_ENABLED(CONFIG_TRACEPOINTS);
#endif
}

bool nf_tracer_trace_event_enabled(void)
{
	return trace_packet_enabled();
}

/*
 * The kernel warns if a module whose event still has a trigger is unloaded, and
 * resets all trace buffers if one whose event was enabled is
 * (kernel/trace/trace_events.c). So a consumer pins the module, as perf and BPF
 * do themselves.
 */
int nf_tracer_events_reg(void)
{
	return try_module_get(THIS_MODULE) ? 0 : -ENODEV;
}

/*
 * Under event_mutex, which unloading the module waits for, so it may drop the
 * last reference.
 */
void nf_tracer_events_unreg(void)
{
	module_put(THIS_MODULE);
}
