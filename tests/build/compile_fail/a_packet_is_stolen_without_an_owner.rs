// error[E0624]: associated function `value` is private
//! The verdict stolen for a packet that nobody has taken: it would leak.

struct Leak;

impl Handler for Leak {
    fn handle<'a>(&self, _packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        Verdict::value(bindings::NF_STOLEN)
    }
}
