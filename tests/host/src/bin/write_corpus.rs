// SPDX-License-Identifier: GPL-2.0

//! Writes the fuzz target's corpus into `tests/host/fuzz/corpus/packet/`, where it is committed.
//!
//! To be run after a change of `src/corpus.rs`:
//!
//! ```text
//! scripts/root -- cargo run --locked --manifest-path tests/host/Cargo.toml --bin write-corpus
//! ```

use std::{
    fs,
    io, //
};

use nf_tracer_host_tests::corpus;

fn main() -> io::Result<()> {
    for (name, packet) in corpus::packets() {
        fs::write(corpus::folder().join(name), packet)?;
    }
    Ok(())
}
