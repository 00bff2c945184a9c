// SPDX-License-Identifier: GPL-2.0

//! The parameters: one table of them, and their values, with parsing and formatting.
//!
//! A value is accepted or refused as a whole. It is formatted in canonical form, which parses to
//! the same value.

pub(crate) mod bpf;
pub(crate) mod choice;
pub(crate) mod devices;
pub(crate) mod number;
pub(crate) mod ports;
pub(crate) mod prefixes;
pub(crate) mod protocols;
mod ranges;
pub(crate) mod sinks;

use self::{
    bpf::BpfFilter,
    choice::{
        Families,
        Format,
        Hooks,
        Netns, //
    },
    devices::Devices,
    number::{
        Burst,
        PriorityValue, //
    },
    ports::Ports,
    prefixes::Prefixes,
    protocols::Protocols,
    sinks::Sinks, //
};
use crate::{
    ffi::params::register_params,
    packet::{
        has_ports,
        icmp, //
    }, //
};
use core::fmt;
use kernel::{
    prelude::*,
    sync::{
        Arc,
        UniqueArc, //
    }, //
};

/// What a change of a parameter affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changes {
    /// The hook points at which packets are seen.
    HookPoints,
    /// Which packets match, and what happens to them.
    Config,
}

/// A parameter that has a value.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) changes: Changes,
    /// Parses a value; on error logs one line and changes nothing.
    pub(crate) read: fn(&mut Settings, Text<'_>) -> Result,
    /// Writes the value in canonical form, as shown to a reader of the parameter.
    pub(crate) show: fn(&Settings, &mut dyn fmt::Write) -> fmt::Result,
    /// Writes ` name=value` so that it can be parsed again, unless the value is the default.
    pub(crate) assignment: fn(&Settings, &mut dyn fmt::Write) -> fmt::Result,
}

