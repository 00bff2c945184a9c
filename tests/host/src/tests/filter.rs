// SPDX-License-Identifier: GPL-2.0

//! Tests of `src/tracer.rs`, `src/tracer/config.rs`, `src/tracer/event.rs` and `src/tracer/counters.rs`.

use std::fs;

use proptest::{
    collection::vec,
    prelude::*, //
};

use crate::{
    corpus,
    filter::{
        check,
        CONTROL, //
    },
    tests::strategies, //
};

#[test]
fn every_packet_that_the_fuzzer_found_is_chosen_counted_and_told_as_it_should_be() {
    let files = fs::read_dir(corpus::folder().with_file_name("filter")).unwrap();
    let inputs: Vec<_> = files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();

    assert!(inputs.len() > 50);
    for input in inputs {
        check(&input);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn bytes_that_are_nearly_a_packet_are_chosen_counted_and_told_as_they_should_be(
        mut control in vec(any::<u8>(), CONTROL),
        packet in strategies::near_packet(),
    ) {
        // IPv4, like the packets.
        control[0] = 0;
        check(&[control, packet].concat());
    }

    #[test]
    fn bytes_that_are_nearly_a_packet_of_ipv6_are_chosen_counted_and_told_as_they_should_be(
        mut control in vec(any::<u8>(), CONTROL),
        packet in strategies::near_packet_v6(),
    ) {
        control[0] = 1;
        check(&[control, packet].concat());
    }
}
