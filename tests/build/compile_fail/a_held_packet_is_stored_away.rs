// error[E0521]: borrowed data escapes outside of closure
//! A packet of a queue that outlives the decision on it.

fn keep(queue: &PacketQueue<()>) -> usize {
    let mut kept: Option<&Packet<'_>> = None;

    queue.process(|packet, ()| {
        kept = Some(packet);
        Fate::Keep
    });
    kept.map_or(0, Packet::len)
}
