// error[E0451]: field `_owner` of struct `HookedModule` is private
//! What owns the registrations, taken out of the module to be leaked.

struct Mine;

impl HookModule for Mine {
    fn init(_module: &'static ThisModule, _hooks: &ModuleHooks) -> Result<Self> {
        Ok(Self)
    }
}

module_netfilter_hooks! {
    type: Mine,
    name: "mine",
    license: "GPL",
}

fn forget(module: LocalModule) {
    let LocalModule { _owner: owner, .. } = module;
    core::mem::forget(owner);
}
