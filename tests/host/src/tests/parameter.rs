// SPDX-License-Identifier: GPL-2.0

//! Tests of `src/params.rs`.

use std::fs;

use crate::{
    corpus,
    fake_kernel::{
        ffi::params::ParamLock,
        kernel::prelude::{
            Error,
            EINVAL,
            ENOENT,
            EOPNOTSUPP, //
        },
        netfilter::{
            pass,
            Around,
            ChecksumState,
            Family,
            Hook,
            ModuleHooks,
            CHANGE_FAILS, //
        },
        output::take_output, //
    },
    filter,
    module::tracer::settings::REGISTERED,
    parameter::{
        check,
        get_within,
        number,
        put,
        COUNTS,
        PARAMETERS,
        SETTINGS, //
    },
    params, //
};

const PAGE: usize = 4096;

#[test]
fn every_text_that_the_fuzzer_found_is_taken_or_refused_whole() {
    let files = fs::read_dir(corpus::folder().with_file_name("parameter")).unwrap();
    let inputs: Vec<_> = files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();

    assert!(inputs.len() > 50);
    for input in inputs {
        check(&input);
    }
}

/// Returns all points at which packets are counted.
pub(crate) fn points() -> Vec<Around> {
    let hooks = [
        Hook::PreRouting,
        Hook::LocalIn,
        Hook::Forward,
        Hook::LocalOut,
        Hook::PostRouting,
    ];
    let at = |hook, family| Around {
        family,
        hook,
        input: None,
        output: None,
        netns: 1,
        mark: 0,
        uid: None,
        segments: None,
        checksum: ChecksumState::None,
    };

    hooks
        .into_iter()
        .flat_map(|hook| [Family::Ipv4, Family::Ipv6].map(|family| at(hook, family)))
        .collect()
}

/// Returns a program of `len` instructions.
fn program(len: usize) -> String {
    format!("{len}{},6 0 0 1", ",0 0 0 0".repeat(len - 1))
}

/// Returns the longest value of each list.
fn longest() -> Vec<(&'static str, String)> {
    let join =
        |count, item: &dyn Fn(u32) -> String| (0..count).map(item).collect::<Vec<_>>().join(",");
    let v4 = join(64, &|n| format!("255.255.{}.254/31", 100 + n));
    let v6 = join(64, &|n| {
        format!("ffff:{n:02x}ff:ffff:ffff:ffff:ffff:ffff:fffe/127")
    });
    let prefixes = format!("{v4},{v6}");
    let ports = join(128, &|n| format!("{}-{}", 10_000 + 3 * n, 10_001 + 3 * n));
    let all_but_one = join(255, &|n| n.to_string());

    vec![
        ("hooks", "all".into()),
        ("proto", all_but_one),
        ("host", prefixes.clone()),
        ("src", prefixes.clone()),
        ("dst", prefixes),
        ("port", ports.clone()),
        ("sport", ports.clone()),
        ("dport", ports),
        ("iface", join(64, &|n| format!("fifteen-lette{n:02}+"))),
        ("bpf", program(510)),
        ("sink", "nflog:65535,trace,log".into()),
    ]
}

#[test]
fn the_longest_value_that_can_be_written_is_read_whole_from_less_than_a_page() {
    let _lock = filter::lock();

    params::free();
    let loaded = params::start(&ModuleHooks).unwrap();
    for (name, value) in longest() {
        assert!(value.len() < PAGE, "{name}: {} bytes", value.len());
        put(name, value.as_bytes()).unwrap();
        let text = get_within(number(name), PAGE - 1);
        put(name, &text).unwrap();
        assert_eq!(get_within(number(name), PAGE - 1), text, "{name}");
    }
    // Exactly fills the buffer, without a newline.
    let full = program(510).replacen("0 0 0 0,0 0 0 0", "0 0 0 4294967295,0 0 0 1000", 1);
    assert_eq!(full.len(), PAGE - 1);
    put("bpf", full.as_bytes()).unwrap();
    assert_eq!(get_within(number("bpf"), PAGE - 1), full.as_bytes());
    put("bpf", [full.as_bytes(), b"\n"].concat().as_slice()).unwrap_err();
    drop(loaded);
}

