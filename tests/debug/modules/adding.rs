// SPDX-License-Identifier: GPL-2.0

//! A data race in Rust, for `racing.c`, which lies: it passes the same number to two threads.

/// Adds 1.
#[no_mangle]
pub extern "C" fn racer_add_in_rust(number: &mut u64) {
    *number += 1;
}
