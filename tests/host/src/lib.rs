// SPDX-License-Identifier: GPL-2.0

//! Host tests of the parts of `nf_tracer` that are pure Rust.
//!
//! The module's own files are compiled into this crate, at the paths that they have in the module,
//! with [`fake_kernel`] in place of the kernel. [`oracle`] parses TCP over IPv4 by the `etherparse`
//! crate, and [`check`] compares the two; [`reading`] parses the rest, and [`filter::check`]
//! compares all processing of a packet, [`parameter::check`] that of a parameter's text. The tests
//! are in `tests/`, in files named after what they test.

// The module's files refer to the kernel crate.
extern crate self as kernel;

pub mod corpus;
pub mod filter;
pub mod parameter;

mod above;
mod allowed;
mod bytes;
mod expected;
mod fake_kernel;
mod oracle;
mod reading;
mod segment;
#[cfg(test)]
mod tests;

// An inline module, because only below one does `mod packet;` find the folder `packet/` too.
#[path = "../../../src"]
#[cfg_attr(
    not(test),
    allow(dead_code, reason = "the fuzz target uses a part of it")
)]
mod module {
    pub(crate) mod packet;
    pub(crate) mod params;
    pub(crate) mod tracer;

    /// The tracer's private modules, to be tested separately.
    #[path = "tracer"]
    #[allow(clippy::duplicate_mod, reason = "they are a part of the tracer too")]
    pub(crate) mod pieces {
        use super::tracer::settings;

        pub(crate) mod classic;
        pub(crate) mod full;
        pub(crate) mod limiter;
        pub(crate) mod line;
        pub(crate) mod report;
    }
}

#[cfg_attr(not(test), allow(unused_imports, reason = "for the module's files"))]
use self::fake_kernel::{
    ffi,
    kernel::{
        fmt,
        page,
        prelude,
        sync, //
    },
    netfilter, //
};
use self::{
    bytes::Scattered,
    module::{
        packet,
        params,
        pieces,
        tracer, //
    },
    oracle::Fields,
    packet::Transport,
    pieces::{
        classic,
        line::Line, //
    },
    segment::{
        NoSegment,
        Segment, //
    },
};

/// Piece sizes for scattered packets: single bytes, headers split at odd offsets, and splits
/// between the headers.
const PIECES: [usize; 5] = [1, 3, 7, 20, 24];

/// Checks one packet: that it is parsed as by etherparse, contiguous or not, and formatted as
/// parsed.
///
/// # Panics
///
/// If it is not.
pub fn check(packet: &[u8]) {
    if let Ok(segment) = check_reading(packet) {
        let mut line = Line::new();
        classic::write(&mut line, &segment.network, &Transport::Tcp(segment.tcp));
        assert_eq!(
            line.as_str(),
            Fields::of(&segment, packet.len()).classic_line()
        );
    }
}

/// Parses a packet, and checks all but the line.
fn check_reading(packet: &[u8]) -> Result<Segment, NoSegment> {
    let theirs = oracle::read(packet);
    let ours = Segment::parse(&packet);

    assert_eq!(
        ours.map(|segment| Fields::of(&segment, packet.len())),
        theirs.outcome,
        "we (left) and etherparse (right, past {:?}) read {packet:02x?} differently",
        theirs.differences,
    );

    for size in PIECES {
        assert_eq!(
            Segment::parse(&Scattered::new(packet, size)),
            ours,
            "pieces of {size} bytes (left) read differently from the whole (right): {packet:02x?}",
        );
    }
    ours
}