/// Declares the table of parameters, one entry each, and what is generated from it: [`Settings`]
/// with a field for each, the defaults, [`PARAMETERS`] in the same order, and the descriptions for
/// the kernel and `modinfo`.
///
/// Those of the second list have no value of their own: `params` implements reading and writing
/// them.
macro_rules! parameters {
    (
        values { $($name:ident: $type:ty = $default:expr, $changes:ident, $description:expr;)+ }
        others { $($other:ident, $mode:literal, $other_description:expr;)+ }
    ) => {
        /// The value of each parameter.
        #[derive(Clone)]
        pub(crate) struct Settings {
            $(#[doc = $description] pub(crate) $name: $type,)+
        }

        impl Settings {
            /// The defaults of all parameters.
            pub(crate) const DEFAULT: Self = Self {
                $($name: $default,)+
            };
        }

        /// The parameters that have a value, in the order of their numbers.
        pub(crate) static PARAMETERS: [Parameter; [$(stringify!($name)),+].len()] = [
            $(Parameter {
                name: stringify!($name),
                changes: Changes::$changes,
                read: |settings, text| {
                    settings.$name = Setting::read(stringify!($name), text)?;
                    Ok(())
                },
                show: |settings, to| settings.$name.show(settings, to),
                assignment: |settings, to| {
                    match settings.$name.is_same(&Settings::DEFAULT.$name) {
                        true => Ok(()),
                        false => settings.$name.assign(stringify!($name), to),
                    }
                },
            },)+
        ];

        /// The names of the parameters without a value of their own, numbered after the others.
        pub(crate) const OTHERS: [&str; [$(stringify!($other)),+].len()] = [$(stringify!($other)),+];

        register_params! {
            $($name, 0o644, $description;)+
            $($other, $mode, $other_description;)+
        }
    };
}

parameters! {
    values {
        hooks: Hooks = Hooks::DEFAULT, HookPoints,
            "hook points: prerouting,input,forward,output,postrouting, or all (default: prerouting,output)";
        family: Families = Families::Ipv4, HookPoints,
            "ipv4, ipv6, or inet for both (default: ipv4)";
        proto: Protocols = Protocols::TCP, Config,
            "protocols: tcp,udp,icmp,icmpv6,sctp, names such as gre, numbers, or all (default: tcp)";
        host: Option<Arc<Prefixes>> = None, Config,
            "addresses or prefixes of either end, comma between (default: any)";
        src: Option<Arc<Prefixes>> = None, Config,
            "addresses or prefixes of the source (default: any)";
        dst: Option<Arc<Prefixes>> = None, Config,
            "addresses or prefixes of the destination (default: any)";
        port: Option<Arc<Ports>> = None, Config,
            "ports or ranges of either end, as 22,80-90 (default: any)";
        sport: Option<Arc<Ports>> = None, Config,
            "ports or ranges of the source (default: any)";
        dport: Option<Arc<Ports>> = None, Config,
            "ports or ranges of the destination (default: any)";
        iface: Option<Arc<Devices>> = None, Config,
            "devices that packets come in or leave by; eth+ for all that start so (default: any)";
        bpf: Option<Arc<BpfFilter>> = None, Config,
            "classic BPF program, as 'tcpdump -y RAW -ddd EXPRESSION' prints it, comma between (default: none)";
        netns: Netns = Netns::Host, HookPoints,
            "network namespaces: host for the initial one, or all (default: host)";
        rate: u32 = 1000, Config,
            "lines a second, 0 for no limit (default: 1000)";
        burst: Burst = Burst::Auto, Config,
            "lines at once, above the rate (default: auto, twice the rate)";
        format: Format = Format::Classic, Config,
            "of lines: classic, full, or nf_log (default: classic)";
        sink: Sinks = Sinks::LOG, Config,
            "log, trace for the tracepoint nf_tracer:packet, nflog:GROUP, or several with commas (default: log)";
        priority: PriorityValue = PriorityValue::DEFAULT, HookPoints,
            "among other hooks: a number, or first, raw, mangle, filter, last..., with an offset (default: first+1)";
    }
    others {
        settings, 0o644,
            "several of the above at once: 'defaults', or name=value for each, with spaces between";
        // Readable by uid 0 only, as nft's counters are: it reveals traffic.
        counts, 0o400,
            "what became of the packets seen, by hook point and family (read only)";
    }
}

/// The allowed values of the parameter `settings`, for error messages.
pub(crate) const ALLOWED: &str =
    "name=value for each parameter to be set, with spaces between, quotes around what has spaces, \
    and 'defaults' before them to have all others at their defaults";

/// An element of the parameter `settings`.
pub(crate) enum Assignment<'a> {
    /// Resets all parameters to their defaults.
    Defaults,
    /// Sets one parameter.
    Value(&'static Parameter, &'a str),
}

/// Parses the parameter `settings`: words separated by blanks. Values with blanks are quoted as for
/// `insmod`, or by `'`, so that `insmod`, which knows the other quote only, passes them on.
pub(crate) fn assignments(
    text: &str,
) -> impl Iterator<Item = Result<Assignment<'_>, ParseError<'_>>> {
    let mut rest = text.trim_ascii();
    let mut is_blank = rest.is_empty();
    let mut is_first = true;

    core::iter::from_fn(move || {
        if core::mem::take(&mut is_blank) {
            return Some(Err(ParseError::new(text, "names no parameter")));
        }
        let mut quote = None;
        let end = rest.bytes().position(|byte| {
            match quote {
                Some(open) if open == byte => quote = None,
                None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
                _ => {}
            }
            byte.is_ascii_whitespace() && quote.is_none()
        });
        let (word, behind) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        let is_first = core::mem::replace(&mut is_first, false);

        rest = behind.trim_ascii_start();
        match word {
            "" => None,
            word if quote.is_some() => {
                Some(Err(ParseError::new(word, "has a quote without an end")))
            }
            word if !is_first && is_defaults(word) => Some(Err(ParseError::new(
                word,
                "comes first: it would undo what is before it",
            ))),
            word => Some(assignment(unquoted(word))),
        }
    })
}

fn is_defaults(word: &str) -> bool {
    unquoted(word).eq_ignore_ascii_case("defaults")
}

