//! Censors the files in a tar archive. A secret's mask is as long as the secret, so that no
//! size in the archive changes.

use std::io::{self, BufWriter, Write};

use super::text::Text;
use super::{Censor, Kind, Sink};

/// An archive consists of blocks of this size.
const BLOCK: usize = 512;

/// The fields of a header that matter here. Source: POSIX, pax, "ustar Interchange Format".
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const MAGIC: std::ops::Range<usize> = 257..262;

/// Whether these are the first bytes of an archive.
pub(super) fn is_tar(start: &[u8]) -> bool {
    start.get(MAGIC) == Some(b"ustar")
}

/// An archive under way.
pub(super) struct Tar<'a, W: Write> {
    censor: &'a Censor,
    out: BufWriter<W>,
    masked: u64,
    /// The first bytes of a header, or of a file of which it is not known yet whether it is
    /// text.
    block: Vec<u8>,
    /// What is left of the file under way, with the bytes that fill its last block.
    left: u64,
    content: Content,
}

enum Content {
    /// A header, or a file whose first block tells what it is.
    Unknown,
    Text(Text),
    Binary,
}

impl<'a, W: Write> Tar<'a, W> {
    pub(super) fn new(censor: &'a Censor, out: W) -> Self {
        Tar {
            censor,
            out: BufWriter::new(out),
            masked: 0,
            block: Vec::with_capacity(BLOCK),
            left: 0,
            content: Content::Unknown,
        }
    }

    /// A header is a stream of its own: names are censored as well, and its checksum is made
    /// right.
    fn header(&mut self) -> io::Result<()> {
        let mut header = std::mem::take(&mut self.block);
        self.left = size(&header)?.next_multiple_of(BLOCK as u64);
        let mut redactor = self.censor.redactor();
        let mut shown = redactor.push(&header).to_vec();
        shown.extend_from_slice(redactor.finish());
        if redactor.masked() > 0 {
            self.masked += redactor.masked();
            let sum = checksum(&shown);
            shown[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        self.out.write_all(&shown)?;
        header.clear();
        self.block = header;
        Ok(())
    }

    /// The first block of a file.
    fn begin_file(&mut self) -> io::Result<()> {
        let block = std::mem::take(&mut self.block);
        // Zeros fill up a last block that is the first one as well.
        let end = block
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let is_text = !matches!(Kind::of(&block[..end]), Kind::Binary | Kind::Gzip);
        self.content = if is_text || self.censor.binaries {
            Content::Text(Text::new(self.censor.redactor(), &block[..end]))
        } else {
            Content::Binary
        };
        self.file(&block)
    }

    fn file(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.left -= bytes.len() as u64;
        match &mut self.content {
            Content::Text(text) => self.out.write_all(text.push(bytes))?,
            _ => self.out.write_all(bytes)?,
        }
        if self.left == 0 {
            self.end_file()?;
        }
        Ok(())
    }

    fn end_file(&mut self) -> io::Result<()> {
        let content = std::mem::replace(&mut self.content, Content::Unknown);
        if let Content::Text(mut text) = content {
            self.out.write_all(text.finish())?;
            self.masked += text.masked();
        }
        Ok(())
    }
}

impl<W: Write> Sink<W> for Tar<'_, W> {
    fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if matches!(self.content, Content::Unknown) {
                let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
                self.block.extend_from_slice(now);
                bytes = later;
                if self.block.len() == BLOCK {
                    match self.left {
                        0 => self.header()?,
                        _ => self.begin_file()?,
                    }
                }
            } else {
                let left = usize::try_from(self.left).unwrap_or(usize::MAX);
                let (now, later) = bytes.split_at(bytes.len().min(left));
                self.file(now)?;
                bytes = later;
            }
        }
        Ok(())
    }

    fn finish(self) -> io::Result<(W, u64)> {
        if self.left > 0 || !self.block.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive ends within a file",
            ));
        }
        let out = self
            .out
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok((out, self.masked))
    }
}

/// The size of the file that follows a header: octal, or, as GNU has it, binary.
fn size(header: &[u8]) -> io::Result<u64> {
    let field = &header[SIZE];
    if field[0] & 0x80 != 0 {
        let low: [u8; 8] = [4, 5, 6, 7, 8, 9, 10, 11].map(|at| field[at]);
        return Ok(u64::from_be_bytes(low) & (u64::MAX >> 12));
    }
    let digits = field.trim_ascii().split(|byte| *byte == 0 || *byte == b' ');
    let digits = digits.into_iter().next().unwrap_or_default();
    if digits.is_empty() {
        return Ok(0);
    }
    let text = std::str::from_utf8(digits).map_err(io::Error::other)?;
    u64::from_str_radix(text, 8).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the archive has a broken header",
        )
    })
}

fn checksum(header: &[u8]) -> u32 {
    let byte = |(at, byte): (usize, &u8)| match at {
        at if CHECKSUM.contains(&at) => u32::from(b' '),
        _ => u32::from(*byte),
    };
    header.iter().enumerate().map(byte).sum()
}
