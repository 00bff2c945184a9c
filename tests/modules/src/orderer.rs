// SPDX-License-Identifier: GPL-2.0

//! Logs the name of each named priority, for each ICMP packet that this host sends.
//!
//! Shows: many handlers at one point. They are registered in an arbitrary order, the last ones
//! first, and are called in order of priority.

include!("../prelude.rs");

module_netfilter_hooks! {
    type: Orderer,
    name: "orderer",
    authors: ["The nf_tracer authors"],
    description: "Says in which order handlers are called",
    license: "GPL",
}

const IP: [(&str, Priority); 15] = [
    ("FIRST", Priority::FIRST),
    ("RAW_BEFORE_DEFRAG", Priority::RAW_BEFORE_DEFRAG),
    ("CONNTRACK_DEFRAG", Priority::CONNTRACK_DEFRAG),
    ("RAW", Priority::RAW),
    ("SELINUX_FIRST", Priority::SELINUX_FIRST),
    ("CONNTRACK", Priority::CONNTRACK),
    ("MANGLE", Priority::MANGLE),
    ("NAT_DST", Priority::NAT_DST),
    ("FILTER", Priority::FILTER),
    ("SECURITY", Priority::SECURITY),
    ("NAT_SRC", Priority::NAT_SRC),
    ("SELINUX_LAST", Priority::SELINUX_LAST),
    ("CONNTRACK_HELPER", Priority::CONNTRACK_HELPER),
    ("CONNTRACK_CONFIRM", Priority::CONNTRACK_CONFIRM),
    ("LAST", Priority::LAST),
];

const BRIDGE: [(&str, Priority); 8] = [
    ("FIRST", Priority::FIRST),
    ("NAT_DST_BRIDGED", Priority::BRIDGE_NAT_DST_BRIDGED),
    ("FILTER_BRIDGED", Priority::BRIDGE_FILTER_BRIDGED),
    ("BRNF", Priority::BRIDGE_BRNF),
    ("NAT_DST_OTHER", Priority::BRIDGE_NAT_DST_OTHER),
    ("FILTER_OTHER", Priority::BRIDGE_FILTER_OTHER),
    ("NAT_SRC", Priority::BRIDGE_NAT_SRC),
    ("LAST", Priority::LAST),
];

struct Named(&'static str);

impl Handler for Named {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        const PROTOCOL: usize = 9;

        if packet.copy(PROTOCOL) == Some([1]) {
            pr_info!("{}\n", self.0);
        }
        packet.accept()
    }
}

fn register(
    hooks: &ModuleHooks,
    names: &'static [(&'static str, Priority)],
    point: fn(InetHook, Priority) -> HookPoint,
) -> Result {
    for (name, priority) in names.iter().rev() {
        let points = [point(InetHook::LocalOut, *priority)];
        hooks.register(Net::init(), &points, Ok(Named(name)))?;
    }
    Ok(())
}

struct Orderer;

impl HookModule for Orderer {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        register(hooks, &IP, HookPoint::ipv4)?;
        register(hooks, &BRIDGE, HookPoint::bridge)?;
        Ok(Self)
    }
}
