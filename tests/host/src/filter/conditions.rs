// SPDX-License-Identifier: GPL-2.0

//! The conditions that an input selects, active and searched linearly.

use std::net::IpAddr;

use crate::{
    fake_kernel::netfilter::Around,
    packet::Malformed,
    parameter::put,
    reading::{
        Net,
        Reading, //
    }, //
};

/// The control bytes of an input, read one at a time; 0 once it has ended.
pub(super) struct Control<'a>(pub(super) &'a [u8]);

impl Control<'_> {
    fn byte(&mut self) -> u8 {
        let (byte, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *byte
    }

    pub(super) fn pick<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        from[usize::from(self.byte()) % N]
    }

    /// Returns up to three items made by `make`, most often none.
    fn list<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let number = self.byte().saturating_sub(128) / 32;
        (0..number).map(|_| make(self)).collect()
    }
}

/// All conditions.
#[derive(Debug)]
pub(super) struct Filter {
    protocols: Vec<u8>,
    host: Vec<(IpAddr, u32)>,
    source: Vec<(IpAddr, u32)>,
    destination: Vec<(IpAddr, u32)>,
    port: Vec<(u16, u16)>,
    source_port: Vec<(u16, u16)>,
    destination_port: Vec<(u16, u16)>,
    /// With whether the name is a prefix.
    devices: Vec<(&'static str, bool)>,
    bpf_takes: Option<bool>,
    pub(super) format: &'static str,
    pub(super) sinks: Vec<&'static str>,
}

impl Filter {
    pub(super) fn new(control: &mut Control<'_>, reading: &Reading) -> Self {
        let own = |source: bool| match &reading.network {
            Some(net) if source => net.source,
            Some(net) => net.destination,
            None => [10, 9, 8, 7].into(),
        };
        let prefix = |control: &mut Control<'_>| {
            let mut address = own(control.byte() % 2 == 0);
            let (bits, flipped) = (u32::from(control.byte()), u32::from(control.byte()));
            let all = if address.is_ipv4() { 32 } else { 128 };
            // Often one that nearly contains the packet's address, or only nearly excludes it.
            if flipped < 2 * all && flipped % 2 == 0 {
                address = match address {
                    IpAddr::V4(it) => IpAddr::V4((it.to_bits() ^ (1 << (31 - flipped / 2))).into()),
                    IpAddr::V6(it) => {
                        IpAddr::V6((it.to_bits() ^ (1 << (127 - flipped / 2))).into())
                    }
                };
            }
            (address, bits % (all + 1))
        };
        let ports = |control: &mut Control<'_>| {
            let source = reading.ports.0.unwrap_or(80);
            let destination = reading.ports.1.unwrap_or(443);
            let near = control.pick([source, destination]);
            let first = near.saturating_add_signed(control.pick([0, 0, 1, -1, -300, 2000]));
            (
                first,
                first.saturating_add(control.pick([0, 0, 1, 2, 300, 65535])),
            )
        };
        let own_protocol = reading.network.as_ref().map_or(6, |net| net.protocol);
        let nine = [6, 17, 1, 58, 132, 0, 255, own_protocol, own_protocol];
        let own_extensions = reading
            .network
            .as_ref()
            .map_or(&[][..], |net| &net.extensions);

