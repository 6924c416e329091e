//! Bytes that nobody sees.

use std::ops::Deref;

use zeroize::Zeroize;

/// A secret's bytes: they cannot be printed, and are wiped when they are not needed any more.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Value(Vec<u8>);

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Value(bytes)
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
