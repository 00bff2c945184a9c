// error[E0277]: the trait bound `Vec<u8, Kmalloc>: core::marker::Copy` is not satisfied
//! A tag that would be dropped wherever a packet is freed.

fn tagged(_: &PacketQueue<KVec<u8>>) {}
