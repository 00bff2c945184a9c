// error[E0597]: `local` does not live long enough
//! A handler whose data is gone while it is still called.

struct Borrower<'b>(&'b u32);

impl Handler for Borrower<'static> {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        packet.accept()
    }
}

fn register(hooks: &ModuleHooks) -> Result<Arc<Registration<Borrower<'static>>>> {
    const POINTS: [HookPoint; 1] = [HookPoint::ipv4(InetHook::LocalIn, Priority::FILTER)];
    let local = 42;

    hooks.register(Net::init(), &POINTS, Ok(Borrower(&local)))
}
