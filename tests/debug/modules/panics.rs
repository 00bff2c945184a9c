// SPDX-License-Identifier: GPL-2.0

//! What is wrong in Rust only, for `misbehaviour.c`.

/// Overflows if `number` is the largest.
#[no_mangle]
pub extern "C" fn misbehaver_overflow(number: u32) -> u32 {
    number + 1
}

/// Wants 0.
#[no_mangle]
pub extern "C" fn misbehaver_assert(number: u32) {
    debug_assert_eq!(number, 0);
}

/// There are four.
#[no_mangle]
pub extern "C" fn misbehaver_index(number: u32) -> u8 {
    const FOUR: [u8; 4] = [0, 1, 2, 3];

    FOUR[number as usize]
}
