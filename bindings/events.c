// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the code of the tracepoint that events.h declares, and what Rust calls for it.
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

/*
 * The kernel warns when a module goes whose event still has a trigger, and empties all
 * trace buffers when one goes whose event was on (kernel/trace/trace_events.c). So who
 * listens holds the module, as perf and BPF do of themselves.
 */
int nf_tracer_events_reg(void)
{
	return try_module_get(THIS_MODULE) ? 0 : -ENODEV;
}

/* Under event_mutex, which whoever unloads the module waits for, so it may be the last. */
void nf_tracer_events_unreg(void)
{
	module_put(THIS_MODULE);
}
