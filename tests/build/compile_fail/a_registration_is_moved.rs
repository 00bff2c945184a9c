// error[E0277]: `PhantomPinned` cannot be unpinned
//! A registration that leaves the place that C knows it at.

struct Pass;

impl Handler for Pass {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        packet.accept()
    }
}

fn swap(one: Pin<&mut Registration<Pass>>, other: Pin<&mut Registration<Pass>>) {
    core::mem::swap(one.get_mut(), other.get_mut());
}
