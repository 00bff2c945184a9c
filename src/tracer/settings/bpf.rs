// SPDX-License-Identifier: GPL-2.0

//! Classic BPF programs and their text, `bpf=`.

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

/// What is allowed, for whoever wrote something else.
pub(crate) const ALLOWED: &str = "a program as 'tcpdump -y RAW -ddd EXPRESSION' prints it, with \
    commas for the ends of its lines: the number of instructions, then 'code jt jf k' for each; \
    nothing for none";

/// The fields of an instruction: code, jump if true, jump if false, and k.
pub(crate) type Fields = (u16, u8, u8, u32);

/// Codes of instructions, of C's `linux/bpf_common.h`.
mod code {
    pub(super) const LD_W_ABS: u16 = 0x20;
    pub(super) const LD_H_ABS: u16 = 0x28;
    pub(super) const LD_B_ABS: u16 = 0x30;
    pub(super) const LDX_B_MSH: u16 = 0xb1;
    pub(super) const JMP_JEQ_K: u16 = 0x15;
}

/// Reads a program: the number of its instructions, and the instructions, as often as there are
/// fields for. `None` if the text is blank.
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
    // `iptables -m bpf` wants a comma at the end of some programs, and takes it at that of all.
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

/// What a text is that is no program at all, but often given for one.
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

/// Reads one instruction, behind the last one.
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

/// Whether an instruction loads something else than bytes behind the start of the packet, by C's
/// `SKF_*_OFF`: a device or a socket not every packet has at the hooks, and what is there is not what a
/// packet socket sees of it. What this host sends is not yet `outbound`, and leaves by no `ifindex` yet.
fn reads_beside_packet((code, _, _, k): Fields) -> bool {
    /// C's `SKF_LL_OFF`, the lowest one.
    const LOWEST: u32 = -0x20_0000_i32 as u32;
    let is_load = matches!(
        code,
        code::LD_W_ABS | code::LD_H_ABS | code::LD_B_ABS | code::LDX_B_MSH
    );

    is_load && k >= LOWEST
}

/// Whether a program with these instructions in turn is compiled for packets with a link-layer header: for Ethernet,
/// or for one of the two that Linux gives to packets of all devices. Others, and what is asked of the header without
/// its EtherType, cannot be told from programs for packets without one.
fn asks_for_link_layer(first: Fields, second: Fields) -> bool {
    /// Where the three have the protocol.
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

/// A BPF program, with the instructions that it was made of.
pub(crate) struct BpfFilter {
    pub(crate) program: Program,
    fields: KVec<Fields>,
}

impl BpfFilter {
    /// Has the kernel check the program. May sleep.
    ///
    /// `EINVAL` if the kernel refuses it, and `ENOMEM`.
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
