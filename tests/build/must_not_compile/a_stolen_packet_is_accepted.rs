// error[E0382]: use of moved value: `packet`
//! A packet that has an owner, and goes on all the same.

struct Thief;

impl Handler for Thief {
    fn handle<'a>(&self, packet: Packet<'a>, state: &State<'a>) -> Verdict<'a> {
        if let Ok((owned, _)) = packet.steal(state) {
            owned.free(DropReason::NOT_SPECIFIED);
        }
        packet.accept()
    }
}
