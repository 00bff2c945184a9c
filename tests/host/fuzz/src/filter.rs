// SPDX-License-Identifier: GPL-2.0

//! A fuzz target: an input is what is asked for, in `CONTROL` bytes, and a packet.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nf_tracer_host_tests::filter::check(input));