        Self {
            protocols: control.list(|control| match (control.pick(nine), own_extensions) {
                (255, [.., extension]) => *extension,
                (protocol, _) => protocol,
            }),
            host: control.list(prefix),
            source: control.list(prefix),
            destination: control.list(prefix),
            port: control.list(ports),
            source_port: control.list(ports),
            destination_port: control.list(ports),
            devices: control.list(|control| {
                control.pick([
                    ("eth0", false),
                    ("eth", true),
                    ("eth", false),
                    ("lo", false),
                    ("", true),
                    ("eth0.7", true),
                ])
            }),
            bpf_takes: control.pick([None, None, None, Some(true), Some(false)]),
            format: control.pick(["full", "classic", "nf_log"]),
            sinks: control
                .pick([
                    &["log", "trace", "nflog:7"][..],
                    &["log"],
                    &["trace"],
                    &["nflog:7"],
                ])
                .to_vec(),
        }
    }

    pub(super) fn put_in_force(&self) {
        let prefixes =
            |list: &[(IpAddr, u32)]| join(list, |(address, bits)| format!("{address}/{bits}"));
        let ports = |list: &[(u16, u16)]| join(list, |(first, last)| format!("{first}-{last}"));
        let protocols = match self.protocols.as_slice() {
            [] => "all".into(),
            list => join(list, u8::to_string),
        };

        for (name, value) in [
            ("proto", protocols),
            ("host", prefixes(&self.host)),
            ("src", prefixes(&self.source)),
            ("dst", prefixes(&self.destination)),
            ("port", ports(&self.port)),
            ("sport", ports(&self.source_port)),
            ("dport", ports(&self.destination_port)),
            (
                "iface",
                join(&self.devices, |(name, all)| {
                    format!("{name}{}", if *all { "+" } else { "" })
                }),
            ),
            (
                "bpf",
                self.bpf_takes.map_or(String::new(), |takes| {
                    format!("1,6 0 0 {}", u8::from(takes))
                }),
            ),
            ("format", self.format.into()),
            ("sink", self.sinks.join(",")),
            ("rate", "0".into()),
        ] {
            put(name, value.as_bytes()).unwrap_or_else(|error| panic!("{name}={value}: {error:?}"));
        }
    }

    fn want_addresses(&self, source: IpAddr, destination: IpAddr) -> bool {
        let has = |list: &[(IpAddr, u32)], address: IpAddr| {
            list.iter().any(|prefix| holds(*prefix, address))
        };

        (self.host.is_empty() || has(&self.host, source) || has(&self.host, destination))
            && (self.source.is_empty() || has(&self.source, source))
            && (self.destination.is_empty() || has(&self.destination, destination))
    }

    fn ask_for_addresses(&self) -> bool {
        ![&self.host, &self.source, &self.destination]
            .iter()
            .all(|list| list.is_empty())
    }

    fn ask_for_ports(&self) -> bool {
        ![&self.port, &self.source_port, &self.destination_port]
            .iter()
            .all(|list| list.is_empty())
    }

    fn want_ports(&self, (source, destination): (Option<u16>, Option<u16>)) -> bool {
        let has = |list: &[(u16, u16)], port: Option<u16>| {
            list.iter()
                .any(|(first, last)| port.is_some_and(|port| (*first..=*last).contains(&port)))
        };

        (self.port.is_empty() || has(&self.port, source) || has(&self.port, destination))
            && (self.source_port.is_empty() || has(&self.source_port, source))
            && (self.destination_port.is_empty() || has(&self.destination_port, destination))
    }

    fn want_protocol(&self, net: &Net) -> bool {
        self.protocols.is_empty()
            || !net.is_upper_known()
            || self
                .protocols
                .iter()
                .any(|protocol| *protocol == net.protocol || net.extensions.contains(protocol))
    }

    fn want_devices(&self, around: &Around) -> bool {
        let is_in = |device: Option<[u8; 16]>| {
            let name = device.map(|name| {
                name.into_iter()
                    .take_while(|byte| *byte != 0)
                    .collect::<Vec<_>>()
            });
            name.is_some_and(|name| {
                self.devices.iter().any(|(own, all)| match all {
                    true => name.starts_with(own.as_bytes()),
                    false => name == own.as_bytes(),
                })
            })
        };
        self.devices.is_empty() || is_in(around.input) || is_in(around.output)
    }

    /// Returns the expected count, and whether the packet is emitted.
    pub(super) fn decide(&self, reading: &Reading, around: &Around) -> (&'static str, bool) {
        let word = match reading.malformed {
            Some(Malformed::Truncated) => "truncated",
            Some(Malformed::Invalid | Malformed::TooManyExtensions) => "invalid",
            None => "emitted",
        };
        let rest = self.want_devices(around) && self.bpf_takes != Some(false);
        let Some(net) = &reading.network else {
            return match self.ask_for_addresses() || !self.want_devices(around) {
                true => ("not_matched", false),
                false => (word, !self.ask_for_ports() && rest),
            };
        };
        let ports_may_be_any = !net.is_upper_known() && !net.is_later_fragment();
        let has_cut_ports = [6, 17, 33, 132, 136].contains(&net.protocol)
            && !net.is_later_fragment()
            && reading.ports.1.is_none();
        if !self.want_protocol(net)
            || !self.want_addresses(net.source, net.destination)
            || !self.want_devices(around)
        {
            return ("not_matched", false);
        }
        if !self.want_ports(reading.ports) && !ports_may_be_any {
            return match has_cut_ports {
                true => ("truncated", false),
                false => ("not_matched", false),
            };
        }
        match rest {
            true => (word, true),
            false => ("not_matched", false),
        }
    }
}

/// Returns whether a prefix contains an address, by comparing the bits as text.
fn holds((prefix, bits): (IpAddr, u32), address: IpAddr) -> bool {
    let text = |address: IpAddr| match address {
        IpAddr::V4(address) => format!("4{:032b}", address.to_bits()),
        IpAddr::V6(address) => format!("6{:0128b}", address.to_bits()),
    };
    text(prefix)[..=bits as usize] == text(address)[..=bits as usize]
}

fn join<T>(list: &[T], show: impl Fn(&T) -> String) -> String {
    list.iter().map(show).collect::<Vec<_>>().join(",")
}
