// error[E0597]: `local` does not live long enough
//! A handler whose data is gone while it is still called.

struct Borrower<'b>(&'b u32);

impl Handler for Borrower<'static> {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &State<'a>) -> Verdict<'a> {
        packet.accept()
    }
}

fn register(points: &'static [Point]) -> Result<Pin<KBox<Registration<Borrower<'static>>>>> {
    let local = 42;

    KBox::pin_init(
        Registration::new(Net::init(), points, Ok(Borrower(&local))),
        GFP_KERNEL,
    )
}
