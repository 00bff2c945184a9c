// error[E0308]: mismatched types
//! A packet that may have been given back, and has no other answer.

struct Diverter;

impl Handler for Diverter {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        packet.queue(1, NoListener::Drop)
    }
}
