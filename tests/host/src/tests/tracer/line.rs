// SPDX-License-Identifier: GPL-2.0

//! Tests of `src/tracer/line.rs`.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use crate::pieces::{
    classic::CAPACITY,
    line, //
};

type Line = line::Line<CAPACITY>;

/// Returns the text of a line that `write` writes.
fn written(write: impl FnOnce(&mut Line)) -> String {
    let mut line = Line::new();
    write(&mut line);
    line.as_str().to_owned()
}

/// Appends a piece to lines with too little room, exactly enough, and more.
fn fits_whole_or_not_at_all(piece: &str, write: impl Fn(&mut Line)) {
    for room in 0..=CAPACITY {
        let before = "x".repeat(CAPACITY - room);
        let after = written(|line| {
            line.text(&before);
            write(line);
        });

        if piece.len() <= room {
            assert_eq!(after, before + piece, "with room for {room}");
        } else {
            assert_eq!(after, before, "{piece:?} with room for {room}");
        }
    }
}

#[test]
fn a_new_line_is_empty() {
    assert_eq!(Line::new().as_str(), "");
}

#[test]
fn pieces_stand_in_the_order_in_which_they_were_appended() {
    let text = written(|line| {
        line.text("a ")
            .decimal(10)
            .text(" ")
            .hex(0xbeef)
            .text("")
            .ipv4(Ipv4Addr::new(1, 20, 255, 0))
            .text(" z");
    });

    assert_eq!(text, "a 10 0xbeef1.20.255.0 z");
}

#[test]
fn hex_is_as_rust_formats_it_for_every_number() {
    for number in 0..=u16::MAX {
        assert_eq!(written(|line| _ = line.hex(number)), format!("{number:#x}"));
    }
}

#[test]
fn decimal_is_as_rust_formats_it_around_every_power_of_ten_and_of_two() {
    let tens = (0..10).map(|exponent| 10_u32.pow(exponent));
    let twos = (0..32).map(|exponent| 1_u32 << exponent);

    for near in tens.chain(twos).chain([u32::MAX]) {
        for number in [near.wrapping_sub(1), near, near.wrapping_add(1)] {
            assert_eq!(written(|line| _ = line.decimal(number)), number.to_string());
        }
    }
}

#[test]
fn a_text_that_does_not_fit_is_left_out_whole() {
    let text = "t".repeat(CAPACITY + 1);

    for len in [0, 1, 2, 10, CAPACITY, CAPACITY + 1] {
        fits_whole_or_not_at_all(&text[..len], |line| _ = line.text(&text[..len]));
    }
    // Not even a character is split.
    fits_whole_or_not_at_all("ß日", |line| _ = line.text("ß日"));
}

#[test]
fn a_decimal_number_that_does_not_fit_is_left_out_whole() {
    for number in [0, 10, 65_535, u32::MAX] {
        fits_whole_or_not_at_all(&number.to_string(), |line| _ = line.decimal(number));
    }
}

#[test]
fn what_fits_is_appended_after_something_that_did_not() {
    let text = written(|line| {
        line.text(&"x".repeat(CAPACITY - 2))
            .text("too long")
            .decimal(42)
            .text("");
    });

    assert_eq!(text, "x".repeat(CAPACITY - 2) + "42");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn decimal_is_as_rust_formats_it(number: u32, bits in 0..32) {
        // Short and long ones are equally likely.
        let number = number >> bits;
        prop_assert_eq!(written(|line| _ = line.decimal(number)), number.to_string());
    }

    #[test]
    fn an_address_is_as_rust_formats_it(address: Ipv4Addr) {
        prop_assert_eq!(written(|line| _ = line.ipv4(address)), address.to_string());
    }
}
