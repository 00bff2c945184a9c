// SPDX-License-Identifier: GPL-2.0

//! The module parameters: their active values, and how they change while packets pass.
//!
//! C calls this module with the parameter lock held, first with `insmod`'s arguments, before the
//! module's init. [`settings`] has the table of parameters.

use crate::{
    ffi::{
        compat::code::EOPNOTSUPP,
        console,
        params::{
            ParamLock,
            ParamLocked, //
        }, //
    },
    netfilter::ModuleHooks,
    tracer::{
        settings::{
            self,
            sinks::Sink,
            Assignment,
            Changes,
            Parameter,
            ParseError,
            Settings,
            OTHERS,
            PARAMETERS, //
        },
        Changed,
        Tracing, //
    },
};
use core::fmt::Write;
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

/// The state that the parameter lock protects.
struct Parameters {
    settings: Settings,
    /// Where they are active, between the module's init and exit.
    tracing: Option<Arc<Tracing>>,
}

static STATE: ParamLocked<Parameters> = ParamLocked::new(Parameters {
    settings: Settings::DEFAULT,
    tracing: None,
});

/// Attaches the parameters to what is traced, until it is dropped.
pub(crate) struct Attachment(());

/// Starts tracing with `insmod`'s arguments, and attaches the parameters to it. May sleep.
pub(crate) fn start(hooks: &ModuleHooks) -> Result<(Attachment, Arc<Tracing>)> {
    // Held throughout, so that no parameter changes in between.
    let mut lock = ParamLock::take();
    let state = STATE.get(&mut lock);

    if state.settings.sink.contain(Sink::Log) && console::serial_console_shows_info() {
        pr_warn!(
            "lines go to a serial console too, which is too slow for many: see 'dmesg -n 6'\n"
        );
    }
    let tracing = Tracing::new(hooks, &state.settings)
        .inspect_err(|error| pr_err!("packets cannot be traced: {error}\n"))?;
    let tracing = Arc::new(tracing, GFP_KERNEL)?;

    state.tracing = Some(tracing.clone());
    log_slip(&state.settings);
    Ok((Attachment(()), tracing))
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut lock = ParamLock::take();

        STATE.get(&mut lock).tracing = None;
    }
}

/// Logs a warning on active settings that may not be what the user meant.
fn log_slip(settings: &Settings) {
    if let Some(slip) = settings.likely_slip() {
        pr_notice!("{slip}\n");
    }
}

/// Logs the number of suppressed lines, if any. May sleep.
pub(crate) fn report_suppressed() {
    let mut lock = ParamLock::take();

    if let Some(tracing) = &STATE.get(&mut lock).tracing {
        tracing.report_suppressed();
    }
}

/// Frees the values. A static is not dropped, and `insmod` may fail before there is a module.
pub(crate) fn free() {
    let mut lock = ParamLock::take();

    STATE.get(&mut lock).settings = Settings::DEFAULT;
}

/// Parses and applies a value; on error logs one line and changes nothing. `None` if `insmod` was
/// given the name alone.
pub(crate) fn set(lock: &mut ParamLock, number: usize, value: Option<&[u8]>) -> Result {
    let state = STATE.get(lock);
    let text = match value {
        None => Err(ParseError::NO_VALUE),
        // In a single write, the bytes behind this page would be taken for a value of their own.
        Some(value) if value.len() >= PAGE_SIZE && state.tracing.is_some() => {
            Err(ParseError::TOO_LONG)
        }
        Some(value) => core::str::from_utf8(value).map_err(|_| ParseError::NO_TEXT),
    };
    let mut new = state.settings.clone();

    if let Some(parameter) = PARAMETERS.get(number) {
        (parameter.read)(&mut new, text)?;
        return state.apply(parameter.name, new, |other| core::ptr::eq(other, parameter));
    }
    match OTHERS.get(number.wrapping_sub(PARAMETERS.len())) {
        Some(&"settings") => {
            let text = text.map_err(|error| error.log("settings", settings::ALLOWED))?;
            assign(&mut new, text)?;
            state.apply("settings", new, |_| true)
        }
        Some(&"counts") => {
            pr_err!("counts: read only: it says what became of the packets, and takes no value\n");
            // The error of opening the file for writing.
            Err(EACCES)
        }
        _ => Err(EINVAL),
    }
}

