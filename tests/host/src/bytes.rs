// SPDX-License-Identifier: GPL-2.0

//! Packets in memory: contiguous, and in pieces like an skb with page fragments.

use crate::packet::Bytes;

impl Bytes for &[u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn copy<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.get(offset..)?.first_chunk().copied()
    }

    fn is_gso(&self) -> bool {
        false
    }
}

/// A packet in pieces.
pub(crate) struct Scattered<'a>(Vec<&'a [u8]>);

impl<'a> Scattered<'a> {
    /// Splits `packet` into pieces of `size` bytes, with empty ones between them.
    pub(crate) fn new(packet: &'a [u8], size: usize) -> Self {
        Self(packet.chunks(size).flat_map(|piece| [&[], piece]).collect())
    }
}

impl Bytes for Scattered<'_> {
    fn len(&self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    fn copy<const N: usize>(&self, mut offset: usize) -> Option<[u8; N]> {
        let mut copy = [0; N];
        let mut done = 0;

        for piece in &self.0 {
            let skipped = offset.min(piece.len());
            let taken = (piece.len() - skipped).min(N - done);

            copy[done..done + taken].copy_from_slice(&piece[skipped..skipped + taken]);
            offset -= skipped;
            done += taken;
        }
        (offset == 0 && done == N).then_some(copy)
    }

    fn is_gso(&self) -> bool {
        false
    }
}
