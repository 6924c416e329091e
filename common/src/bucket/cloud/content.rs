//! What is sent of a file: the bytes as they will be stored, and their checksum.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;

use super::gzip::Gzip;
use super::list::Remote;
use crate::bucket::attributes::{Attributes, Encoding, WORTH_COMPRESSING};
use crate::bucket::folder::{check, read_block};
use crate::bucket::sum::Sum;
use crate::google::Part;

/// Files up to this size are read into memory whole.
const IN_MEMORY: u64 = 512 * 1024;

/// How much of a larger file is looked at at once.
const BLOCK: usize = 256 * 1024;

/// Content that is ready to be sent, as often as it takes.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) part: Part,
    /// Of the bytes that will be stored.
    pub(super) stored: Sum,
    /// Of the file, where it was compressed.
    pub(super) uncompressed: Option<Sum>,
    /// Counts what is sent of it.
    pub(super) sent: Arc<AtomicU64>,
}

impl Content {
    /// Small content that is in memory.
    pub(super) fn of(content: Vec<u8>, attributes: &Attributes) -> io::Result<Self> {
        let sum = Sum::of(&content);
        if attributes.encoding == Encoding::Compress
            && let Some(compressed) = compress(&content)?
        {
            return Ok(Content {
                stored: Sum::of(&compressed),
                part: Part::Memory(compressed),
                uncompressed: Some(sum),
                sent: Arc::default(),
            });
        }
        Ok(Content {
            part: Part::Memory(content.into()),
            stored: sum,
            uncompressed: None,
            sent: Arc::default(),
        })
    }

    /// The content of a file as long as it is now; `None` if the object has it already. What
    /// another process appends meanwhile is left out.
    pub(super) fn of_file(
        file: &Arc<File>,
        attributes: &Attributes,
        remote: Option<&Remote>,
        given_up: &AtomicBool,
    ) -> io::Result<Option<Self>> {
        let size = file.metadata()?.len();
        if size <= IN_MEMORY {
            let content = read(file, size)?;
            let unchanged = remote.is_some_and(|remote| {
                remote.size() == Some(size) && remote.has(Sum::of(&content), attributes)
            });
            return if unchanged {
                Ok(None)
            } else {
                Content::of(content, attributes).map(Some)
            };
        }
        let mut sum = None;
        if let Some(remote) = remote.filter(|remote| remote.size() == Some(size)) {
            let now = pass(file, size, given_up, |_| Ok(()))?;
            if remote.has(now, attributes) {
                return Ok(None);
            }
            sum = Some(now);
        }
        if attributes.encoding == Encoding::Compress && is_compressible(file)? {
            return Content::compressed(file, size, given_up).map(Some);
        }
        let sum = match sum {
            Some(sum) => sum,
            None => pass(file, size, given_up, |_| Ok(()))?,
        };
        Ok(Some(Content::plain(file, sum)))
    }

    fn plain(file: &Arc<File>, sum: Sum) -> Self {
        let part = Part::File {
            file: file.clone(),
            offset: 0,
            length: sum.size,
        };
        Content {
            part,
            stored: sum,
            uncompressed: None,
            sent: Arc::default(),
        }
    }

    /// A part of it, as content of its own. Its checksum is not known.
    pub(super) fn part(&self, from: u64, length: u64) -> Self {
        let part = self.part.from(from).up_to(length);
        Content {
            stored: Sum {
                size: part.len(),
                crc32c: 0,
            },
            part,
            uncompressed: None,
            sent: self.sent.clone(),
        }
    }

    /// Counts it as if it had been sent: it is there already.
    pub(super) fn count_as_sent(&self) {
        self.sent.fetch_add(self.stored.size, Ordering::Relaxed);
    }

    /// Compresses into a file without a name: what is sent can be sent again, from the middle
    /// on, and its checksum is known before.
    fn compressed(file: &Arc<File>, size: u64, given_up: &AtomicBool) -> io::Result<Self> {
        let mut gzip = Gzip::new(Summed::new(tempfile::tempfile()?));
        let uncompressed = pass(file, size, given_up, |block| gzip.write(block))?;
        let Summed { file, sum } = gzip.finish()?;
        let content = Content::plain(&Arc::new(file), sum);
        Ok(Content {
            uncompressed: Some(uncompressed),
            ..content
        })
    }
}

