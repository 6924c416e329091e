//! One object of a pack.

use std::io;

use flate2::{Decompress, FlushDecompress, Status};

use super::damage;

/// The longest head: a size of 64 bits, and an id.
pub(super) const LONGEST_HEAD: usize = 10 + 32;

/// What an object is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Itself, with the name that is part of what its id is computed of.
    Whole(&'static str),
    /// The difference to an object that begins so many bytes before this one.
    Before(u64),
    /// The difference to the object of which the id begins at this byte of the head.
    Of(usize),
}

/// How an object begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub kind: Kind,
    /// Bytes of what follows, inflated.
    pub size: u64,
    /// Bytes of the head itself.
    pub length: usize,
}

impl Head {
    /// Reads a head of a repository with ids of this length.
    pub(super) fn parse(bytes: &[u8], id: usize) -> io::Result<Head> {
        let mut rest = bytes.iter();
        let mut next = || {
            let byte = rest.next().copied();
            byte.ok_or_else(|| damage("an object is cut off"))
        };
        let first = next()?;
        let mut size = u64::from(first & 15);
        let (mut byte, mut shift) = (first, 4);
        while byte & 128 != 0 {
            byte = next()?;
            let part = u64::from(byte & 127);
            if shift > 60 || part << shift >> shift != part {
                return Err(damage("an object is too large"));
            }
            size |= part << shift;
            shift += 7;
        }
        let kind = match first >> 4 & 7 {
            1 => Kind::Whole("commit"),
            2 => Kind::Whole("tree"),
            3 => Kind::Whole("blob"),
            4 => Kind::Whole("tag"),
            6 => {
                let mut byte = next()?;
                let mut before = u64::from(byte & 127);
                while byte & 128 != 0 {
                    byte = next()?;
                    before = before
                        .checked_add(1)
                        .and_then(|before| before.checked_mul(128))
                        .ok_or_else(|| damage("an object's base is too far away"))?;
                    before |= u64::from(byte & 127);
                }
                Kind::Before(before)
            }
            7 => Kind::Of(bytes.len() - rest.len()),
            _ => return Err(damage("an object is of no known kind")),
        };
        let mut length = bytes.len() - rest.len();
        if let Kind::Of(_) = kind {
            length += id;
            if length > bytes.len() {
                return Err(damage("an object is cut off"));
            }
        }
        Ok(Head { kind, size, length })
    }
}

/// Inflates all of an object, which is to have `size` bytes.
pub(super) fn inflate(zlib: &mut Decompress, bytes: &[u8], size: usize) -> io::Result<Vec<u8>> {
    zlib.reset(true);
    // One byte more, so that what is too long is seen.
    let mut content = Vec::with_capacity(size + 1);
    let status = zlib
        .decompress_vec(bytes, &mut content, FlushDecompress::Finish)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    if status == Status::StreamEnd && content.len() == size && zlib.total_in() == bytes.len() as u64
    {
        Ok(content)
    } else {
        Err(damage("an object has another size"))
    }
}
