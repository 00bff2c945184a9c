// error[E0277]: `*mut ()` cannot be sent between threads safely
//! A handler that another thread than its own would drop.

struct Locked(Option<kernel::sync::MutexGuard<'static, u32>>);

impl Handler for Locked {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        packet.accept()
    }
}
