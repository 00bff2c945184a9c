// error[E0515]: cannot return value referencing function parameter `packet`
//! A socket that outlives its packet.

fn owner<'a>(packet: Packet<'a>) -> Option<SocketRef<'a>> {
    packet.socket()
}
