// SPDX-License-Identifier: GPL-2.0

//! Hooks, called by [`pass`].

use super::{
    kernel::{
        self,
        prelude::*,
        KBox, //
    },
    output, //
};
use crate::bytes::Scattered;
use core::any::Any;
use std::{
    cell::OnceCell,
    marker::PhantomData,
    sync::{
        Arc,
        Mutex, //
    }, //
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    PreRouting,
    LocalIn,
    Forward,
    LocalOut,
    PostRouting,
    #[allow(dead_code, reason = "the tracer has a word for it")]
    Ingress,
    #[allow(dead_code, reason = "the tracer has a word for it")]
    Egress,
}

impl Hook {
    pub(crate) const fn name(self) -> &'static str {
        [
            "prerouting",
            "input",
            "forward",
            "output",
            "postrouting",
            "",
            "",
        ][self as usize]
    }
}

pub(crate) use Hook as InetHook;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChecksumState {
    None,
    Unnecessary,
    Complete,
    Partial,
}

/// A packet's metadata, beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around {
    pub(crate) family: Family,
    pub(crate) hook: Hook,
    pub(crate) input: Option<[u8; 16]>,
    pub(crate) output: Option<[u8; 16]>,
    pub(crate) netns: u32,
    pub(crate) mark: u32,
    pub(crate) uid: Option<u32>,
    /// 0 if the kernel has not counted them.
    pub(crate) segments: Option<u16>,
    pub(crate) checksum: ChecksumState,
}

impl Around {
    /// Counts as the kernel does, for segments of 100 bytes without a transport header.
    pub(crate) fn count(&self, segments: u16, len: usize, transport_offset: usize) -> u16 {
        match segments {
            0 => (len.saturating_sub(transport_offset)).div_ceil(100) as u16,
            counted => counted,
        }
    }
}

pub(crate) struct Packet<'a> {
    bytes: Scattered<'a>,
    around: &'a Around,
}

impl<'a> Packet<'a> {
    pub(crate) fn len(&self) -> usize {
        crate::packet::Bytes::len(&self.bytes)
    }

    pub(crate) fn copy<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        crate::packet::Bytes::copy(&self.bytes, offset)
    }

    pub(crate) fn address(&self) -> usize {
        1
    }

    pub(crate) fn mark(&self) -> u32 {
        self.around.mark
    }

    pub(crate) fn segments(&self, transport_offset: usize) -> Option<u16> {
        let segments = self.around.segments?;
        Some(self.around.count(segments, self.len(), transport_offset))
    }

    pub(crate) fn is_gso(&self) -> bool {
        self.around.segments.is_some()
    }

    pub(crate) fn checksum_state(&self) -> ChecksumState {
        self.around.checksum
    }

    pub(crate) fn socket(&self) -> Option<SocketRef> {
        self.around.uid.map(SocketRef)
    }

    pub(crate) fn accept(self) -> Verdict<'a> {
        Verdict(PhantomData)
    }
}

/// Accepts the packet: the tracer has no other verdict.
pub(crate) struct Verdict<'a>(PhantomData<&'a ()>);

pub(crate) struct HookState<'a> {
    around: &'a Around,
    /// The value that [`RcuBox::read`] has read, for the time of the call.
    read: &'a OnceCell<Arc<dyn Any + Send + Sync>>,
}

impl HookState<'_> {
    pub(crate) fn family(&self) -> Family {
        self.around.family
    }

    pub(crate) fn hook(&self) -> Hook {
        self.around.hook
    }

    pub(crate) fn pf(&self) -> u8 {
        match self.around.family {
            Family::Ipv4 => 2,
            Family::Ipv6 => 10,
        }
    }

    pub(crate) fn hooknum(&self) -> u8 {
        self.around.hook as u8
    }

    pub(crate) fn input(&self) -> Option<DeviceRef<'_>> {
        self.around.input.as_ref().map(DeviceRef)
    }

    pub(crate) fn output(&self) -> Option<DeviceRef<'_>> {
        self.around.output.as_ref().map(DeviceRef)
    }

    pub(crate) fn net_inode(&self) -> u32 {
        self.around.netns
    }

    pub(crate) fn is_initial_net(&self) -> bool {
        self.around.netns == 1
    }
}

pub(crate) struct SocketRef(u32);

impl SocketRef {
    pub(crate) fn uid(&self) -> Option<u32> {
        Some(self.0)
    }
}

pub(crate) struct DeviceRef<'a>(&'a [u8; 16]);

impl DeviceRef<'_> {
    pub(crate) fn name(&self) -> DeviceName {
        DeviceName(*self.0)
    }
}

pub(crate) struct DeviceName([u8; 16]);

impl DeviceName {
    pub(crate) fn as_array(&self) -> &[u8; 16] {
        &self.0
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap()
    }
}

pub(crate) trait Handler: Send + Sync + 'static {
    fn handle<'a>(&self, packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a>;
}

