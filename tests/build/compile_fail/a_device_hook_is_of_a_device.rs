// error[E0308]: mismatched types
//! A device's hook point without the device.

struct Pass;

impl Handler for Pass {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        packet.accept()
    }
}

fn register(hooks: &ModuleHooks) -> Result<Arc<Registration<Pass>>> {
    let points = [DevicePoint {
        hook: DeviceHook::Ingress,
        priority: Priority::FIRST,
    }];

    hooks.register(Net::init(), &points, Ok(Pass))
}
