// error[E0133]: call to unsafe function `netfilter::device::DeviceRegistration::<T>::new` is unsafe
//! A device's registration that nobody revokes when the module goes.

struct Pass;

impl Handler for Pass {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        packet.accept()
    }
}

fn leak(points: &[DevicePoint]) -> Result {
    let registration = DeviceRegistration::new(Net::init(), c"eth0", points, Ok(Pass));

    core::mem::forget(KBox::pin_init(registration, GFP_KERNEL)?);
    Ok(())
}
