// SPDX-License-Identifier: GPL-2.0

//! Tests of `src/tracer/report.rs`.

use std::{
    cell::Cell,
    rc::Rc, //
};

use crate::{
    fake_kernel::{
        kernel::sync::rcu::at_grace_period,
        netfilter::{
            pass,
            ModuleHooks, //
        },
        output::take_output, //
    },
    filter,
    parameter::put,
    params,
    pieces::report::Report,
    tests::parameter::points, //
};

fn scheduled() -> usize {
    take_output().reports
}

#[test]
fn a_report_is_scheduled_once_until_it_is_made() {
    let report = Report::new();

    take_output();
    report.request();
    report.request();
    assert_eq!(scheduled(), 1);
    assert_eq!(report.take(|| 2), 2);
    report.request();
    assert_eq!(scheduled(), 1);
    assert_eq!(report.take(|| 3), 1);
    assert_eq!(report.take(|| 3), 0);
    assert_eq!(report.take_rest(10), 7);
    assert_eq!(scheduled(), 0);
}

/// Packets in flight while a report is made, each at any stage.
#[test]
fn what_is_counted_while_a_report_is_made_is_reported_once() {
    let report = Rc::new(Report::new());
    let counted = Rc::new(Cell::new(0));
    let packet = || {
        let (report, counted) = (report.clone(), counted.clone());
        move || {
            counted.set(counted.get() + 1);
            report.request();
        }
    };

    take_output();
    packet()();
    assert_eq!(scheduled(), 1);
    // One that has found the report scheduled, but whose count is not visible to other CPUs yet.
    let late = counted.clone();
    at_grace_period(move || late.set(late.get() + 1));
    // One that is counted within the grace period, and one during summation.
    at_grace_period(packet());
    let summed_up = packet();
    let first = report.take(|| {
        let sum = counted.get();
        summed_up();
        sum
    });
    assert_eq!(first, 3);
    // Those two have each found that another one is due; the first has scheduled it.
    assert_eq!(scheduled(), 1);
    assert_eq!(report.take(|| counted.get()), 1);
    assert_eq!(report.take_rest(counted.get()), 0);
}

#[test]
fn suppressed_lines_are_reported_when_that_is_called_for_and_the_rest_at_last() {
    let _lock = filter::lock();
    const PACKET: [u8; 20] = [
        0x45, 0, 0, 20, 0, 0, 0, 0, 64, 253, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    let around = &points()[0];
    let pass = |number| {
        for _ in 0..number {
            pass(&PACKET, 1, around);
        }
    };
    let reported = || {
        params::report_suppressed();
        take_output().lines
    };

    params::free();
    for (name, value) in [("rate", "1"), ("burst", "1"), ("proto", "all")] {
        put(name, value.as_bytes()).unwrap();
    }
    let loaded = params::start(&ModuleHooks).unwrap();
    pass(1);
    let output = take_output();
    assert_eq!((output.lines.len(), output.reports), (1, 0));
    assert_eq!(reported(), [""; 0]);

    pass(3);
    let output = take_output();
    assert_eq!((output.lines.len(), output.reports), (0, 1));
    assert_eq!(reported(), ["3 lines suppressed\n"]);
    assert_eq!(reported(), [""; 0]);

    pass(1);
    assert_eq!(scheduled(), 1);
    drop(loaded);
    let lines = take_output().lines;
    assert_eq!(lines[0], "1 line suppressed\n");
    assert!(
        lines[1].starts_with("prerouting ipv4 log seen 5 "),
        "{lines:?}"
    );
    assert_eq!(reported(), [""; 0]);
}
