// SPDX-License-Identifier: GPL-2.0

//! Tests of what the other tests rely on: contiguous and scattered packets.

use crate::{
    bytes::Scattered,
    packet::Bytes, //
};

const PACKET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Tests the contiguous packet, and pieces of all sizes.
fn everywhere(test: impl Fn(&dyn Fn(usize) -> Option<[u8; 5]>, usize)) {
    test(&|offset| PACKET.copy(offset), Bytes::len(&PACKET));
    for size in 1..=PACKET.len() {
        let scattered = Scattered::new(PACKET, size);
        test(&|offset| scattered.copy(offset), scattered.len());
    }
}

#[test]
fn all_bytes_are_found_wherever_they_lie() {
    everywhere(|copy, len| {
        assert_eq!(len, PACKET.len());
        for offset in 0..=PACKET.len() - 5 {
            let bytes = copy(offset).unwrap();
            assert_eq!(bytes, PACKET[offset..offset + 5]);
        }
    });
}

#[test]
fn nothing_is_copied_from_behind_the_end() {
    everywhere(|copy, len| {
        for offset in (len - 4..len + 10).chain([usize::MAX - 4, usize::MAX]) {
            assert_eq!(copy(offset), None);
        }
    });
}
