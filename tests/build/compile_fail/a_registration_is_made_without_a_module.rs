// error[E0133]: call to unsafe function `registration::Registration::<T>::new` is unsafe
//! A registration that nobody revokes when the module goes.

struct Pass;

impl Handler for Pass {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        packet.accept()
    }
}

fn leak(points: &[HookPoint]) -> Result {
    let registration = Registration::new(Net::init(), points, Ok(Pass));

    core::mem::forget(KBox::pin_init(registration, GFP_KERNEL)?);
    Ok(())
}
