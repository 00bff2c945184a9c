// SPDX-License-Identifier: GPL-2.0

//! Test access to the upper-layer header.

use crate::packet::{
    Bytes,
    Malformed,
    Network,
    PktInfo,
    Transport, //
};

pub(crate) trait Above {
    /// Parses the packet, which has this network header.
    fn info(&self, packet: &impl Bytes) -> PktInfo;

    /// Returns whether all headers are complete and valid.
    #[cfg(test)]
    fn check(&self, packet: &impl Bytes) -> Result<(), Malformed> {
        self.info(packet).malformed.map_or(Ok(()), Err)
    }

    /// Parses the upper-layer header, if its first bytes are where they should be.
    fn transport(&self, packet: &impl Bytes) -> Result<Transport, Malformed> {
        let info = self.info(packet);
        match (info.headers.unwrap().1, info.malformed) {
            (Transport::Ports(_), Some(malformed)) => Err(malformed),
            (transport, _) => Ok(transport),
        }
    }
}

impl Above for Network {
    /// Parses the packet, and compares with the fields that most packets are matched on.
    ///
    /// # Panics
    ///
    /// If the two differ.
    fn info(&self, packet: &impl Bytes) -> PktInfo {
        let info = PktInfo::classify(Some(*self), packet);
        let upper = self.upper_layer();

        assert_eq!(upper.check(packet).err(), info.malformed);
        assert_eq!(upper.ports(packet), info.ports());
        info
    }
}
