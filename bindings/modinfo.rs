// SPDX-License-Identifier: GPL-2.0

//! Fields of `modinfo` that `module!` does not support.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

/// Adds a field to the output of `modinfo`: C's `MODULE_INFO()`.
macro_rules! module_info {
    ($tag:literal, $text:expr) => {
        const _: () = {
            const TEXT: &str = concat!($tag, "=", $text, "\0");

            #[link_section = ".modinfo"]
            #[used(compiler)]
            static MODINFO: [u8; TEXT.len()] = match TEXT.as_bytes().first_chunk() {
                Some(bytes) => *bytes,
                None => [0; TEXT.len()],
            };
        };
    };
}
pub(crate) use module_info;
