// error[E0507]: cannot move out of `*packet` which is behind a shared reference
//! A packet that is in a queue, and is put into another one.

fn put_into(from: &PacketQueue<()>, to: &PacketQueue<()>) {
    from.process(|packet, ()| {
        let _ = packet.steal(to, ());
        Fate::Keep
    });
}
