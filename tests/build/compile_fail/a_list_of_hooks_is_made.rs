// error[E0423]: cannot initialize a tuple struct which contains private fields
//! A list of registrations that no module revokes.

fn make(own: Arc<()>) -> ModuleHooks {
    ModuleHooks(own)
}
