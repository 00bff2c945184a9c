// error[E0521]: borrowed data escapes outside of method
//! A socket that outlives the call of the handler.

struct Keeper(Atomic<usize>);

fn keep(_: Option<SocketRef<'static>>) {}

impl Handler for Keeper {
    fn handle<'a>(&self, packet: Packet<'a>, state: &State<'a>) -> Verdict<'a> {
        keep(state.socket());
        packet.accept()
    }
}
