// SPDX-License-Identifier: GPL-2.0

//! Classic BPF programs and their text form, `bpf=`.

use super::{
    decimal,
    is_digits,
    ParseError, //
};
use crate::netfilter::{
    Instruction,
    Program, //
};
use core::{
    fmt,
    str::FromStr, //
};
use kernel::prelude::*;

/// The allowed values, for error messages.
pub(crate) const ALLOWED: &str = "a program as 'tcpdump -y RAW -ddd EXPRESSION' prints it, with \
    commas for the ends of its lines: the number of instructions, then 'code jt jf k' for each; \
    nothing for none";

/// The fields of an instruction: code, jump if true, jump if false, and k.
pub(crate) type Fields = (u16, u8, u8, u32);

/// Instruction codes, from C's `linux/bpf_common.h`.
mod code {
    pub(super) const LD_W_ABS: u16 = 0x20;
    pub(super) const LD_H_ABS: u16 = 0x28;
    pub(super) const LD_B_ABS: u16 = 0x30;
    pub(super) const LDX_B_MSH: u16 = 0xb1;
    pub(super) const JMP_JEQ_K: u16 = 0x15;
}

/// Parses a program: the number of its instructions, and the instructions in groups of fields.
/// `None` if the text is blank.
///
/// The count is checked at the end, as a last item that is an error.
pub(crate) fn parse(
    text: &str,
) -> Option<impl Iterator<Item = Result<Fields, ParseError<'_>>> + use<'_>> {
    let text = text.trim_ascii();
    let mut pieces = text.split([',', '\n']).map(str::trim_ascii);
    let count_text = pieces.next().filter(|_| !text.is_empty())?;
    let count = decimal::<usize>(count_text);
    let slip = slip(text);
    let mut last = None;
    let mut found = 0_usize;
    let mut ended = false;
    // `iptables -m bpf` requires a comma at the end of some programs, and accepts it for all.
    let without_end = text.trim_end_matches(',');
    let mut pieces = without_end.split([',', '\n']).skip(1).map(str::trim_ascii);

    Some(core::iter::from_fn(move || {
        if ended {
            return None;
        }
        if let Some(why) = slip {
            ended = true;
            return Some(Err(ParseError::new(text, why)));
        }
        if let Some(piece) = pieces.next() {
            found = found.wrapping_add(1);
            let read = fields(piece, last);
            last = read.ok();
            ended = read.is_err();
            return Some(read);
        }
        ended = true;
        (count != Some(found)).then_some(Err(ParseError::new(
            count_text,
            "is not the number of instructions that follow",
        )))
    }))
}

/// Returns what a text is that is not a program but often given for one.
fn slip(text: &str) -> Option<&'static str> {
    let first = text.bytes().next()?;

    let is_numbered = first == b'(' && text.get(1..4).is_some_and(is_digits);
    if first == b'{' || is_numbered {
        return Some("is a program as -d or -dd prints it: it is wanted as -ddd does");
    }
    let is_expression =
        !first.is_ascii_digit() && text.bytes().any(|byte| byte.is_ascii_alphabetic());
    is_expression.then_some(
        "is an expression: bpf=\"$(tcpdump -y RAW -ddd EXPRESSION | tr '\\n' ,)\" makes a program of it",
    )
}

/// Parses one instruction, which follows `last`.
fn fields(piece: &str, last: Option<Fields>) -> Result<Fields, ParseError<'_>> {
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
    let fields = read.ok_or(ParseError::new(piece, "is no instruction of four numbers"))?;

    if reads_beside_packet(fields) {
        return Err(ParseError::new(
            piece,
            "reads no byte of the packet: for inbound and outbound there is hooks, for ifindex iface",
        ));
    }
    if last.is_some_and(|last| asks_for_link_layer(last, fields)) {
        return Err(ParseError::new(
            piece,
            "asks for an EtherType, which packets at the hooks do not have: compile it with -y RAW",
        ));
    }
    Ok(fields)
}

fn number<T: FromStr>(word: Option<&str>) -> Option<T> {
    decimal(word?)
}

/// Returns whether an instruction loads something other than bytes from the start of the packet on,
/// by C's `SKF_*_OFF`: not every packet has a device or a socket at the hooks, and the values
/// differ from what a packet socket sees. A locally generated packet is not yet `outbound`, and has
/// no `ifindex` yet.
fn reads_beside_packet((code, _, _, k): Fields) -> bool {
    /// C's `SKF_LL_OFF`, the lowest of these offsets.
    const LOWEST: u32 = -0x20_0000_i32 as u32;
    let is_load = matches!(
        code,
        code::LD_W_ABS | code::LD_H_ABS | code::LD_B_ABS | code::LDX_B_MSH
    );

    is_load && k >= LOWEST
}

/// Returns whether a program with these instructions in sequence is compiled for packets with a
/// link-layer header: Ethernet, or one of the two cooked headers that Linux has for all devices.
/// Other link types, and checks of the header that do not use its EtherType, cannot be told from
/// programs for packets without a link-layer header.
fn asks_for_link_layer(first: Fields, second: Fields) -> bool {
    /// The offset of the protocol field in each of the three.
    const OFFSETS: [u32; 3] = [12, 14, 0];
    /// IPv4, IPv6, ARP, RARP, VLAN (three), MPLS (two) and PPPoE (two).
    const ETHER_TYPES: [u32; 11] = [
        0x0800, 0x86dd, 0x0806, 0x8035, 0x8100, 0x88a8, 0x9100, 0x8847, 0x8848, 0x8863, 0x8864,
    ];

    first.0 == code::LD_H_ABS
        && OFFSETS.contains(&first.3)
        && second.0 == code::JMP_JEQ_K
        && ETHER_TYPES.contains(&second.3)
}

/// A BPF program, with its instructions.
pub(crate) struct BpfFilter {
    pub(crate) program: Program,
    fields: KVec<Fields>,
}

impl BpfFilter {
    /// Creates a filter; the kernel checks the program. May sleep.
    ///
    /// `EINVAL` if the kernel refuses it, `ENOMEM` if out of memory.
    pub(crate) fn new(fields: KVec<Fields>) -> Result<Self> {
        let mut instructions = KVec::with_capacity(fields.len(), GFP_KERNEL)?;

        for (code, jt, jf, k) in &fields {
            instructions.push(Instruction::new(*code, *jt, *jf, *k), GFP_KERNEL)?;
        }
        Ok(Self {
            program: Program::new(&instructions)?,
            fields,
        })
    }

    /// Writes the canonical form.
    pub(crate) fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "{}", self.fields.len())?;
        for (code, jt, jf, k) in &self.fields {
            write!(to, ",{code} {jt} {jf} {k}")?;
        }
        Ok(())
    }
}
