// error[E0505]: cannot move out of `packet` because it is borrowed
//! A socket that is looked at after the packet that keeps it has been given away.

struct Thief(Arc<PacketQueue<()>>);

impl Handler for Thief {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        let socket = packet.socket();
        let verdict = packet.drop();

        let _ = socket.map(|socket| socket.uid());
        verdict
    }
}
