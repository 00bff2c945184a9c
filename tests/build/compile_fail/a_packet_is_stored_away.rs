// error[E0521]: borrowed data escapes outside of function
//! A packet that outlives the call of the handler.

struct Keeper(KBox<Mutex<Option<Packet<'static>>>>);

impl Keeper {
    fn take(&self, packet: Packet<'static>) -> ! {
        *self.0.lock() = Some(packet);
        loop {}
    }
}

fn handle<'a>(keeper: &Keeper, packet: Packet<'a>) -> Verdict<'a> {
    keeper.take(packet)
}
