// SPDX-License-Identifier: GPL-2.0

//! The fuzz target: an input is a packet from its IPv4 header on.
//!
//! `tests/host/run` builds it, replays the corpus and fuzzes for a bounded number of runs.

#![no_main]

libfuzzer_sys::fuzz_target!(|packet: &[u8]| nf_tracer_host_tests::check(packet));
