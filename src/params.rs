// SPDX-License-Identifier: GPL-2.0

//! The module's parameters: what is in force, and how it is changed while packets pass.
//!
//! C calls here with the parameters' lock held, at first with what `insmod` was given, before the
//! module's init. See [`bindings/params.h`](../bindings/params.h) for the list.

use crate::{
    bindings::{
        nf_tracer_param,
        nf_tracer_param_NF_TRACER_BPF as BPF,
        nf_tracer_param_NF_TRACER_BURST as BURST,
        nf_tracer_param_NF_TRACER_COUNTS as COUNTS,
        nf_tracer_param_NF_TRACER_DPORT as DPORT,
        nf_tracer_param_NF_TRACER_DST as DST,
        nf_tracer_param_NF_TRACER_FAMILY as FAMILY,
        nf_tracer_param_NF_TRACER_FORMAT as FORMAT,
        nf_tracer_param_NF_TRACER_HOOKS as HOOKS,
        nf_tracer_param_NF_TRACER_HOST as HOST,
        nf_tracer_param_NF_TRACER_IFACE as IFACE,
        nf_tracer_param_NF_TRACER_NETNS as NETNS,
        nf_tracer_param_NF_TRACER_PORT as PORT,
        nf_tracer_param_NF_TRACER_PRIORITY as PRIORITY,
        nf_tracer_param_NF_TRACER_PROTO as PROTO,
        nf_tracer_param_NF_TRACER_RATE as RATE,
        nf_tracer_param_NF_TRACER_SINK as SINK,
        nf_tracer_param_NF_TRACER_SPORT as SPORT,
        nf_tracer_param_NF_TRACER_SRC as SRC, //
    },
    netfilter::ModuleHooks,
    param_lock::{
        ParamLock,
        ParamLocked, //
    },
    system,
    tracer::{
        settings::{
            bpf,
            sinks::Sink,
            List,
            Refused,
            Value, //
        },
        BpfFilter,
        Hooks,
        Settings, //
    },
};
use core::fmt::Write;
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        Arc,
        UniqueArc, //
    }, //
};

/// What the parameters' lock guards.
struct State {
    settings: Settings,
    /// Where they are in force, between the module's init and its exit.
    hooks: Option<Hooks>,
}

static STATE: ParamLocked<State> = ParamLocked::new(State {
    settings: Settings::DEFAULT,
    hooks: None,
});

/// Starts tracing with what `insmod` was given. May sleep.
pub(crate) fn start(hooks: &ModuleHooks) -> Result {
    let mut lock = ParamLock::take();
    let state = STATE.get(&mut lock);

    if state.settings.sinks.contain(Sink::Log) && system::serial_console_shows_info() {
        pr_warn!(
            "lines go to a serial console too, which is too slow for many: see 'dmesg -n 6'\n"
        );
    }
    let hooks = Hooks::new(hooks, &state.settings)
        .inspect_err(|error| pr_err!("packets cannot be traced: {error}\n"))?;
    state.hooks = Some(hooks);
    note_slip(&state.settings);
    Ok(())
}

/// Says what is in force although it may not be what was meant.
fn note_slip(settings: &Settings) {
    if let Some(slip) = settings.likely_slip() {
        pr_notice!("{slip}\n");
    }
}

/// Has parameters change nothing any more where packets pass. Tracing ends with what the module has
/// registered.
pub(crate) fn stop() {
    let mut lock = ParamLock::take();

    STATE.get(&mut lock).hooks = None;
}

/// Says how many lines were suppressed, if any. May sleep.
pub(crate) fn report_suppressed() {
    let mut lock = ParamLock::take();

    if let Some(hooks) = &STATE.get(&mut lock).hooks {
        hooks.report_suppressed();
    }
}

/// Frees what the values take. A static is not dropped, and `insmod` may fail before there is a module.
pub(crate) fn free() {
    let mut lock = ParamLock::take();

    STATE.get(&mut lock).settings = Settings::DEFAULT;
}

/// Reads a value and puts it in force, or says in one line why not and leaves all as it was. There is
/// no value where `insmod` was given the name alone.
pub(crate) fn set(lock: &mut ParamLock, param: nf_tracer_param, value: Option<&[u8]>) -> Result {
    let state = STATE.get(lock);
    let mut new = state.settings.clone();
    let name = name(param);
    let text = match value {
        None => Err(Refused::NO_VALUE),
        // Written at once, what is behind this page would be a value of its own.
        Some(value) if value.len() >= PAGE_SIZE && state.hooks.is_some() => Err(Refused::TOO_LONG),
        Some(value) => core::str::from_utf8(value).map_err(|_| Refused::NO_TEXT),
    };

    match param {
        HOOKS => new.hooks = read(name, text)?,
        FAMILY => new.families = read(name, text)?,
        PROTO => new.protocols = read(name, text)?,
        HOST => new.host = read_list(name, text)?,
        SRC => new.source = read_list(name, text)?,
        DST => new.destination = read_list(name, text)?,
        PORT => new.port = read_list(name, text)?,
        SPORT => new.source_port = read_list(name, text)?,
        DPORT => new.destination_port = read_list(name, text)?,
        IFACE => new.devices = read_list(name, text)?,
        BPF => new.bpf = read_bpf(name, text)?,
        NETNS => new.netns = read(name, text)?,
        RATE => new.rate = read(name, text)?,
        BURST => new.burst = read(name, text)?,
        FORMAT => new.format = read(name, text)?,
        SINK => new.sinks = read(name, text)?,
        PRIORITY => new.priority = read(name, text)?,
        _ => {
            pr_err!("{name}: read only: it says what became of the packets, and takes no value\n");
            // As whoever opens the file for writing is told.
            return Err(EACCES);
        }
    }
    if let Some(hooks) = &state.hooks {
        let changed = match param {
            HOOKS | FAMILY | NETNS | PRIORITY => hooks.change_points(&new),
            _ => hooks.change_config(&state.settings, &new),
        };
        changed.inspect_err(|error| {
            // What the kernel does not have is said already.
            let errno = Error::from(*error);
            if errno != ENOENT && errno != EOPNOTSUPP {
                pr_err!("{name}: cannot be put in force: {error}\n");
            }
        })?;
        if matches!(param, FAMILY | PROTO) {
            note_slip(&new);
        }
    }
    state.settings = new;
    Ok(())
}

