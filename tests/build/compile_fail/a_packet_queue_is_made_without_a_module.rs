// error[E0133]: call to unsafe function `queue::PacketQueue::<T>::new` is unsafe
//! A queue that nobody empties when the module goes.

fn leak() -> Result {
    core::mem::forget(KBox::pin_init(PacketQueue::<()>::new(1), GFP_KERNEL)?);
    Ok(())
}