#[test]
fn what_does_not_fit_is_cut_behind_an_item_and_is_refused_where_it_is_written_back() {
    let _lock = filter::lock();

    params::free();
    for (name, value) in longest() {
        put(name, value.as_bytes()).unwrap();
    }
    put("bpf", program(600).as_bytes()).unwrap();
    let loaded = params::start(&ModuleHooks).unwrap();
    for (name, _) in PARAMETERS {
        let whole = get_within(number(name), 1 << 20);
        let items = whole.split_inclusive(|byte| *byte == b',');
        for room in (60..whole.len() + 3).step_by(7) {
            let text = get_within(number(name), room);
            assert!(text.len() <= room);
            if text == whole || [&text[..], b"\n"].concat() == whole {
                continue;
            }
            let text = String::from_utf8(text).unwrap();
            let (kept, note) = text.rsplit_once("... ").unwrap();
            assert!(whole.starts_with(kept.as_bytes()), "{name}: {text}");
            assert!(kept.is_empty() || kept.ends_with(','), "{name}: {text}");
            let more = items.clone().count() - kept.matches(',').count();
            assert_eq!(note, format!("{more} more not shown\n"), "{name}");
            take_output();
            put(name, text.as_bytes()).unwrap_err();
            assert_eq!(take_output().lines.len(), 1, "{name}: {text}");
        }
    }
    drop(loaded);
}

#[test]
fn counts_that_do_not_fit_end_at_a_line() {
    let _lock = filter::lock();

    params::free();
    put("sink", b"log,trace,nflog:5").unwrap();
    let loaded = params::start(&ModuleHooks).unwrap();
    for around in points() {
        pass(b"", 1, &around);
    }
    let whole = String::from_utf8(get_within(COUNTS, 1 << 20)).unwrap();
    assert_eq!(whole.lines().count(), 30);
    for room in (60..=whole.len()).step_by(11) {
        let text = String::from_utf8(get_within(COUNTS, room)).unwrap();
        if text == whole {
            continue;
        }
        let mut lines: Vec<_> = text.split_inclusive('\n').collect();
        let note = lines.pop().unwrap();
        assert!(whole.starts_with(&lines.concat()), "{text}");
        assert_eq!(note, format!("... {} more not shown\n", 30 - lines.len()));
    }
    drop(loaded);
}

#[test]
fn a_name_alone_and_a_value_for_what_is_read_only_are_refused_in_a_line() {
    let _lock = filter::lock();
    let given = |number, value| params::set(&mut ParamLock::take(), number, value);

    params::free();
    take_output();
    for (number, (name, _)) in (0..).zip(PARAMETERS) {
        assert_eq!(given(number, None).unwrap_err().to_errno(), -22);
        let lines = take_output().lines;
        assert!(
            matches!(lines.as_slice(), [line] if line.starts_with(&format!(
                "{name}: there is no '=' with a value behind the name: allowed: "
            ))),
            "{lines:?}"
        );
    }
    for value in [None, Some(&b""[..]), Some(b"1")] {
        assert_eq!(given(COUNTS, value).unwrap_err().to_errno(), -13);
        let lines = take_output().lines;
        assert!(
            matches!(lines.as_slice(), [line] if line.starts_with("counts: read only: ")),
            "{lines:?}"
        );
    }
}

#[test]
fn a_change_of_the_points_that_fails_is_told_once_and_changes_nothing() {
    let _lock = filter::lock();
    let points = ["hooks", "family", "netns", "priority"];
    let value = |name| match name {
        "hooks" | "netns" => "all",
        "family" => "inet",
        _ => "raw",
    };

    params::free();
    let loaded = params::start(&ModuleHooks).unwrap();
    // What the kernel does not have is logged where it is requested.
    for (error, told) in [(EINVAL, true), (ENOENT, true), (EOPNOTSUPP, false)] {
        *CHANGE_FAILS.lock().unwrap() = Some(error);
        for (name, default) in PARAMETERS {
            take_output();
            let result = match points.contains(&name) {
                true => put(name, value(name).as_bytes()),
                false => put(name, default.as_bytes()),
            };
            let lines = take_output().lines;
            assert_eq!(
                get_within(number(name), PAGE),
                format!("{default}\n").as_bytes()
            );
            if points.contains(&name) {
                assert_eq!(result.unwrap_err().to_errno(), error.to_errno(), "{name}");
                let line = format!(
                    "{name}: cannot be made active: error {}\n",
                    error.to_errno()
                );
                assert_eq!(lines, if told { vec![line] } else { vec![] });
            } else {
                result.unwrap();
                assert_eq!(lines, [""; 0], "{name}");
            }
        }
    }
    *CHANGE_FAILS.lock().unwrap() = None;
    for name in points {
        put(name, value(name).as_bytes()).unwrap();
    }
    drop(loaded);
}

