// SPDX-License-Identifier: GPL-2.0

//! Tests of the fuzz target's corpus, each file of which is a test of its own.

use std::{
    collections::BTreeMap,
    fs, //
};

use crate::{
    check, corpus,
    oracle::{
        self,
        Difference, //
    },
    segment::{
        NoSegment,
        Segment, //
    },
};

/// Returns the committed files.
fn files() -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(corpus::folder())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Returns the required prefix of a file's name.
fn prefix(outcome: Result<Segment, NoSegment>) -> &'static str {
    match outcome {
        Ok(_) => "segment-",
        Err(NoSegment::Invalid) => "invalid-",
        Err(NoSegment::OtherProtocol) => "other-protocol-",
        Err(NoSegment::LaterFragment) => "later-fragment-",
        Err(NoSegment::Truncated) => "truncated-",
    }
}

#[test]
fn every_file_ends_as_its_name_says() {
    let files = files();
    assert!(files.len() >= corpus::packets().len());

    for (name, packet) in &files {
        let prefix = prefix(Segment::parse(&packet.as_slice()));
        assert!(name.starts_with(prefix), "{name} turns out as {prefix}");
        check(packet);
    }
}

#[test]
fn every_file_is_as_it_was_generated() {
    let files = files();

    for (name, packet) in corpus::packets() {
        assert_eq!(files.get(name), Some(&packet), "{name}: run write-corpus");
    }
}

#[test]
fn every_difference_from_etherparse_has_a_file() {
    let files = files();

    for difference in Difference::ALL {
        assert!(
            files
                .values()
                .any(|packet| oracle::read(packet).differences == [difference]),
            "no file shows {difference:?} alone",
        );
    }
}
