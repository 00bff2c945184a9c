// SPDX-License-Identifier: GPL-2.0

//! One of a few words, or a set of them: `hooks=`, `family=`, `netns=` and `format=`.

use super::{
    tokens,
    write_list,
    Refused,
    Value, //
};
use core::fmt;

/// Which of the five hook points of the IP families, in the order that packets pass them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hooks(u8);

impl Hooks {
    /// Where packets come in, and where this host sends its own.
    pub(crate) const DEFAULT: Self = Self(1 | (1 << 3));

    const NAMES: [&'static str; 5] = ["prerouting", "input", "forward", "output", "postrouting"];

    /// Whether it has the hook point of this number, C's `enum nf_inet_hooks`.
    pub(crate) fn contain(self, number: u32) -> bool {
        number < 8 && (self.0 >> number) & 1 != 0
    }
}

impl Value for Hooks {
    const ALLOWED: &'static str = "prerouting,input,forward,output,postrouting, or all";

    fn parse(text: &str) -> Result<Self, Refused<'_>> {
        let mut hooks = 0;

        for token in tokens(text) {
            let token = token?;
            if token == "all" {
                hooks = 0x1f;
                continue;
            }
            let number = Self::NAMES.iter().position(|name| *name == token);
            hooks |= 1 << number.ok_or(Refused::new(token, "is no hook point"))?;
        }
        match hooks {
            0 => Err(Refused::new(text, "names no hook point")),
            hooks => Ok(Self(hooks)),
        }
    }

    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        let named = (0..).zip(Self::NAMES);
        let names = named.filter(|(number, _)| self.contain(*number));

        write_list(to, names, |to, (_, name)| to.write_str(name))
    }
}

/// Makes an `enum` of a parameter that is one word of a few.
macro_rules! choice {
    ($(#[$doc:meta])* $type:ident, $what:literal, $allowed:literal,
     $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $type {
            $($(#[$variant_doc])* $variant,)+
        }

        impl Value for $type {
            const ALLOWED: &'static str = $allowed;

            fn parse(text: &str) -> Result<Self, Refused<'_>> {
                match text.trim_ascii() {
                    $($word => Ok(Self::$variant),)+
                    text => Err(Refused::new(text, $what)),
                }
            }

            fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
                to.write_str(match self {
                    $(Self::$variant => $word,)+
                })
            }
        }
    };
}

choice! {
    /// The network protocols that are traced.
    Families, "is no family", "ipv4, ipv6, or inet for both",
    Ipv4 = "ipv4",
    Ipv6 = "ipv6",
    /// Both.
    Inet = "inet",
}

choice! {
    /// The network namespaces that are traced.
    Netns, "is no choice of namespaces", "host for the initial one, or all",
    /// The one that the kernel booted into.
    Host = "host",
    /// All that there are and that will be.
    All = "all",
}

choice! {
    /// What a line looks like.
    Format, "is no format", "classic, full or nf_log",
    Classic = "classic",
    Full = "full",
    /// As the kernel's own logger has it.
    NfLog = "nf_log",
}
