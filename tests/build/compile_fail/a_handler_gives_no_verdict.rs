// error[E0308]: mismatched types
//! A packet that is forgotten.

struct Forgetful;

impl Handler for Forgetful {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        drop(packet);
    }
}
