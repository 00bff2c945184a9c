// SPDX-License-Identifier: GPL-2.0

//! A fuzz target: an input is a packet from its IPv4 header on.

#![no_main]

libfuzzer_sys::fuzz_target!(|packet: &[u8]| nf_tracer_host_tests::check(packet));