/// Strips the quotes around a text.
fn unquoted(text: &str) -> &str {
    let inner = |quote: fn(char) -> bool| text.strip_prefix(quote)?.strip_suffix(quote);

    inner(is::<'"'>)
        .or_else(|| inner(is::<'\''>))
        .unwrap_or(text)
}

fn assignment(word: &str) -> Result<Assignment<'_>, ParseError<'_>> {
    if is_defaults(word) {
        return Ok(Assignment::Defaults);
    }
    let (name, value) = word
        .split_once(is::<'='>)
        .ok_or(ParseError::new(word, "is no assignment"))?;
    let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name);

    match parameter {
        Some(parameter) => Ok(Assignment::Value(parameter, unquoted(value))),
        None => Err(ParseError::new(
            name,
            "is no parameter that can be set here",
        )),
    }
}

impl Settings {
    /// Writes `defaults` and all parameters that differ from them, so that it can be parsed again.
    pub(crate) fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        to.write_str("defaults")?;
        PARAMETERS
            .iter()
            .try_for_each(|parameter| (parameter.assignment)(self, to))
    }

    /// Returns the number of lines in a burst: twice the rate, unless a number was given.
    pub(crate) fn burst(&self) -> u32 {
        match self.burst {
            Burst::Auto => self.rate.saturating_mul(2),
            Burst::Lines(lines) => lines,
        }
    }

    /// Returns a warning on settings that the user may not have meant: conditions that match no
    /// packet, or fewer than expected.
    pub(crate) fn likely_slip(&self) -> Option<&'static str> {
        let (has_v4, has_v6) = (self.family != Families::Ipv6, self.family != Families::Ipv4);
        let is_of_no_family = |list: &Option<Arc<Prefixes>>| {
            list.as_ref()
                .is_some_and(|list| !(has_v4 && list.has_v4() || has_v6 && list.has_v6()))
        };
        let has_ports = (0..=u8::MAX).any(|number| has_ports(number) && self.proto.contain(number));

        let has_mapped =
            |list: &Option<Arc<Prefixes>>| list.as_ref().is_some_and(|list| list.has_mapped());
        if [&self.host, &self.src, &self.dst]
            .into_iter()
            .any(has_mapped)
        {
            return Some("host, src or dst has an address such as ::ffff:10.0.0.1: packets have the IPv4 address in it");
        }
        if [&self.host, &self.src, &self.dst]
            .into_iter()
            .any(is_of_no_family)
        {
            return Some("host, src or dst has no address of a family that is traced: see family=");
        }
        if !has_ports
            && [&self.port, &self.sport, &self.dport]
                .iter()
                .any(|list| list.is_some())
        {
            return Some("port, sport or dport is set, and proto= has no protocol with ports");
        }
        if self.iface.as_ref().is_some_and(|list| list.has(b'@')) {
            return Some(
                "iface has an @: 'ip link' prints it, and the peer behind it, after the name",
            );
        }
        let (v4, v6) = (
            self.proto.contain(icmp::PROTOCOL),
            self.proto.contain(icmp::PROTOCOL_V6),
        );

        match self.family {
            Families::Ipv4 if v6 && !v4 => {
                Some("proto=icmpv6 is of IPv6 only, which is not traced: see family=")
            }
            Families::Ipv6 | Families::Inet if v4 && !v6 => {
                Some("proto=icmp is of IPv4 only: that of IPv6 is icmpv6")
            }
            _ => None,
        }
    }
}

/// The text of a value, or the reason why there is none.
pub(crate) type Text<'a> = Result<&'a str, ParseError<'static>>;

/// The type of a field of [`Settings`]: a [`Value`], or an optional list.
pub(crate) trait Setting: Sized {
    /// Parses a value of the parameter `name`; on error logs one line.
    fn read(name: &str, text: Text<'_>) -> Result<Self>;

    /// Writes the active value, given all settings.
    fn show(&self, settings: &Settings, to: &mut dyn fmt::Write) -> fmt::Result;

    /// Writes ` name=value` so that it can be parsed again.
    fn assign(&self, name: &str, to: &mut dyn fmt::Write) -> fmt::Result;

    /// Returns whether both are equal. May return `false` for equal values: not all contents are
    /// compared.
    fn is_same(&self, other: &Self) -> bool;
}

impl<T: Value> Setting for T {
    fn read(name: &str, text: Text<'_>) -> Result<Self> {
        text.and_then(T::parse)
            .map_err(|error| error.log(name, T::ALLOWED))
    }

