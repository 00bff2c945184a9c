// error[E0382]: use of moved value: `packet`
//! A packet that is in a queue, and goes on all the same.

struct Thief(Arc<PacketQueue<()>>);

impl Handler for Thief {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        let _ = packet.steal(&self.0, ());
        packet.accept()
    }
}
