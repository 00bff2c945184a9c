// error[E0133]: call to unsafe function `netfilter::module::Owner::new` is unsafe
//! An owner of registrations that safe code can leak, so that nothing is revoked.

fn leak() -> Result {
    core::mem::forget(Owner::new()?);
    Ok(())
}
