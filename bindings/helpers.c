// SPDX-License-Identifier: GPL-2.0
/*
 * C functions for what Rust cannot call: rust_helper_* wrap one function or
 * field each, nf_tracer_* do more. One object, as rust/helpers/helpers.c.
 */
#include "helpers/bpf.c"
#include "helpers/console.c"
#include "helpers/layout.c"
#include "helpers/moduleparam.c"
#include "helpers/net.c"
#include "helpers/nf_log.c"
#include "helpers/nf_queue.c"
#include "helpers/percpu.c"
#include "helpers/rcu.c"
#include "helpers/skb.c"
#include "helpers/sock.c"
#include "helpers/spinlock.c"
#include "helpers/workqueue.c"
