// error[E0308]: mismatched types
//! A pairing of family and hook point that does not exist.

const POINT: HookPoint = HookPoint::arp(InetHook::PreRouting, Priority::FILTER);