    fn show(&self, settings: &Settings, to: &mut dyn fmt::Write) -> fmt::Result {
        self.write_active(settings, to)
    }

    fn assign(&self, name: &str, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, " {name}=")?;
        self.write(to)
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

/// Logs that the kernel has no room for a value, and returns the error.
fn not_kept(name: &str, error: Error) -> Error {
    pr_err!(
        "{name}: the value cannot be kept: error {}\n",
        error.to_errno()
    );
    error
}

/// A list that is shared with the packet path. `None` is no condition.
impl<T: List> Setting for Option<Arc<T>> {
    fn read(name: &str, text: Text<'_>) -> Result<Self> {
        let mut list = empty_list::<T>().map_err(|error| not_kept(name, error))?;

        text.and_then(|text| list.read(text))
            .map_err(|error| error.log(name, T::ALLOWED))?;
        Ok((!list.is_empty()).then(|| list.into()))
    }

    fn show(&self, _: &Settings, to: &mut dyn fmt::Write) -> fmt::Result {
        self.as_ref().map_or(Ok(()), |list| list.write(to))
    }

    fn assign(&self, name: &str, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, " {name}=")?;
        self.as_ref().map_or(Ok(()), |list| list.write(to))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.is_none() && other.is_none()
    }
}

/// A function of its own, so that its copy of the list is off the stack when it returns.
#[inline(never)]
fn empty_list<T: List>() -> Result<UniqueArc<T>> {
    Ok(UniqueArc::new(T::EMPTY, GFP_KERNEL)?)
}

impl Setting for Option<Arc<BpfFilter>> {
    fn read(name: &str, text: Text<'_>) -> Result<Self> {
        let text = text.map_err(|error| error.log(name, bpf::ALLOWED))?;
        let Some(program) = bpf::parse(text) else {
            return Ok(None);
        };
        let mut fields = KVec::new();
        for instruction in program {
            let instruction = instruction.map_err(|error| error.log(name, bpf::ALLOWED))?;
            fields
                .push(instruction, GFP_KERNEL)
                .map_err(|error| not_kept(name, error.into()))?;
        }
        let filter = BpfFilter::new(fields)
            .and_then(|filter| Ok(Arc::new(filter, GFP_KERNEL)?))
            .map_err(|error| match error {
                EINVAL => {
                    pr_err!(
                        "{name}: the kernel refuses the program: allowed is {}\n",
                        bpf::ALLOWED
                    );
                    EINVAL
                }
                error => not_kept(name, error),
            })?;
        Ok(Some(filter))
    }

    fn show(&self, _: &Settings, to: &mut dyn fmt::Write) -> fmt::Result {
        self.as_ref().map_or(Ok(()), |bpf| bpf.write(to))
    }

    fn assign(&self, name: &str, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, " {name}='")?;
        self.as_ref().map_or(Ok(()), |bpf| bpf.write(to))?;
        to.write_str("'")
    }

    fn is_same(&self, other: &Self) -> bool {
        self.is_none() && other.is_none()
    }
}

/// The value of a parameter.
pub(crate) trait Value: Sized + PartialEq {
    /// The allowed values, for error messages.
    const ALLOWED: &'static str;

    /// Parses a value. Blanks around it and around each of its tokens are ignored.
    fn parse(text: &str) -> Result<Self, ParseError<'_>>;

    /// Writes the canonical form.
    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result;

    /// Writes the active value, which may depend on other parameters.
    fn write_active(&self, _: &Settings, to: &mut dyn fmt::Write) -> fmt::Result {
        self.write(to)
    }
}

/// The value of a parameter that is a list of conditions, which are ORed.
///
/// Its size of some kilobytes is too much for the kernel stack: it is filled in place.
pub(crate) trait List: Sized {
    /// The allowed values, for error messages.
    const ALLOWED: &'static str;

