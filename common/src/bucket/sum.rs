//! What is compared to find out whether two contents are the same.

/// Size in bytes, and Google's checksum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub(super) size: u64,
    pub(super) crc32c: u32,
}

impl Sum {
    /// Of a whole content.
    pub(super) fn of(content: &[u8]) -> Self {
        let mut sum = Sum::default();
        sum.add(content);
        sum
    }

    /// Adds what comes next.
    pub fn add(&mut self, content: &[u8]) {
        self.size += content.len() as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, content);
    }
}
