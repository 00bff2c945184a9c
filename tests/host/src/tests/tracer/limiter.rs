// SPDX-License-Identifier: GPL-2.0

//! Tests of `src/tracer/limiter.rs`.

use proptest::{
    collection::vec,
    prelude::*, //
};

use crate::{
    ffi::clock::COARSE_STEP_NS,
    pieces::limiter::{
        Limit,
        Limiter, //
    },
};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
/// The start time of tests, which is arbitrary.
const START: u64 = 4_711 * SECOND;

fn limit(rate: u32, burst: u32) -> Limit {
    Limit::new(rate, burst)
}

/// Returns how many of `packets` packets make a line.
fn lines(limiter: &Limiter, limit: &Limit, now: u64, packets: u32) -> u32 {
    let mut lines = 0;
    for _ in 0..packets {
        let has_room = limiter.has_room(true, limit, now);
        let allowed = limiter.allows(true, limit, now);
        assert_eq!(has_room, allowed);
        lines += u32::from(allowed);
    }
    lines
}

fn change(limiter: &Limiter, from: &Limit, to: &Limit, now: u64) {
    limiter.change(from, to, || now, || ());
}

#[test]
fn a_bucket_holds_the_burst_and_fills_at_the_rate() {
    let limiter = Limiter::new();
    let limit = limit(10, 50);

    assert_eq!(lines(&limiter, &limit, START, 1000), 50);
    assert_eq!(lines(&limiter, &limit, START + 99 * MS, 1000), 0);
    assert_eq!(lines(&limiter, &limit, START + 100 * MS, 1000), 1);
    assert_eq!(lines(&limiter, &limit, START + 2 * SECOND, 1000), 19);
    assert_eq!(lines(&limiter, &limit, START + 3600 * SECOND, 1000), 50);
}

#[test]
fn what_comes_in_a_tick_may_come_at_once_however_small_the_burst_is() {
    let limiter = Limiter::new();
    let limit = limit(1000, 0);

    assert_eq!(
        u64::from(lines(&limiter, &limit, START, 100)),
        COARSE_STEP_NS / MS
    );
}

#[test]
fn a_rate_that_is_raised_lets_lines_through_at_once() {
    let limiter = Limiter::new();
    let (slow, fast) = (limit(1, 200), limit(1000, 200));

    assert_eq!(lines(&limiter, &slow, START, 300), 200);
    change(&limiter, &slow, &fast, START);
    for second in 1..=10 {
        assert_eq!(lines(&limiter, &fast, START + second * SECOND, 10), 10);
    }
}

#[test]
fn an_empty_bucket_stays_empty_where_the_rate_is_lowered() {
    for burst in [20, 2000, 100_000] {
        let limiter = Limiter::new();
        let (fast, slow) = (limit(1000, 2000), limit(10, burst));

        assert_eq!(lines(&limiter, &fast, START, 3000), 2000);
        change(&limiter, &fast, &slow, START);
        // The additional room.
        let more = burst.saturating_sub(2000);
        assert_eq!(lines(&limiter, &slow, START, 100_000), more);
        assert_eq!(lines(&limiter, &slow, START + SECOND, 3000), 10);
    }
}

#[test]
fn a_full_bucket_stays_full() {
    let limits = [
        limit(1, 200),
        limit(1000, 200),
        limit(10, 20),
        limit(0, 0),
        limit(5, 7),
    ];
    let bursts = [200, 200, 20, 100_000, 7];

    for (from, (to, burst)) in limits.iter().zip(limits.iter().zip(bursts).skip(1)) {
        let limiter = Limiter::new();
        change(&limiter, from, to, START);
        assert_eq!(lines(&limiter, to, START, 100_000), burst);
    }
}

#[test]
fn without_a_limit_in_between_nothing_is_missing() {
    let limiter = Limiter::new();
    let (slow, none) = (limit(1, 200), limit(0, 0));

    assert_eq!(lines(&limiter, &slow, START, 300), 200);
    change(&limiter, &slow, &none, START);
    assert_eq!(lines(&limiter, &none, START, 300), 300);
    change(&limiter, &none, &slow, START);
    assert_eq!(lines(&limiter, &slow, START, 300), 200);
}

#[test]
fn while_a_limit_is_changed_neither_finds_more_than_there_is() {
    for (from, to) in [
        (limit(1, 200), limit(1000, 2000)),
        (limit(1000, 2000), limit(10, 2000)),
        (limit(1000, 2000), limit(10, 20)),
        (limit(10, 20), limit(10, 5)),
    ] {
        let limiter = Limiter::new();
        lines(&limiter, &from, START, 3000);
        limiter.change(
            &from,
            &to,
            || START,
            || {
                assert_eq!(lines(&limiter, &from, START, 1000), 0);
                assert_eq!(lines(&limiter, &to, START, 1000), 0);
            },
        );
    }
}

#[test]
fn what_other_namespaces_do_suppresses_no_line_of_the_hosts() {
    let limiter = Limiter::new();
    let limit = limit(10, 20);
    let others = |_| limiter.allows(false, &limit, START);

    assert_eq!((0..1000).filter(|_| others(())).count(), 20);
    assert!(!limiter.has_room(false, &limit, START));
    assert_eq!(lines(&limiter, &limit, START, 1000), 20);
}

proptest! {
    /// After any changes, a line is due within the time per line of the active rate, and there are
    /// at most as many at once as the active burst.
    #[test]
    fn after_any_changes_the_new_limit_holds(
        steps in vec((0..5_000_u64, 0..500_u32, 0..2_000_u32, 1..3_000_u32), 1..20),
    ) {
        let limiter = Limiter::new();
        let mut now = START;
        let mut from = limit(1000, 2000);

        for (pause, packets, rate, burst) in steps {
            now += pause * MS;
            lines(&limiter, &from, now, packets);
            let to = limit(rate, burst);
            change(&limiter, &from, &to, now);
            from = to;
            if rate == 0 {
                prop_assert_eq!(lines(&limiter, &to, now, 5_000), 5_000);
                continue;
            }
            // The lines of one tick are always allowed.
            let most = burst.max((u64::from(rate) * COARSE_STEP_NS / SECOND) as u32);
            prop_assert!(lines(&limiter, &to, now, 5_000) <= most);
            prop_assert_eq!(lines(&limiter, &to, now + SECOND.div_ceil(rate.into()), 1), 1);
        }
    }
}
