// SPDX-License-Identifier: GPL-2.0

//! What is above a network header, as the tests ask for it.

use crate::packet::{
    Bytes,
    Malformed,
    Network,
    PktInfo,
    Transport, //
};

pub(crate) trait Above {
    /// What is read of the packet, which has this network header.
    fn info(&self, packet: &impl Bytes) -> PktInfo;

    /// Whether all headers are whole and make sense.
    #[cfg(test)]
    fn check(&self, packet: &impl Bytes) -> Result<(), Malformed> {
        self.info(packet).malformed.map_or(Ok(()), Err)
    }

    /// The header above, if its first bytes are where they should be.
    fn transport(&self, packet: &impl Bytes) -> Result<Transport, Malformed> {
        let info = self.info(packet);
        match (info.headers.unwrap().1, info.malformed) {
            (Transport::Ports(_), Some(malformed)) => Err(malformed),
            (transport, _) => Ok(transport),
        }
    }
}

impl Above for Network {
    /// # Panics
    ///
    /// If what most packets are looked at for says anything else.
    fn info(&self, packet: &impl Bytes) -> PktInfo {
        let info = PktInfo::classify(Some(*self), packet);
        let upper = self.upper_layer();

        assert_eq!(upper.check(packet).err(), info.malformed);
        assert_eq!(upper.ports(packet), info.ports());
        info
    }
}
