//! The figures of the README, each against its limit or its peer.

fn main() {}
