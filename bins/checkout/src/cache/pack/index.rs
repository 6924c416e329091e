//! A pack's index: where in the pack each object is.

use std::cmp::Ordering;
use std::io;

use aws_lc_rs::digest::{self, Algorithm};

use super::damage;

/// Of version 2, the only one that git writes.
const MAGIC: &[u8] = b"\xfftOc\0\0\0\x02";
/// For each byte, how many ids begin with it or a smaller one.
const FANOUT: usize = 256 * 4;
/// Ids follow the fanout.
const IDS: usize = MAGIC.len() + FANOUT;
/// An offset with this bit is a place in the table of long ones.
const LONG: u32 = 1 << 31;

/// An object as the index has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where in the pack it begins.
    pub offset: u64,
    /// Its place among the ids.
    nth: usize,
}

/// All objects of a pack.
#[derive(Debug)]
pub(super) struct Index {
    bytes: Vec<u8>,
    /// Bytes of an id.
    id: usize,
    /// In the order in which they lie in the pack.
    pub entries: Vec<Entry>,
}

impl Index {
    /// Takes an index, and checks all that can be checked without its pack.
    pub(super) fn parse(bytes: Vec<u8>, algorithm: &'static Algorithm) -> io::Result<Index> {
        let id = algorithm.output_len();
        let end = bytes.len().checked_sub(id).ok_or_else(cut)?;
        if digest::digest(algorithm, &bytes[..end]).as_ref() != &bytes[end..] {
            return Err(damage("the index has another checksum"));
        }
        if !bytes.starts_with(MAGIC) || end < IDS {
            return Err(cut());
        }
        let mut index = Index {
            bytes,
            id,
            entries: Vec::new(),
        };
        let count = index.number(IDS - 4) as usize;
        // An id, a CRC and an offset of each; the checksums of pack and index.
        if index.bytes.len() < IDS + count * (id + 8) + 2 * id {
            return Err(cut());
        }
        index.check_ids(count)?;
        for nth in 0..count {
            let offset = index.offset(count, nth).ok_or_else(cut)?;
            index.entries.push(Entry { offset, nth });
        }
        let entries = &mut index.entries;
        entries.sort_unstable_by_key(|entry| entry.offset);
        if entries.is_sorted_by(|one, next| one.offset < next.offset) {
            Ok(index)
        } else {
            Err(damage("the index has two objects in one place"))
        }
    }

    /// Ids ascend, and the fanout counts them: git looks them up so.
    fn check_ids(&self, count: usize) -> io::Result<()> {
        let mut counts = [0; 256];
        for nth in 0..count {
            counts[usize::from(self.id(nth)[0])] += 1;
        }
        let mut sum = 0;
        for (byte, count) in counts.into_iter().enumerate() {
            sum += count;
            if self.number(MAGIC.len() + byte * 4) != sum {
                return Err(damage("the index counts its ids wrongly"));
            }
        }
        let ids = (0..count).map(|nth| self.id(nth));
        if ids.is_sorted_by(|one, next| one < next) {
            Ok(())
        } else {
            Err(damage("the index has ids out of order"))
        }
    }

    fn offset(&self, count: usize, nth: usize) -> Option<u64> {
        let short = IDS + count * (self.id + 4);
        match self.number(short + nth * 4) {
            place if place >= LONG => {
                let at = short + count * 4 + (place - LONG) as usize * 8;
                let is_there = at + 8 <= self.bytes.len() - 2 * self.id;
                let number = |at| u64::from(self.number(at));
                is_there.then(|| number(at) << 32 | number(at + 4))
            }
            offset => Some(offset.into()),
        }
    }

    /// The id of an entry's object.
    pub(super) fn id_of(&self, entry: Entry) -> &[u8] {
        self.id(entry.nth)
    }

    /// The CRC32 of an entry's bytes in the pack.
    pub(super) fn crc_of(&self, entry: Entry) -> u32 {
        self.number(IDS + self.entries.len() * self.id + entry.nth * 4)
    }

    /// The checksum of the pack.
    pub(super) fn pack_checksum(&self) -> &[u8] {
        let end = self.bytes.len() - self.id;
        &self.bytes[end - self.id..end]
    }

    /// The place among the entries of the object that begins at this offset.
    pub(super) fn at(&self, offset: u64) -> Option<usize> {
        let entries = &self.entries;
        entries
            .binary_search_by_key(&offset, |entry| entry.offset)
            .ok()
    }

    /// The place among the entries of the object with this id.
    pub(super) fn find(&self, id: &[u8]) -> Option<usize> {
        let count = self.entries.len();
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.id(middle).cmp(id) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return self.at(self.offset(count, middle)?),
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn id(&self, nth: usize) -> &[u8] {
        &self.bytes[IDS + nth * self.id..][..self.id]
    }

    fn number(&self, at: usize) -> u32 {
        let bytes = &self.bytes[at..at + 4];
        bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte))
    }
}

fn cut() -> io::Error {
    damage("the index is cut off, or is none of version 2")
}
