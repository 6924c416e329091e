//! Censors a file on its way to the bucket.
//!
//! What is uploaded is a copy: nothing that somebody appends after the look at the file can
//! reach the bucket unseen, and the file itself stays as it is. The copy of the same content
//! is the same, so that a second sync finds nothing to do.

mod gzip;
mod tar;
#[cfg(test)]
mod tests;
mod text;

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::FileExt;

use common::Result;
use common::bucket::Sum;
use common::redact::{Redactor, Rules, Secrets};
use rustix::fs::MemfdFlags;
use text::Text;

use crate::plan::Sync;

/// How much is read at once.
const BLOCK: usize = 64 * 1024;

/// Copies up to this size stay in memory.
const IN_MEMORY: u64 = 256 * 1024;

/// How much of a file tells whether it is text; git looks at as much.
const SNIFFED: usize = 8000;

/// Which files are censored, and of what.
#[derive(Debug, Clone)]
pub(crate) struct Censor {
    rules: Rules,
    binaries: bool,
}

/// A file to upload.
#[derive(Debug)]
pub(crate) struct Censored {
    /// At its start.
    pub(crate) file: File,
    /// How many bytes were looked at, where it is a copy.
    pub(crate) read: Option<u64>,
    /// How many bytes were masked.
    pub(crate) masked: u64,
}

impl Censored {
    fn untouched(file: File) -> Self {
        Censored {
            file,
            read: None,
            masked: 0,
        }
    }
}

/// What a file holds, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Gzip,
    Tar,
    Binary,
}

impl Kind {
    fn of(start: &[u8]) -> Self {
        if start.starts_with(&[0x1f, 0x8b]) {
            Kind::Gzip
        } else if tar::is_tar(start) {
            Kind::Tar
        } else if start.contains(&0) && !text::is_utf16(start) {
            Kind::Binary
        } else {
            Kind::Text
        }
    }
}

impl Censor {
    /// `binaries`: what is no text as well.
    pub(crate) fn new(rules: Rules, binaries: bool) -> Self {
        Censor { rules, binaries }
    }

    /// Nothing is censored.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        let rules = Secrets::default().compile();
        Censor::new(rules.unwrap(), false)
    }

    /// What the plan asks for.
    pub(crate) fn of(plan: &Sync) -> Result<Self> {
        let mut secrets = Secrets::default();
        for folder in &plan.secrets {
            secrets.add_folder(folder)?;
        }
        let rules = secrets.with_token_shapes().compile()?;
        Ok(Censor::new(rules, plan.censor_binaries))
    }

    /// The file as it may be seen. What is appended to it from now on is left out.
    pub(crate) fn censor(&self, file: File) -> io::Result<Censored> {
        if self.rules.is_empty() {
            return Ok(Censored::untouched(file));
        }
        let mut start = vec![0; SNIFFED];
        let read = read_block(&file, &mut start)?;
        let kind = Kind::of(&start[..read]);
        if kind == Kind::Binary && !self.binaries {
            return Ok(Censored::untouched(file));
        }
        let size = file.metadata()?.len();
        let copy = new_file(size)?;
        let source = At {
            file: &file,
            offset: 0,
        }
        .take(size);
        let masked = match kind {
            Kind::Gzip => match gzip::copy(source, &copy, self)? {
                0 => copy_as_it_is(&file, size, &copy)?,
                masked => masked,
            },
            Kind::Tar => through(source, tar::Tar::new(self, &copy))?.1,
            Kind::Text | Kind::Binary => {
                let plain = Plain::new(self, &start[..read], &copy);
                through(source, plain)?.1
            }
        };
        (&copy).rewind()?;
        let read = Some(size);
        Ok(Censored {
            file: copy,
            read,
            masked,
        })
    }

    /// What the file as it may be seen is compared by, where that takes no copy of it: a text
    /// stays as long as it is.
    pub(crate) fn sum(&self, file: &File) -> io::Result<Option<Sum>> {
        if self.rules.is_empty() {
            return Ok(None);
        }
        let mut start = vec![0; SNIFFED];
        let read = read_block(file, &mut start)?;
        if Kind::of(&start[..read]) != Kind::Text {
            return Ok(None);
        }
        let size = file.metadata()?.len();
        let source = At { file, offset: 0 }.take(size);
        let summed = Summed {
            text: Text::new(self.redactor(), &start[..read]),
            sum: Sum::default(),
        };
        Ok(Some(through(source, summed)?.0))
    }

    fn redactor(&self) -> Redactor {
        self.rules.redactor()
    }
}

/// Reads a source to its end.
fn through<W, S: Sink<W>>(mut source: impl Read, mut sink: S) -> io::Result<(W, u64)> {
    let mut block = vec![0; BLOCK];
    loop {
        match source.read(&mut block) {
            Ok(0) => return sink.finish(),
            Ok(read) => sink.push(&block[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Takes bytes in pieces, and writes what may be seen.
trait Sink<W> {
    fn push(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Gives what it wrote to, and how many bytes were masked.
    fn finish(self) -> io::Result<(W, u64)>;
}

/// One stream.
struct Plain<W: Write> {
    text: Text,
    out: BufWriter<W>,
}

impl<W: Write> Plain<W> {
    fn new(censor: &Censor, start: &[u8], out: W) -> Self {
        Plain {
            text: Text::new(censor.redactor(), start),
            out: BufWriter::new(out),
        }
    }
}

impl<W: Write> Sink<W> for Plain<W> {
    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(self.text.push(bytes))
    }

    fn finish(mut self) -> io::Result<(W, u64)> {
        self.out.write_all(self.text.finish())?;
        let masked = self.text.masked();
        let out = self
            .out
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok((out, masked))
    }
}

/// One stream, of which only the checksum is wanted.
struct Summed {
    text: Text,
    sum: Sum,
}

impl Sink<Sum> for Summed {
    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.add(self.text.push(bytes));
        Ok(())
    }

    fn finish(mut self) -> io::Result<(Sum, u64)> {
        self.sum.add(self.text.finish());
        Ok((self.sum, self.text.masked()))
    }
}

/// A compressed file in which nothing was found stays byte for byte what it is.
fn copy_as_it_is(file: &File, size: u64, mut copy: &File) -> io::Result<u64> {
    copy.rewind()?;
    copy.set_len(0)?;
    io::copy(&mut At { file, offset: 0 }.take(size), &mut copy)?;
    Ok(0)
}

/// A file without a name: it is gone when it is closed, whatever happens.
fn new_file(size: u64) -> io::Result<File> {
    if size <= IN_MEMORY {
        let file = rustix::fs::memfd_create("censored", MemfdFlags::CLOEXEC)?;
        return Ok(File::from(file));
    }
    tempfile::tempfile()
}

/// Reads a file from a place of its own: its offset is shared with other readers.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

fn read_block(file: &File, block: &mut [u8]) -> io::Result<usize> {
    let mut source = At { file, offset: 0 }.take(block.len() as u64);
    let mut filled = 0;
    while filled < block.len() {
        match source.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