    /// The empty list, which is no condition.
    const EMPTY: Self;

    /// Adds the items of a list in text form, as for [`Value::parse`]. On error the contents are
    /// unspecified.
    fn read<'a>(&mut self, text: &'a str) -> Result<(), ParseError<'a>>;

    /// Returns whether there is no condition.
    fn is_empty(&self) -> bool;

    /// Writes the canonical form.
    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result;
}

/// The reason why a value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParseError<'a> {
    /// The invalid part of the text, if it is a part.
    pub(crate) token: Option<&'a str>,
    /// What is wrong with it, to be printed behind the token.
    pub(crate) why: &'static str,
}

impl<'a> ParseError<'a> {
    /// The parameter's name was given without a value.
    pub(crate) const NO_VALUE: Self = Self {
        token: None,
        why: "there is no '=' with a value behind the name",
    };
    /// The value may be truncated to a page.
    pub(crate) const TOO_LONG: Self = Self {
        token: None,
        why: "the value is longer than a write may be, 4095 bytes with pages of 4096: insmod takes more",
    };
    /// The value is not valid UTF-8.
    pub(crate) const NO_TEXT: Self = Self {
        token: None,
        why: "the value is no plain text",
    };

    fn new(token: &'a str, why: &'static str) -> Self {
        Self {
            token: Some(token),
            why,
        }
    }
}

impl ParseError<'_> {
    /// Logs why the value of a parameter is refused, and returns the error for that.
    pub(crate) fn log(self, name: &str, allowed: &str) -> Error {
        pr_err!("{name}: {self}: allowed: {allowed}\n");
        EINVAL
    }
}

impl kernel::fmt::Display for ParseError<'_> {
    /// Formats one line of limited length, whatever the token contains.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 40;

        if let Some(token) = self.token {
            f.write_str("'")?;
            for byte in token.bytes().take(SHOWN) {
                match byte {
                    b' '..=b'~' => fmt::Write::write_char(f, byte.into())?,
                    _ => write!(f, "\\x{byte:02x}")?,
                }
            }
            if token.len() > SHOWN {
                f.write_str("...")?;
            }
            f.write_str("' ")?;
        }
        f.write_str(self.why)
    }
}

/// Splits a list at commas. Returns no token for blank text.
fn tokens(text: &str) -> impl Iterator<Item = Result<&str, ParseError<'_>>> {
    let text = text.trim_ascii();
    let pieces = (!text.is_empty()).then(|| text.split(is::<','>));

    pieces.into_iter().flatten().map(move |token| {
        let token = token.trim_ascii();
        match token.bytes().next() {
            None => Err(ParseError::new(text, "has nothing between two commas")),
            Some(b'!') => Err(ParseError::new(
                token,
                "excludes, and a list only includes: bpf= takes expressions such as 'not port 22'",
            )),
            Some(_) => Ok(token),
        }
    })
}

/// Returns whether a character is `CHAR`.
///
/// Splitting by a `char` itself would search with slices that can panic, in core.
fn is<const CHAR: char>(char: char) -> bool {
    char == CHAR
}

/// Strips a prefix, ignoring the case of its letters.
fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;

    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Writes items separated by commas.
fn write_list<T>(
    to: &mut dyn fmt::Write,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut dyn fmt::Write, T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.enumerate() {
        if index != 0 {
            to.write_str(",")?;
        }
        write(to, item)?;
    }
    Ok(())
}

/// Returns whether a text is one or more digits.
fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Parses a decimal number, digits only.
fn decimal<T: core::str::FromStr>(text: &str) -> Option<T> {
    is_digits(text).then(|| text.parse().ok()).flatten()
}

/// Parses a decimal number. On error the reason is `range` for a number, otherwise `none`.
fn number<'a, T: core::str::FromStr>(
    text: &'a str,
    range: &'static str,
    none: &'static str,
) -> Result<T, ParseError<'a>> {
    let unsigned = text.strip_prefix(is::<'-'>).unwrap_or(text);
    let why = if is_digits(unsigned) { range } else { none };

    decimal(text).ok_or(ParseError::new(text, why))
}