/// Writes what is in force, and a line's end, to `to`: where there is no room for all of it, whole items
/// and how many more there are. Gives the length.
pub(crate) fn get(lock: &mut ParamLock, param: nf_tracer_param, to: &mut [u8]) -> usize {
    let State { settings, hooks } = STATE.get(lock);
    let mut text = Page::new(to);

    let _ = match param {
        HOOKS => settings.hooks.write(&mut text),
        FAMILY => settings.families.write(&mut text),
        PROTO => settings.protocols.write(&mut text),
        HOST => write_list(&settings.host, &mut text),
        SRC => write_list(&settings.source, &mut text),
        DST => write_list(&settings.destination, &mut text),
        PORT => write_list(&settings.port, &mut text),
        SPORT => write_list(&settings.source_port, &mut text),
        DPORT => write_list(&settings.destination_port, &mut text),
        IFACE => write_list(&settings.devices, &mut text),
        BPF => settings
            .bpf
            .as_ref()
            .map_or(Ok(()), |bpf| bpf.write(&mut text)),
        NETNS => settings.netns.write(&mut text),
        RATE => settings.rate.write(&mut text),
        BURST => settings.burst().write(&mut text),
        FORMAT => settings.format.write(&mut text),
        SINK => settings.sinks.write(&mut text),
        PRIORITY => settings.priority.write(&mut text),
        COUNTS => match hooks {
            Some(hooks) => hooks.write_counts(&mut text),
            None => Ok(()),
        },
        _ => Ok(()),
    };
    text.end(param != COUNTS)
}

fn name(param: nf_tracer_param) -> &'static str {
    match param {
        HOOKS => "hooks",
        FAMILY => "family",
        PROTO => "proto",
        HOST => "host",
        SRC => "src",
        DST => "dst",
        PORT => "port",
        SPORT => "sport",
        DPORT => "dport",
        IFACE => "iface",
        BPF => "bpf",
        NETNS => "netns",
        RATE => "rate",
        BURST => "burst",
        FORMAT => "format",
        SINK => "sink",
        PRIORITY => "priority",
        _ => "counts",
    }
}

/// The text of a value, or why there is none.
type Text<'a> = Result<&'a str, Refused<'static>>;

fn read<T: Value>(name: &str, text: Text<'_>) -> Result<T> {
    text.and_then(T::parse)
        .map_err(|refused| say(name, refused, T::ALLOWED))
}

/// As [`read`], for a list that is shared with the packets' way, where none at all is no condition.
fn read_list<T: List>(name: &str, text: Text<'_>) -> Result<Option<Arc<T>>> {
    let mut list = empty_list::<T>()?;

    text.and_then(|text| list.read(text))
        .map_err(|refused| say(name, refused, T::ALLOWED))?;
    Ok((!list.is_empty()).then(|| list.into()))
}

/// A function of its own, so that its copy of the list is off the stack when it returns.
#[inline(never)]
fn empty_list<T: List>() -> Result<UniqueArc<T>> {
    Ok(UniqueArc::new(T::EMPTY, GFP_KERNEL)?)
}

fn read_bpf(name: &str, text: Text<'_>) -> Result<Option<Arc<BpfFilter>>> {
    let text = text.map_err(|refused| say(name, refused, bpf::ALLOWED))?;
    let Some(program) = bpf::parse(text) else {
        return Ok(None);
    };
    let mut fields = KVec::new();
    for instruction in program {
        let instruction = instruction.map_err(|refused| say(name, refused, bpf::ALLOWED))?;
        fields.push(instruction, GFP_KERNEL)?;
    }
    let filter = BpfFilter::new(fields).inspect_err(|error| {
        if *error == EINVAL {
            pr_err!(
                "{name}: the kernel refuses the program: allowed is {}\n",
                bpf::ALLOWED
            );
        }
    })?;
    Ok(Some(Arc::new(filter, GFP_KERNEL)?))
}

/// Says why a value is refused, and gives the error for that.
fn say(name: &str, refused: Refused<'_>, allowed: &str) -> Error {
    pr_err!("{name}: {}: allowed: {allowed}\n", Shown(refused));
    EINVAL
}

/// What the kernel's own formatting needs to print a [`Refused`].
struct Shown<'a>(Refused<'a>);

impl kernel::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}

fn write_list<T: List>(list: &Option<Arc<T>>, to: &mut Page<'_>) -> core::fmt::Result {
    list.as_ref().map_or(Ok(()), |list| list.write(to))
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
