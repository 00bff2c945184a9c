// error[E0382]: use of moved value: `packet`
//! A packet that has lost its route in vain, and goes on all the same.

struct Router;

impl Handler for Router {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        match packet.reroute() {
            Ok(packet) => packet.accept(),
            Err(_) => packet.accept(),
        }
    }
}
