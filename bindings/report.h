/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The number of suppressed lines is logged a second after a line was
 * suppressed, in process context: summing over all CPUs and printing are too
 * slow for the packet path.
 */
#ifndef NF_TRACER_REPORT_H
#define NF_TRACER_REPORT_H

/* In Rust, see report.rs. May sleep, and takes the parameter lock. */
void nf_tracer_report_suppressed(void);

/*
 * Schedules that call in a second, unless it is scheduled already. Any context
 * but NMI.
 */
void nf_tracer_schedule_report(void);

/*
 * Cancels that call, and waits for one that runs. To be called before the
 * module's text is freed, when nothing schedules it any more. May sleep.
 */
void nf_tracer_cancel_report(void);

#endif
