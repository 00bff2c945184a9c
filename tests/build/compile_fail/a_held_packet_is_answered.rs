// error[E0507]: cannot move out of `*packet` which is behind a shared reference
//! A packet of a queue that gets an answer like that of a hook.

fn answer(queue: &PacketQueue<()>) {
    queue.process(|packet, ()| {
        let _ = packet.drop();
        Fate::Keep
    });
}
