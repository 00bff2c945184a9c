// error[E0277]: `Cell<u32>` cannot be shared between threads safely
//! A handler that CPUs would race for.

struct Count(core::cell::Cell<u32>);

impl Handler for Count {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        self.0.set(self.0.get() + 1);
        packet.accept()
    }
}
