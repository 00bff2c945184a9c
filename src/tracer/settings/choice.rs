// SPDX-License-Identifier: GPL-2.0

//! Parameters that are one of a few words, or a set of them: `hooks=`, `family=`, `netns=` and
//! `format=`.

use super::{
    strip_prefix,
    tokens,
    write_list,
    ParseError,
    Value, //
};
use core::fmt;

/// A set of the five hooks of the IP families, numbered in the order in which packets traverse
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hooks(u8);

impl Hooks {
    /// Where packets are received, and where this host sends its own.
    pub(crate) const DEFAULT: Self = Self(1 | (1 << 3));

    const NAMES: [&'static str; 5] = ["prerouting", "input", "forward", "output", "postrouting"];

    /// C's names, without their prefix.
    const C_NAMES: [&'static str; 5] = [
        "pre_routing",
        "local_in",
        "forward",
        "local_out",
        "post_routing",
    ];
    const C_PREFIXES: [&'static str; 3] = ["nf_inet_", "nf_ip_", "nf_ip6_"];

    /// Returns the number of the hook that a word names.
    fn number(word: &str) -> Option<usize> {
        let prefixes = Self::C_PREFIXES.iter();
        let c_word = prefixes
            .filter_map(|prefix| strip_prefix(word, prefix))
            .next();
        let find = |names: [&str; 5], word: &str| {
            names
                .iter()
                .position(|name| name.eq_ignore_ascii_case(word))
        };

        find(Self::NAMES, word).or_else(|| find(Self::C_NAMES, c_word.unwrap_or(word)))
    }

    /// Returns whether the set contains the hook with this number, C's `enum nf_inet_hooks`.
    pub(crate) fn contain(self, number: u32) -> bool {
        number < 8 && (self.0 >> number) & 1 != 0
    }
}

impl Value for Hooks {
    const ALLOWED: &'static str = "prerouting,input,forward,output,postrouting, or all";

    fn parse(text: &str) -> Result<Self, ParseError<'_>> {
        let mut hooks = 0;

        for token in tokens(text) {
            let token = token?;
            if token.eq_ignore_ascii_case("all") {
                hooks = 0x1f;
                continue;
            }
            hooks |= 1 << Self::number(token).ok_or(ParseError::new(token, "is no hook point"))?;
        }
        match hooks {
            0 => Err(ParseError::new(text, "names no hook point")),
            hooks => Ok(Self(hooks)),
        }
    }

    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        let named = (0..).zip(Self::NAMES);
        let names = named.filter(|(number, _)| self.contain(*number));

        write_list(to, names, |to, (_, name)| to.write_str(name))
    }
}

/// Declares an `enum` for a parameter that is one word of a few.
macro_rules! choice {
    ($(#[$doc:meta])* $type:ident, $what:literal, $allowed:literal,
     $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)?
     $(; $slip:literal: $why:literal)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $type {
            $($(#[$variant_doc])* $variant,)+
        }

        impl Value for $type {
            const ALLOWED: &'static str = $allowed;

            fn parse(text: &str) -> Result<Self, ParseError<'_>> {
                let text = text.trim_ascii();
                let is = |word: &str| text.eq_ignore_ascii_case(word);

                $(if is($word) {
                    return Ok(Self::$variant);
                })+
                $(if is($slip) {
                    return Err(ParseError::new(text, $why));
                })*
                Err(ParseError::new(text, $what))
            }

            fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
                to.write_str(match self {
                    $(Self::$variant => $word,)+
                })
            }
        }
    };
}

/// The network protocols to trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Families {
    Ipv4,
    Ipv6,
    /// Both IPv4 and IPv6.
    Inet,
}

impl Families {
    /// The names of each: ours, nft's and C's. The first one is written.
    const NAMES: [(Self, &'static str); 8] = [
        (Self::Ipv4, "ipv4"),
        (Self::Ipv6, "ipv6"),
        (Self::Inet, "inet"),
        (Self::Ipv4, "ip"),
        (Self::Ipv6, "ip6"),
        (Self::Ipv4, "nfproto_ipv4"),
        (Self::Ipv6, "nfproto_ipv6"),
        (Self::Inet, "nfproto_inet"),
    ];
}

impl Value for Families {
    const ALLOWED: &'static str = "ipv4, ipv6, or inet for both";

    fn parse(text: &str) -> Result<Self, ParseError<'_>> {
        let mut families = None;

        for token in tokens(text) {
            let token = token?;
            let named = Self::NAMES
                .iter()
                .find(|(_, name)| name.eq_ignore_ascii_case(token));
            let (family, _) = *named.ok_or(ParseError::new(token, "is no family"))?;
            families = match families {
                Some(other) if other != family => Some(Self::Inet),
                _ => Some(family),
            };
        }
        families.ok_or(ParseError::new(text, "names no family"))
    }

    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        match Self::NAMES.iter().find(|(families, _)| families == self) {
            Some((_, name)) => to.write_str(name),
            None => Ok(()),
        }
    }
}

choice! {
    /// The network namespaces to trace.
    Netns, "is no choice of namespaces, which have no names here: with all, format=full tells them apart",
    "host for the initial one, or all",
    /// The initial one.
    Host = "host",
    /// All present and future ones.
    All = "all",
}

choice! {
    /// The format of a line.
    Format, "is no format", "classic, full or nf_log",
    Classic = "classic",
    Full = "full",
    /// That of the kernel's own logger.
    NfLog = "nf_log";
    "nflog": "is a sink: sink=nflog:GROUP"
}
