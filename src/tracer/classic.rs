// SPDX-License-Identifier: GPL-2.0

//! The classic line, which people have scripts for.
//!
//! ```text
//! source : 127.0.0.1:55560 | dest : 127.0.0.1:41705 | seq : 2257457827 | ack_seq : 4262703343 | window : 20462 | csum : 0xfe28 | urg_ptr : 0
//! ```
//!
//! Plain Rust with nothing of the kernel in it, like [`packet`](crate::packet).

use super::line::Line;
use crate::packet::Segment;

/// Appends the classic line for `segment`. All numbers are as on the wire, in host order.
#[inline]
pub(crate) fn write(line: &mut Line, segment: &Segment) {
    let Segment { ip, tcp } = segment;

    line.text("source : ")
        .ipv4(ip.source)
        .text(":")
        .decimal(tcp.source_port.into())
        .text(" | dest : ")
        .ipv4(ip.destination)
        .text(":")
        .decimal(tcp.destination_port.into())
        .text(" | seq : ")
        .decimal(tcp.seq)
        .text(" | ack_seq : ")
        .decimal(tcp.ack_seq)
        .text(" | window : ")
        .decimal(tcp.window.into())
        .text(" | csum : ")
        .hex(tcp.check)
        .text(" | urg_ptr : ")
        .decimal(tcp.urg_ptr.into());
}
