// SPDX-License-Identifier: GPL-2.0

//! Checks the processing of a parameter's text.

use crate::{
    allowed,
    fake_kernel::{
        kernel::Error,
        netfilter::ModuleHooks,
        output::take_output, //
    },
    ffi::params::ParamLock,
    params, //
};

/// The parameters, in the order of their numbers, with their defaults.
pub(crate) const PARAMETERS: [(&str, &str); 17] = [
    ("hooks", "prerouting,output"),
    ("family", "ipv4"),
    ("proto", "tcp"),
    ("host", ""),
    ("src", ""),
    ("dst", ""),
    ("port", ""),
    ("sport", ""),
    ("dport", ""),
    ("iface", ""),
    ("bpf", ""),
    ("netns", "host"),
    ("rate", "1000"),
    ("burst", "2000"),
    ("format", "classic"),
    ("sink", "log"),
    ("priority", "first+1"),
];
/// The numbers of the parameters without a value of their own.
pub(crate) const SETTINGS: usize = 17;
pub(crate) const COUNTS: usize = 18;
const PAGE: usize = 4096;

fn get(number: usize) -> Vec<u8> {
    get_within(number, PAGE - 1)
}

/// Reads a parameter into a buffer of `room` bytes.
pub(crate) fn get_within(number: usize, room: usize) -> Vec<u8> {
    let mut page = vec![0; room];
    let len = params::get(&mut ParamLock::take(), number, &mut page);
    page[..len].to_vec()
}

fn all() -> Vec<Vec<u8>> {
    (0..SETTINGS).map(get).collect()
}

fn set(number: usize, value: &[u8]) -> Result<(), Error> {
    params::set(&mut ParamLock::take(), number, Some(value))
}

/// Returns the number of a parameter.
pub(crate) fn number(name: &str) -> usize {
    let known = PARAMETERS.iter().position(|(known, _)| *known == name);
    known.unwrap()
}

/// Sets a parameter.
pub(crate) fn put(name: &str, value: &[u8]) -> Result<(), Error> {
    set(number(name), value)
}

/// Returns the lines of counts.
pub(crate) fn counts() -> String {
    String::from_utf8(get(COUNTS)).unwrap()
}

/// Whether a prefix has IPv4-mapped addresses only.
fn is_mapped(prefix: &[u8]) -> bool {
    let text = std::str::from_utf8(prefix).unwrap();
    let (address, bits) = text.split_once('/').unwrap_or((text, "128"));
    let address: Option<std::net::Ipv6Addr> = address.parse().ok();
    let is_long = bits.parse::<u32>().unwrap() >= 96;

    is_long
        && address.is_some_and(|address| {
            address.octets()[..12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]
        })
}

/// Checks one parameter, which the first byte of `input` chooses, with the rest as its text.
///
/// # Panics
///
/// If a refused text changes anything or logs anything but one line, or if the canonical form of an
/// accepted text is not accepted.
pub fn check(input: &[u8]) {
    let _lock = crate::filter::lock();
    let Some((choice, text)) = input.split_first() else {
        return;
    };
    let number = usize::from(*choice) % PARAMETERS.len();
    let (name, default) = PARAMETERS[number];
    // To C the string ends there.
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = &text[..text.len().min(PAGE - 1)];

    params::free();
    let loaded = params::start(&ModuleHooks).unwrap();
    let before = all();
    for (value, (_, default)) in before.iter().zip(PARAMETERS) {
        assert_eq!(value, format!("{default}\n").as_bytes());
    }
    take_output();
    let result = set(number, text);
    if let Some(is_allowed) = allowed::is_allowed(name, text) {
        assert_eq!(
            result.is_ok(),
            is_allowed,
            "{name}={:?}: {result:?}",
            String::from_utf8_lossy(text)
        );
    }
    match result {
        Ok(()) => {
            let lines = take_output().lines;
            let written = get(number);
            let words: Vec<_> = written.trim_ascii().split(|byte| *byte == b',').collect();
            let has = |word: &str| words.contains(&word.as_bytes());
            let slip = match name {
                "proto" if has("icmpv6") && !has("icmp") => Some("proto=icmpv6 is of IPv6 only"),
                "host" | "src" | "dst" if words.iter().any(|word| is_mapped(word)) => {
                    Some("host, src or dst has an address such as ::ffff:10.0.0.1")
                }
                "host" | "src" | "dst"
                    if written != b"\n" && !words.iter().any(|word| !word.contains(&b':')) =>
                {
                    Some("host, src or dst has no address of a family that is traced")
                }
                "iface" if written.contains(&b'@') => Some("iface has an @"),
                _ => None,
            };
            assert_eq!(lines.len(), usize::from(slip.is_some()), "{lines:?}");
            assert!(lines
                .iter()
                .zip(slip)
                .all(|(line, slip)| line.starts_with(slip)));
            assert!(
                written.last() == Some(&b'\n') || written.len() == PAGE - 1,
                "the canonical form has no end"
            );
            assert!(written
                .iter()
                .all(|byte| (b' '..=b'~').contains(byte) || *byte == b'\n'));
            if name != "bpf" {
                let mut items: Vec<_> = written.trim_ascii().split(|byte| *byte == b',').collect();
                items.sort_unstable();
                assert!(
                    items.windows(2).all(|pair| pair[0] != pair[1]),
                    "{name} has an item twice"
                );
            }
            set(number, default.as_bytes()).unwrap();
            set(number, &written).unwrap_or_else(|error| panic!("{name}={written:?}: {error:?}"));
            assert_eq!(
                get(number),
                written,
                "{name}: read again, the canonical form is another"
            );
            // The default burst depends on the rate.
            let follows = if name == "rate" { "burst" } else { name };
            let others = |values: &[Vec<u8>]| {
                let others = (0..).zip(values);
                let others =
                    others.filter(|(other, _)| *other != number && *other != self::number(follows));
                others.map(|(_, value)| value.clone()).collect::<Vec<_>>()
            };
            assert_eq!(others(&all()), others(&before), "{name} changes another");
        }
        Err(error) => {
            assert_eq!(error.to_errno(), -22, "{name}");
            let lines = take_output().lines;
            let [line] = lines.as_slice() else {
                panic!("{name}: not one line: {lines:?}");
            };
            let line = line.strip_suffix('\n').unwrap();
            assert!(line.starts_with(&format!("{name}: ")), "{line:?}");
            assert!(
                line.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                "{line:?}"
            );
            assert!(line.len() < 600, "{line:?}");
            assert_eq!(all(), before, "{name}: refused, and yet changed");
        }
    }
    drop(loaded);
}