/// Writes the parameter `settings`, and returns the lines that this logs.
fn assign(text: &str) -> (Result<(), Error>, Vec<String>) {
    take_output();
    let result = params::set(&mut ParamLock::take(), SETTINGS, Some(text.as_bytes()));

    (result, take_output().lines)
}

fn settings() -> String {
    String::from_utf8(get_within(SETTINGS, PAGE - 1)).unwrap()
}

#[test]
fn what_the_kernel_knows_of_each_parameter_has_its_default() {
    let _lock = filter::lock();
    let names: Vec<_> = REGISTERED.iter().map(|(name, ..)| *name).collect();
    let ours = PARAMETERS.iter().map(|(name, _)| *name);

    assert_eq!(names, Vec::from_iter(ours.chain(["settings", "counts"])));
    params::free();
    for (number, (name, mode, description)) in REGISTERED.iter().enumerate() {
        assert_eq!(*mode, if *name == "counts" { 0o400 } else { 0o644 });
        if number >= SETTINGS {
            continue;
        }
        let (_, default) = description.split_once("(default: ").unwrap();
        let default = default.strip_suffix(')').unwrap();
        let value = match default {
            "any" | "none" => "",
            "auto, twice the rate" => "2000",
            value => value,
        };
        assert_eq!(
            get_within(number, PAGE),
            format!("{value}\n").as_bytes(),
            "{name}"
        );
    }
}

#[test]
fn several_settings_are_changed_by_one_write_or_none() {
    let _lock = filter::lock();

    params::free();
    let loaded = params::start(&ModuleHooks).unwrap();
    assert_eq!(settings(), "defaults\n");
    let (result, lines) =
        assign(" host=10.0.0.0/8\tport=80,443 bpf=\"1,6 0 0 1\" rate=7\n sink=trace ");
    assert_eq!((result, lines.len()), (Ok(()), 0));
    let written = "defaults host=10.0.0.0/8 port=80,443 bpf='1,6 0 0 1' rate=7 sink=trace\n";
    assert_eq!(settings(), written);

    // The last value counts, as for insmod.
    assign("proto=udp proto=sctp host=").0.unwrap();
    assert_eq!(
        settings(),
        "defaults proto=sctp port=80,443 bpf='1,6 0 0 1' rate=7 sink=trace\n"
    );
    let before = settings();
    for (text, told) in [
        (
            "port=1 proto=http",
            "proto: 'http' is no protocol: allowed: ",
        ),
        (
            "port=1 prot=tcp",
            "settings: 'prot' is no parameter that can be set here: ",
        ),
        (
            "counts=1",
            "settings: 'counts' is no parameter that can be set here: ",
        ),
        (
            "settings=defaults",
            "settings: 'settings' is no parameter that can be set here: ",
        ),
        ("port=1 tcp", "settings: 'tcp' is no assignment: allowed: "),
        (
            "port=1 bpf=\"1,6 0 0 1",
            "settings: 'bpf=\"1,6 0 0 1' has a quote without an end: ",
        ),
        (
            "'proto=tcp\" rate=9",
            "settings: ''proto=tcp\" rate=9' has a quote without an end: ",
        ),
        (
            "rate=9 defaults",
            "settings: 'defaults' comes first: it would undo what is before it: allowed: ",
        ),
        (
            "rate=9 iface='a\"b'",
            "iface: 'a\"b' has a quote, around which 'settings' could not put its own: allowed: ",
        ),
        (
            "iface=\"'\" rate=9",
            "iface: ''' has a quote, around which 'settings' could not put its own: allowed: ",
        ),
        (
            "defaults bpf=1,6 0 0 1",
            "bpf: '6' is no instruction of four numbers: allowed: ",
        ),
        (" \n", "settings: ' \\x0a' names no parameter: allowed: "),
        ("", "settings: '' names no parameter: allowed: "),
    ] {
        let (result, lines) = assign(text);
        assert_eq!(result, Err(EINVAL), "{text}");
        assert!(
            matches!(lines.as_slice(), [line] if line.starts_with(told)),
            "{text}: {lines:?}"
        );
        assert_eq!(settings(), before, "{text}");
    }
    assign("DEFAULTS proto=tcp \"priority=raw\" 'iface=' host=\"\"")
        .0
        .unwrap();
    assert_eq!(settings(), "defaults priority=raw\n");
    assign("'defaults' proto='udp'").0.unwrap();
    assert_eq!(settings(), "defaults proto=udp\n");
    assign("defaults").0.unwrap();
    for (name, default) in PARAMETERS {
        assert_eq!(
            get_within(number(name), PAGE),
            format!("{default}\n").as_bytes()
        );
    }
    drop(loaded);
}

