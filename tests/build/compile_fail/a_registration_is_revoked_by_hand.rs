// error[E0599]: no method named `revoke` found for struct `Arc<registration::Registration<Pass>>` in the current scope
//! A registration that is ended without the wait for running handlers.

struct Pass;

impl Handler for Pass {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        packet.accept()
    }
}

fn end(registration: Arc<Registration<Pass>>) {
    registration.revoke();
}