/// The registered handler.
static HANDLER: Mutex<Option<Arc<dyn Handler>>> = Mutex::new(None);

/// Passes a packet to the hook, its bytes in pieces of `piece`.
pub(crate) fn pass(bytes: &[u8], piece: usize, around: &Around) {
    let handler = HANDLER.lock().unwrap().clone().expect("it is hooked in");
    let read = OnceCell::new();
    let state = HookState {
        around,
        read: &read,
    };
    let bytes = Scattered::new(bytes, piece);

    handler.handle(Packet { bytes, around }, &state);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetScope {
    Initial,
    AllPossible,
}

/// Registration fails in no namespace here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RegistrationError(Error);

impl From<Error> for RegistrationError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<RegistrationError> for Error {
    fn from(error: RegistrationError) -> Self {
        error.0
    }
}

impl core::fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "error {}", self.0.to_errno())
    }
}

/// The error of a change of the hook points.
pub(crate) static CHANGE_FAILS: Mutex<Option<Error>> = Mutex::new(None);

pub(crate) struct PernetRegistration<T>(Arc<T>);

/// The only module, with its only hook.
pub(crate) struct ModuleHooks;

impl ModuleHooks {
    pub(crate) fn register_in_nets<T: Handler>(
        &self,
        _: NetScope,
        _: &[HookPoint],
        handler: Result<T>,
    ) -> Result<kernel::sync::Arc<PernetRegistration<T>>, RegistrationError> {
        let handler = Arc::new(handler?);
        *HANDLER.lock().unwrap() = Some(handler.clone());
        Ok(kernel::sync::Arc::new(PernetRegistration(handler), GFP_KERNEL).map_err(Error::from)?)
    }
}

impl<T: Handler> PernetRegistration<T> {
    pub(crate) fn left_out(&self, _: &mut [Option<(u32, Error)>]) -> Result<usize> {
        Ok(0)
    }

    pub(crate) fn change(&self, _: NetScope, _: &[HookPoint]) -> Result<(), RegistrationError> {
        CHANGE_FAILS
            .lock()
            .unwrap()
            .map_or(Ok(()), |error| Err(error.into()))
    }

    pub(crate) fn handler(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for PernetRegistration<T> {
    fn drop(&mut self) {
        *HANDLER.lock().unwrap() = None;
    }
}

pub(crate) struct Priority;

impl Priority {
    pub(crate) fn new(_: i32) -> Self {
        Self
    }
}

impl Clone for Priority {
    fn clone(&self) -> Self {
        *self
    }
}

impl Copy for Priority {}

pub(crate) struct HookPoint;

impl HookPoint {
    pub(crate) fn ipv4(_: InetHook, _: Priority) -> Self {
        Self
    }

    pub(crate) fn ipv6(_: InetHook, _: Priority) -> Self {
        Self
    }
}

pub(crate) struct RcuBox<T>(Mutex<Arc<T>>);

impl<T: Send + Sync + 'static> RcuBox<T> {
    pub(crate) fn new(value: KBox<T>) -> Self {
        Self(Mutex::new(value.0.into()))
    }

    pub(crate) fn dereference<'a>(&'a self, call: &HookState<'a>) -> &'a T {
        let value = call.read.get_or_init(|| self.0.lock().unwrap().clone());
        value.downcast_ref().expect("a call reads one value")
    }

    pub(crate) fn replace(&self, value: KBox<T>) -> Result {
        *self.0.lock().unwrap() = value.0.into();
        Ok(())
    }
}

/// One of the kernel's own loggers: for lines, or for an NFLOG group.
pub(crate) struct Logger(Option<u16>);

impl Logger {
    pub(crate) fn syslog() -> Result<Self> {
        Ok(Self(None))
    }

    pub(crate) fn nflog(group: u16) -> Result<Self> {
        Ok(Self(Some(group)))
    }

    pub(crate) fn log(&self, _: &Packet<'_>, _: &CStr) -> bool {
        output::add(|output| match self.0 {
            None => output.syslog += 1,
            Some(group) => output.nflog.push(group),
        });
        true
    }
}

pub(crate) struct Instruction(u16, u32);

impl Instruction {
    pub(crate) const fn new(code: u16, _jt: u8, _jf: u8, k: u32) -> Self {
        Self(code, k)
    }
}

/// A program that matches all packets, or none: whether the constant that it returns is 0.
pub(crate) struct Program(bool);

impl Program {
    pub(crate) fn new(instructions: &[Instruction]) -> Result<Self> {
        const RETURN_CONSTANT: u16 = 6;

        match instructions.last() {
            Some(Instruction(RETURN_CONSTANT, k)) if instructions.len() <= 4096 => {
                Ok(Self(*k != 0))
            }
            _ => Err(EINVAL),
        }
    }

    pub(crate) fn takes(&self, _: &Packet<'_>) -> bool {
        self.0
    }
}
