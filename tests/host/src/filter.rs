// SPDX-License-Identifier: GPL-2.0

//! Checks the processing of a packet: whether it matches the parameters, what is counted, and what
//! is output, against conditions that are searched linearly here.

mod conditions;

use self::conditions::{
    Control,
    Filter, //
};

use std::sync::{
    Mutex,
    MutexGuard,
    PoisonError, //
};

use crate::{
    expected,
    fake_kernel::{
        netfilter::{
            pass,
            Around,
            ChecksumState,
            Family,
            Hook,
            ModuleHooks, //
        },
        output::take_output, //
    },
    parameter::counts,
    params, reading,
};

/// The number of bytes of an input that select the conditions. The packet follows them.
pub const CONTROL: usize = 40;

fn device(control: &mut Control<'_>) -> Option<[u8; 16]> {
    let name: &[u8] = control.pick([
        b"",
        b"eth0",
        b"lo",
        b"eth0.7",
        b"\xffa b\n=|\"\\\x7f12345",
        b"fifteen-letter0",
    ]);
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name);
    (!name.is_empty()).then_some(bytes)
}

/// Serialises tests: the parameters belong to the module.
static MODULE: Mutex<()> = Mutex::new(());

pub(crate) fn lock() -> MutexGuard<'static, ()> {
    MODULE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Checks the processing of a packet, the end of `input`, under the conditions that its start
/// selects.
///
/// # Panics
///
/// If the outcome is not the expected one.
pub fn check(input: &[u8]) {
    let _lock = lock();
    let (control, packet) = input.split_at(input.len().min(CONTROL));
    let mut control = Control(control);
    let around = Around {
        family: control.pick([Family::Ipv4, Family::Ipv6]),
        hook: control.pick([
            Hook::PreRouting,
            Hook::LocalIn,
            Hook::Forward,
            Hook::LocalOut,
            Hook::PostRouting,
        ]),
        input: device(&mut control),
        output: device(&mut control),
        netns: control.pick([1, u32::MAX]),
        mark: control.pick([0, 0x2a, u32::MAX]),
        uid: control.pick([None, Some(0), Some(u32::MAX)]),
        segments: control.pick([None, Some(1), Some(u16::MAX), None, Some(0)]),
        checksum: control.pick([
            ChecksumState::None,
            ChecksumState::Unnecessary,
            ChecksumState::Complete,
            ChecksumState::Partial,
        ]),
    };
    let piece = control.pick([usize::MAX, 1, 3, 7, 20, 24, 40, 44]);
    let reading = reading::read(
        packet,
        around.family == Family::Ipv6,
        around.segments.is_some(),
    );
    let filter = Filter::new(&mut control, &reading);

    filter.put_in_force();
    let loaded = params::start(&ModuleHooks).unwrap();
    take_output();
    pass(packet, piece, &around);
    let counted = counts();
    let output = take_output();
    drop(loaded);

    let (outcome, told) = filter.decide(&reading, &around);
    let what = || format!("{filter:?}\n{around:?}\n{reading:?}\n{packet:02x?}");
    let sinks = filter
        .sinks
        .iter()
        .map(|sink| sink.split(':').next().unwrap());
    let expected: Vec<_> = sinks
        .map(|sink| {
            let mut line = format!(
                "{} {} {sink} seen 1",
                around.hook.name(),
                around.family.name()
            );
            for word in [
                "not_matched",
                "truncated",
                "invalid",
                "emitted",
                "suppressed",
                "lost",
            ] {
                line += &format!(" {word} {}", u8::from(word == outcome));
            }
            line
        })
        .collect();
    assert_eq!(counted.lines().collect::<Vec<_>>(), expected, "{}", what());

    let has = |sink: &str| told && filter.sinks.contains(&sink);
    let line = match filter.format {
        _ if !has("log") => None,
        "full" => Some(expected::full(&reading, &around, packet.len())),
        "classic" => expected::classic(&reading),
        _ => None,
    };
    assert_eq!(
        output.lines,
        Vec::from_iter(line.map(|line| line + "\n")),
        "{}",
        what()
    );
    for line in &output.lines {
        let text = line.strip_suffix('\n').unwrap();
        assert!(
            text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{line:?}"
        );
    }
    assert_eq!(
        output.syslog,
        usize::from(has("log") && filter.format == "nf_log"),
        "{}",
        what()
    );
    assert_eq!(
        output.nflog,
        Vec::from_iter(has("nflog:7").then_some(7)),
        "{}",
        what()
    );
    let event = has("trace").then(|| expected::event(&reading, &around, packet.len()));
    assert_eq!(output.events, Vec::from_iter(event), "{}", what());
}
