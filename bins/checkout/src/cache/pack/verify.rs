//! Computes the id of every object of a pack, on all processors.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use aws_lc_rs::digest::{self, Algorithm};
use flate2::{Crc, Decompress};

use super::index::Index;
use super::object::{Head, Kind, LONGEST_HEAD, inflate};
use super::{algorithm, damage, delta};

/// More than this is not held in memory by any of the threads.
const MOST: usize = 16 * 1024 * 1024;

/// More threads than this would wait for the disk.
const THREADS: usize = 8;

/// `PACK`, the version and how many objects follow.
const HEAD: usize = 12;

/// How a pack was looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cache) enum Verified {
    /// It is what its name says, and its index is the one that belongs to it.
    Yes,
    /// It may be: an object of it is too large for our memory.
    TooLarge,
}

/// Looks through a pack and the index beside it. An error means damage, or that a file cannot
/// be read, or that `given_up` was set meanwhile.
pub(in crate::cache) fn verify(pack: &Path, given_up: &AtomicBool) -> io::Result<Verified> {
    let pack = Pack::open(pack)?;
    let deltas = pack.deltas()?;
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let ends = thread::scope(|scope| {
        let checksum = scope.spawn(|| pack.checksum().map(|()| 0));
        let workers = (0..threads.min(THREADS))
            .map(|_| scope.spawn(|| pack.work(&deltas, &next, given_up)))
            .collect::<Vec<_>>();
        let threads = std::iter::once(checksum).chain(workers);
        threads
            .map(std::thread::ScopedJoinHandle::join)
            .collect::<Vec<_>>()
    });
    let mut seen = 0;
    let mut verified = Verified::Yes;
    for end in ends {
        match end {
            Ok(Ok(objects)) => seen += objects,
            Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                verified = Verified::TooLarge;
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(io::Error::other("a thread did not come to its end")),
        }
    }
    // A difference that leads to no whole object, but in a circle.
    if verified == Verified::Yes && seen != pack.index.entries.len() {
        return Err(damage("not all objects can be made"));
    }
    Ok(verified)
}

struct Pack {
    file: File,
    index: Index,
    algorithm: &'static Algorithm,
    /// Where the checksum begins.
    end: u64,
}

/// Which objects are made of which.
struct Deltas {
    whole: Vec<usize>,
    of: HashMap<usize, Vec<usize>>,
}

