// error[E0603]: struct `HookedModule` is private
//! A second value of the module's own type, which safe code can leak.

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

fn leak(module: &'static ThisModule) -> Result {
    core::mem::forget(<__netfilter_module::HookedModule as kernel::Module>::init(
        module,
    )?);
    Ok(())
}