/// Changes settings by `defaults` and `name=value`, in order; on error logs one line.
fn assign(new: &mut Settings, text: &str) -> Result {
    for assignment in settings::assignments(text) {
        match assignment.map_err(|error| error.log("settings", settings::ALLOWED))? {
            Assignment::Defaults => *new = Settings::DEFAULT,
            Assignment::Value(parameter, value) => (parameter.read)(new, Ok(value))?,
        }
    }
    Ok(())
}

impl Parameters {
    /// Makes `new` active, in which the parameters that match `changed` may differ; on error logs
    /// one line and changes nothing.
    fn apply(&mut self, name: &str, new: Settings, changed: impl Fn(&Parameter) -> bool) -> Result {
        let has_changed = |changes| {
            PARAMETERS
                .iter()
                .any(|parameter| parameter.changes == changes && changed(parameter))
        };

        if let Some(tracing) = &self.tracing {
            let changed = Changed {
                hook_points: has_changed(Changes::HookPoints),
                config: has_changed(Changes::Config),
            };
            tracing
                .change(&self.settings, &new, changed)
                .inspect_err(|error| {
                    // What the kernel does not have is logged already.
                    if Error::from(*error) != EOPNOTSUPP {
                        pr_err!("{name}: cannot be made active: {error}\n");
                    }
                })?;
            if self.settings.likely_slip() != new.likely_slip() {
                log_slip(&new);
            }
        }
        self.settings = new;
        Ok(())
    }
}

/// Writes the active value and a newline to `to`; if it does not fit, complete items and the number
/// of the others. Returns the length in bytes.
pub(crate) fn get(lock: &mut ParamLock, number: usize, to: &mut [u8]) -> usize {
    let Parameters { settings, tracing } = STATE.get(lock);
    let mut text = Page::new(to);

    if let Some(parameter) = PARAMETERS.get(number) {
        let _ = (parameter.show)(settings, &mut text);
        return text.end(true);
    }
    match OTHERS.get(number.wrapping_sub(PARAMETERS.len())) {
        Some(&"settings") => {
            let _ = settings.write(&mut text);
            text.end(true)
        }
        Some(&"counts") => {
            let counts = tracing.as_ref();
            let _ = counts.map_or(Ok(()), |tracing| tracing.write_counts(&mut text));
            text.end(false)
        }
        _ => 0,
    }
}

/// Output to a reader, as items that end in a comma or a newline.
///
/// Of output that does not fit, complete items are kept, followed by a note with the number of the
/// others. No list accepts that note as an item, so that truncated output is refused if it is
/// written back.
struct Page<'a> {
    to: &'a mut [u8],
    len: usize,
    is_full: bool,
    /// The total number of items.
    items: usize,
    /// How many of them are kept if the output does not fit, and where the last of these ends.
    kept: usize,
    kept_len: usize,
}

impl<'a> Page<'a> {
    /// Room for the note.
    const NOTE: usize = "... 18446744073709551615 more not shown\n".len();

    fn new(to: &'a mut [u8]) -> Self {
        Self {
            to,
            len: 0,
            is_full: false,
            items: 0,
            kept: 0,
            kept_len: 0,
        }
    }

    /// Ends the output, and the last line if it has no newline yet. Returns the length in bytes.
    fn end(mut self, end_line: bool) -> usize {
        // A line that fills the page needs no newline.
        if end_line && (self.is_full || self.len < self.to.len()) {
            self.push(b'\n');
        }
        if self.is_full {
            let more = self.items.wrapping_sub(self.kept);

            self.len = self.kept_len;
            let _ = writeln!(self, "... {more} more not shown");
        }
        self.len
    }

    fn push(&mut self, byte: u8) {
        match self.to.get_mut(self.len) {
            Some(to) => {
                *to = byte;
                self.len += 1;
            }
            None => self.is_full = true,
        }
        if byte == b',' || byte == b'\n' {
            self.items += 1;
            if self.len.saturating_add(Self::NOTE) <= self.to.len() {
                self.kept = self.items;
                self.kept_len = self.len;
            }
        }
    }
}

impl Write for Page<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        text.bytes().for_each(|byte| self.push(byte));
        Ok(())
    }
}
