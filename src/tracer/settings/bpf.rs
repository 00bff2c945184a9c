// SPDX-License-Identifier: GPL-2.0

//! The text of classic BPF programs, `bpf=`.

use super::{
    decimal,
    Refused, //
};
use core::str::FromStr;

/// What is allowed, for whoever wrote something else.
pub(crate) const ALLOWED: &str = "a program as 'tcpdump -y RAW -ddd EXPRESSION' prints it, with \
    commas for the ends of its lines: the number of instructions, then 'code jt jf k' for each; \
    nothing for none";

/// The fields of an instruction: code, jump if true, jump if false, and k.
pub(crate) type Fields = (u16, u8, u8, u32);

/// Reads a program: the number of its instructions, and the instructions, as often as there are
/// fields for. `None` if the text is blank.
///
/// The count is checked at the end, as a last item that is an error.
pub(crate) fn parse(
    text: &str,
) -> Option<impl Iterator<Item = Result<Fields, Refused<'_>>> + use<'_>> {
    let text = text.trim_ascii();
    let mut pieces = text.split([',', '\n']).map(str::trim_ascii);
    let count_text = pieces.next().filter(|piece| !piece.is_empty())?;
    let count = decimal::<usize>(count_text);
    let mut found = 0_usize;
    let mut ended = false;
    // `iptables -m bpf` wants a comma at the end of some programs, and takes it at that of all.
    let text = text.trim_end_matches(',');
    let mut pieces = text.split([',', '\n']).skip(1).map(str::trim_ascii);

    Some(core::iter::from_fn(move || {
        if ended {
            return None;
        }
        if let Some(piece) = pieces.next() {
            found = found.wrapping_add(1);
            let read = fields(piece);
            ended = read.is_err();
            return Some(read);
        }
        ended = true;
        (count != Some(found)).then_some(Err(Refused::new(
            count_text,
            "is not the number of instructions that follow",
        )))
    }))
}

/// Reads one instruction.
fn fields(piece: &str) -> Result<Fields, Refused<'_>> {
    let mut words = piece.split_ascii_whitespace();
    let read = (|| {
        let fields = (
            number(words.next())?,
            number(words.next())?,
            number(words.next())?,
            number(words.next())?,
        );
        words.next().is_none().then_some(fields)
    })();

    read.ok_or(Refused::new(piece, "is no instruction of four numbers"))
}

fn number<T: FromStr>(word: Option<&str>) -> Option<T> {
    decimal(word?)
}