#[test]
fn settings_that_are_written_back_are_the_same_or_are_refused() {
    let _lock = filter::lock();

    params::free();
    let loaded = params::start(&ModuleHooks).unwrap();
    for (name, value) in longest() {
        put(name, value.as_bytes()).unwrap();
        let written = settings();
        let all: Vec<_> = PARAMETERS
            .iter()
            .map(|(name, _)| get_within(number(name), PAGE))
            .collect();
        let (result, lines) = assign(&written);
        match written.contains("... ") {
            false => {
                result.unwrap();
                assert_eq!(settings(), written);
            }
            true => assert_eq!((result, lines.len()), (Err(EINVAL), 1), "{name}"),
        }
        let now = PARAMETERS
            .iter()
            .map(|(name, _)| get_within(number(name), PAGE));
        assert_eq!(all, now.collect::<Vec<_>>());
        assign("defaults").0.unwrap();
    }
    drop(loaded);
}

#[test]
fn a_packet_is_chosen_by_the_old_settings_or_by_the_new_ones() {
    let _lock = filter::lock();

    params::free();
    let loaded = params::start(&ModuleHooks).unwrap();
    // The change of points fails, so the conditions must not change either.
    *CHANGE_FAILS.lock().unwrap() = Some(EINVAL);
    let (result, lines) = assign("hooks=all proto=udp");
    *CHANGE_FAILS.lock().unwrap() = None;
    assert_eq!(result, Err(EINVAL));
    assert_eq!(lines, ["settings: cannot be made active: error -22\n"]);
    assert_eq!(settings(), "defaults\n");
    let udp = [
        0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2, 0, 8, 0, 0,
    ];
    pass(&udp, 1, &points()[0]);
    assert_eq!(take_output().lines, [""; 0]);
    assign("hooks=all proto=udp").0.unwrap();
    pass(&udp, 1, &points()[0]);
    assert_eq!(take_output().lines.len(), 1);
    drop(loaded);
}

#[test]
fn conditions_that_no_packet_meets_are_noted_when_they_come_up() {
    let _lock = filter::lock();

    params::free();
    let loaded = params::start(&ModuleHooks).unwrap();
    let family = "host, src or dst has no address of a family that is traced: see family=\n";
    let ports = "port, sport or dport is set, and proto= has no protocol with ports\n";
    for (text, told) in [
        ("defaults host=::1", Some(family)),
        // The slip persists, and was logged already.
        ("rate=7", None),
        ("family=inet", None),
        ("family=ipv6 host=10.0.0.1", Some(family)),
        ("defaults", None),
        ("src=10.0.0.1 dst=::1", Some(family)),
        ("defaults src=10.0.0.1,::1", None),
        ("defaults proto=icmp,gre port=53", Some(ports)),
        ("proto=udplite", None),
        (
            "defaults proto=icmpv6",
            Some("proto=icmpv6 is of IPv6 only, which is not traced: see family=\n"),
        ),
        (
            "defaults iface=eth0@if3",
            Some("iface has an @: 'ip link' prints it, and the peer behind it, after the name\n"),
        ),
    ] {
        let (result, lines) = assign(text);
        result.unwrap();
        assert_eq!(lines, Vec::from_iter(told), "{text}");
    }
    drop(loaded);
}

#[test]
fn a_datagram_of_length_0_is_sound_if_it_stands_for_many() {
    let _lock = filter::lock();
    let udp = [
        0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2, 0, 0, 0, 0,
    ];

    params::free();
    put("proto", b"udp").unwrap();
    let loaded = params::start(&ModuleHooks).unwrap();
    for (segments, outcome) in [(None, "invalid"), (Some(2), "emitted")] {
        let around = Around {
            segments,
            ..points()[0]
        };
        let count = || {
            let lines = crate::parameter::counts();
            let (_, behind) = lines
                .split_once(&format!(" {outcome} "))
                .unwrap_or(("", "0 "));
            behind.split(' ').next().unwrap().parse::<u32>().unwrap()
        };
        let before = count();
        pass(&udp, 1, &around);
        assert_eq!(count(), before + 1, "{outcome}");
    }
    drop(loaded);
}
