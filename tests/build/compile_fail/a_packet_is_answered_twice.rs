// error[E0382]: use of moved value: `packet`
//! Two answers on one packet.

struct Twice;

impl Handler for Twice {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        let _ = packet.drop();
        packet.accept()
    }
}
