// SPDX-License-Identifier: GPL-2.0

//! A fuzz target: an input is a byte that chooses a parameter, and the text that it is set to.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nf_tracer_host_tests::parameter::check(input));