impl Pack {
    /// Opens a pack of which the name is the checksum.
    fn open(path: &Path) -> io::Result<Pack> {
        let name = path.file_stem().and_then(|name| name.to_str());
        let checksum = name.and_then(|name| parse_hex(name.strip_prefix("pack-")?));
        let checksum = checksum.unwrap_or_default();
        let algorithm =
            algorithm(checksum.len()).ok_or_else(|| damage("the pack's name is no pack's name"))?;
        let index = Index::parse(fs::read(path.with_extension("idx"))?, algorithm)?;
        let file = File::open(path)?;
        let end = file.metadata()?.len();
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0)?;
        let count = index.entries.len();
        let [b'P', b'A', b'C', b'K', 0, 0, 0, 2, counted @ ..] = head else {
            return Err(damage("the pack is none of version 2"));
        };
        let first = index.entries.first().map_or(HEAD as u64, |one| one.offset);
        if index.pack_checksum() != checksum
            || u32::from_be_bytes(counted) as usize != count
            || first != HEAD as u64
        {
            return Err(damage("the index is that of another pack"));
        }
        let end = end.checked_sub(checksum.len() as u64);
        let end = end.filter(|end| index.entries.last().is_none_or(|last| last.offset < *end));
        Ok(Pack {
            file,
            algorithm,
            end: end.ok_or_else(|| damage("the pack is cut off"))?,
            index,
        })
    }

    /// Whether the bytes are those of the checksum, which the pack's name is as well.
    fn checksum(&self) -> io::Result<()> {
        let mut hasher = digest::Context::new(self.algorithm);
        let mut buffer = vec![0; 64 * 1024];
        let mut file = (&self.file).take(self.end);
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => hasher.update(&buffer[..read]),
            }
        }
        let mut written = vec![0; self.algorithm.output_len()];
        self.file.read_exact_at(&mut written, self.end)?;
        let checksum = self.index.pack_checksum();
        if hasher.finish().as_ref() == checksum && written == checksum {
            Ok(())
        } else {
            Err(damage("the pack has another checksum"))
        }
    }

    fn deltas(&self) -> io::Result<Deltas> {
        let mut deltas = Deltas {
            whole: Vec::new(),
            of: HashMap::new(),
        };
        let mut bytes = [0; LONGEST_HEAD];
        for (nth, entry) in self.index.entries.iter().enumerate() {
            let length = self.length(nth).min(bytes.len());
            let bytes = &mut bytes[..length];
            self.file.read_exact_at(bytes, entry.offset)?;
            let head = Head::parse(bytes, self.algorithm.output_len())?;
            let base = match head.kind {
                Kind::Whole(_) => {
                    deltas.whole.push(nth);
                    continue;
                }
                Kind::Before(bytes) => entry
                    .offset
                    .checked_sub(bytes)
                    .and_then(|offset| self.index.at(offset)),
                Kind::Of(at) => self.index.find(&bytes[at..head.length]),
            };
            let base = base.ok_or_else(|| damage("an object's base is not there"))?;
            deltas.of.entry(base).or_default().push(nth);
        }
        Ok(deltas)
    }

    /// Bytes from an object to the next.
    fn length(&self, nth: usize) -> usize {
        let entries = &self.index.entries;
        let end = entries.get(nth + 1).map_or(self.end, |next| next.offset);
        let length = end - entries[nth].offset;
        usize::try_from(length).unwrap_or(usize::MAX)
    }

    /// Takes one whole object after the other, with all that are made of it. Gives how many.
    fn work(
        &self,
        deltas: &Deltas,
        next: &AtomicUsize,
        given_up: &AtomicBool,
    ) -> io::Result<usize> {
        let mut zlib = Decompress::new(true);
        let mut seen = 0;
        while let Some(root) = deltas.whole.get(next.fetch_add(1, Ordering::Relaxed)) {
            seen += self.family(*root, deltas, &mut zlib, given_up)?;
        }
        Ok(seen)
    }

    fn family(
        &self,
        root: usize,
        deltas: &Deltas,
        zlib: &mut Decompress,
        given_up: &AtomicBool,
    ) -> io::Result<usize> {
        let mut kind = "";
        let mut seen = 0;
        let mut waiting: Vec<(usize, Option<Rc<Vec<u8>>>)> = vec![(root, None)];
        // Bytes of the contents that others wait for.
        let mut bytes_held = 0;
        while let Some((nth, base)) = waiting.pop() {
            if given_up.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let (head, inflated) = self.inflated(nth, zlib)?;
            let content = match (&base, head.kind) {
                (Some(base), _) => {
                    if delta::result_size(&inflated)? > MOST - bytes_held.min(MOST) {
                        return Err(io::ErrorKind::FileTooLarge.into());
                    }
                    delta::apply(base, &inflated)?
                }
                (None, Kind::Whole(name)) => {
                    kind = name;
                    inflated
                }
                (None, _) => return Err(damage("a difference has no base")),
            };
            self.check_id(nth, kind, &content)?;
            seen += 1;
            if let Some(base) = base.and_then(Rc::into_inner) {
                bytes_held -= base.len();
            }
            if let Some(children) = deltas.of.get(&nth) {
                bytes_held += content.len();
                let content = Rc::new(content);
                let children = children.iter();
                waiting.extend(children.map(|child| (*child, Some(content.clone()))));
            }
        }
        Ok(seen)
    }

    fn inflated(&self, nth: usize, zlib: &mut Decompress) -> io::Result<(Head, Vec<u8>)> {
        let entry = self.index.entries[nth];
        let length = self.length(nth);
        if length > MOST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, entry.offset)?;
        let mut crc = Crc::new();
        crc.update(&bytes);
        if crc.sum() != self.index.crc_of(entry) {
            return Err(damage("the index has another CRC of an object"));
        }
        let head = Head::parse(&bytes, self.algorithm.output_len())?;
        let size = usize::try_from(head.size).unwrap_or(usize::MAX);
        if size > MOST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let content = inflate(zlib, &bytes[head.length..], size)?;
        Ok((head, content))
    }

    fn check_id(&self, nth: usize, kind: &str, content: &[u8]) -> io::Result<()> {
        let mut hasher = digest::Context::new(self.algorithm);
        hasher.update(format!("{kind} {}\0", content.len()).as_bytes());
        hasher.update(content);
        if hasher.finish().as_ref() == self.index.id_of(self.index.entries[nth]) {
            Ok(())
        } else {
            Err(damage("an object has another id than the index says"))
        }
    }
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8; 2]| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok();
    pairs.iter().map(byte).collect()
}
