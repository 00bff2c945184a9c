// SPDX-License-Identifier: GPL-2.0

//! Tests of `src/params.rs`.

use std::fs;

use crate::{
    corpus,
    parameter::check, //
};

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
