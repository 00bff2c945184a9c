/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When lines have been suppressed, how many is said a second later, in process
 * context: counting them on all CPUs, and printing that, is not for a packet's way.
 */
#ifndef NF_TRACER_REPORT_H
#define NF_TRACER_REPORT_H

/* In Rust, see report.rs. May sleep, and takes the parameters' lock. */
void nf_tracer_report_suppressed(void);

/* Has that called in a second, unless it is going to be. Any context but an NMI. */
void nf_tracer_schedule_report(void);

/*
 * Has that not called any more, and waits for a call that runs. To be called before
 * the module's text goes, when nobody schedules it any more. May sleep.
 */
void nf_tracer_cancel_report(void);

#endif
