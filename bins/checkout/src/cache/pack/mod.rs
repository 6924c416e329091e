//! Packs as git keeps them, see gitformat-pack(5): looked through to find out whether a copy is
//! what its name and its index say.
//!
//! `git index-pack` does this too, and looks for traces of attacks on SHA-1 in every block. Here
//! that is not needed: both twins of such an attack have the traces, and what came from a server
//! has been through git.

mod delta;
mod index;
mod object;
#[cfg(test)]
mod tests;
mod verify;

pub(super) use verify::{Verified, verify};

use std::io;

use aws_lc_rs::digest;

/// Why a pack is not what it should be.
fn damage(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// The function whose values are the repository's ids, by the length of one in bytes.
fn algorithm(id: usize) -> Option<&'static digest::Algorithm> {
    match id {
        20 => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        32 => Some(&digest::SHA256),
        _ => None,
    }
}