/// Reads what a file holds, at most its present size. From its start: it may be read again.
fn read(file: &File, size: u64) -> io::Result<Vec<u8>> {
    let mut content = vec![0; usize::try_from(size).unwrap_or_default()];
    let filled = read_block(file, &mut content, 0)?.len();
    content.truncate(filled);
    Ok(content)
}

/// Reads a file once, block by block; gives the checksum of what was read. One that has become
/// shorter is read to its end.
fn pass(
    file: &File,
    size: u64,
    given_up: &AtomicBool,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Sum> {
    let mut block = vec![0; BLOCK];
    let mut sum = Sum::default();
    while sum.size < size {
        check(given_up)?;
        let wanted = usize::try_from(size - sum.size).map_or(BLOCK, |left| left.min(BLOCK));
        let read = match file.read_at(&mut block[..wanted], sum.size) {
            Ok(0) => break,
            Ok(read) => &block[..read],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        sum.add(read);
        each(read)?;
    }
    Ok(sum)
}

/// Compresses a text, if that makes it smaller by a tenth.
fn compress(content: &[u8]) -> io::Result<Option<Bytes>> {
    if content.len() as u64 <= WORTH_COMPRESSING {
        return Ok(None);
    }
    let mut gzip = Gzip::new(Vec::with_capacity(content.len() / 2));
    gzip.write(content)?;
    let compressed = gzip.finish()?;
    let is_smaller = compressed.len() < content.len() / 10 * 9;
    Ok(is_smaller.then(|| compressed.into()))
}

/// Whether the start of a file says that compression is worth its time.
fn is_compressible(file: &File) -> io::Result<bool> {
    let mut start = vec![0; BLOCK];
    let read = file.read_at(&mut start, 0)?;
    Ok(compress(&start[..read])?.is_some())
}

/// A file that is written, and the checksum of what was.
struct Summed {
    file: File,
    sum: Sum,
}

impl Summed {
    fn new(file: File) -> Self {
        let sum = Sum::default();
        Summed { file, sum }
    }
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sum.add(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    const LARGE: usize = 512 * 1024 + 1;

    fn file(content: &[u8]) -> Arc<File> {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(content, 0).unwrap();
        Arc::new(file)
    }

    fn stored(content: &Content) -> Vec<u8> {
        match &content.part {
            Part::Memory(bytes) => bytes.to_vec(),
            Part::File { file, length, .. } => {
                let mut bytes = vec![0; usize::try_from(*length).unwrap()];
                file.read_exact_at(&mut bytes, 0).unwrap();
                bytes
            }
        }
    }

    fn content(file: &Arc<File>, encoding: Encoding) -> Content {
        let attributes = Attributes {
            encoding,
            ..Attributes::default()
        };
        let none = AtomicBool::new(false);
        Content::of_file(file, &attributes, None, &none)
            .unwrap()
            .unwrap()
    }

    #[test]
    fn text_is_compressed_in_memory_and_beyond() {
        for size in [2000, LARGE] {
            let text: Vec<u8> = b"a line of a log\n"
                .iter()
                .copied()
                .cycle()
                .take(size)
                .collect();
            let content = content(&file(&text), Encoding::Compress);
            let bytes = stored(&content);
            assert!(bytes.len() < size / 10);
            assert_eq!(content.stored, Sum::of(&bytes));
            assert_eq!(content.uncompressed, Some(Sum::of(&text)));
            let mut read = Vec::new();
            GzDecoder::new(&bytes[..]).read_to_end(&mut read).unwrap();
            assert_eq!(read, text);
        }
    }

    #[test]
    fn what_gains_nothing_stays_as_it_is() {
        let random: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
            .take(LARGE)
            .collect();
        let short = [b'a'; 1024];
        for (bytes, encoding) in [
            (&random[..], Encoding::Compress),
            (&random[..5000], Encoding::Compress),
            (&short, Encoding::Compress),
            (b"", Encoding::Compress),
            (&[b'a'; 5000], Encoding::Plain),
        ] {
            let content = content(&file(bytes), encoding);
            assert_eq!(stored(&content), bytes);
            assert_eq!(content.stored, Sum::of(bytes));
            assert_eq!(content.uncompressed, None);
        }
    }
}
