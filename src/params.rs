// SPDX-License-Identifier: GPL-2.0

//! The module's parameters: what is active, and how it is changed while packets pass.
//!
//! C calls here with the parameters' lock held, at first with what `insmod` was given, before the
//! module's init. [`settings`] has the table of them.

use crate::{
    ffi::{
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

/// What the parameters' lock guards.
struct Parameters {
    settings: Settings,
    /// Where they are active, between the module's init and its exit.
    tracing: Option<Arc<Tracing>>,
}

static STATE: ParamLocked<Parameters> = ParamLocked::new(Parameters {
    settings: Settings::DEFAULT,
    tracing: None,
});

/// Has parameters change what is traced, for as long as it lives.
pub(crate) struct Attachment(());

/// Starts tracing with what `insmod` was given, and attaches the parameters to it. May sleep.
pub(crate) fn start(hooks: &ModuleHooks) -> Result<(Attachment, Arc<Tracing>)> {
    // Held throughout, so that no parameter is changed in between.
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

/// Logs what is active although it may not be what was meant.
fn log_slip(settings: &Settings) {
    if let Some(slip) = settings.likely_slip() {
        pr_notice!("{slip}\n");
    }
}

/// Logs how many lines were suppressed, if any. May sleep.
pub(crate) fn report_suppressed() {
    let mut lock = ParamLock::take();

    if let Some(tracing) = &STATE.get(&mut lock).tracing {
        tracing.report_suppressed();
    }
}

/// Frees what the values take. A static is not dropped, and `insmod` may fail before there is a module.
pub(crate) fn free() {
    let mut lock = ParamLock::take();

    STATE.get(&mut lock).settings = Settings::DEFAULT;
}

/// Reads and applies a value; on error logs one line and changes nothing. There is no value where `insmod` was
/// given the name alone.
pub(crate) fn set(lock: &mut ParamLock, number: usize, value: Option<&[u8]>) -> Result {
    let state = STATE.get(lock);
    let text = match value {
        None => Err(ParseError::NO_VALUE),
        // Written at once, what is behind this page would be a value of its own.
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
        other => {
            let name = other.copied().unwrap_or_default();
            pr_err!("{name}: read only: it says what became of the packets, and takes no value\n");
            // As whoever opens the file for writing is told.
            Err(EACCES)
        }
    }
}

/// Changes settings by `defaults` and `name=value`, in their order; on error logs one line.
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
    /// Makes `new` active, in which the parameters may be others that `changed` tells; on error logs one line and
    /// changes nothing.
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

/// Writes what is active, and a line's end, to `to`: where there is no room for all of it, whole items
/// and how many more there are. Returns the length.
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
        _ => {
            let counts = tracing.as_ref();
            let _ = counts.map_or(Ok(()), |tracing| tracing.write_counts(&mut text));
            text.end(false)
        }
    }
}

/// Text on its way to a reader: items that end in a comma or with a line.
///
/// Of a text that does not fit, whole items are kept, and behind them is said how many more there are.
/// That is an item of no list, so that what was cut is refused where it is written back.
struct Page<'a> {
    to: &'a mut [u8],
    len: usize,
    is_full: bool,
    /// How many items there are in all.
    items: usize,
    /// How many of them are kept where the text does not fit, and where the last one of these ends.
    kept: usize,
    kept_len: usize,
}

impl<'a> Page<'a> {
    /// Room for what is said of items that are not kept.
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

    /// Ends the text, and the last line if that has no end yet. Gives the length.
    fn end(mut self, end_line: bool) -> usize {
        // A line that fills the page is whole without an end.
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
