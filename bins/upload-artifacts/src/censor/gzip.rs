//! Censors what is in a gzip file.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{BLOCK, Censor, Kind, Plain, SNIFFED, tar, through};

/// Copies a gzip file, censored; gives how many bytes were masked. Where that is none, the
/// copy is not complete: the file itself will do.
pub(super) fn copy(source: impl Read, copy: &File, censor: &Censor) -> io::Result<u64> {
    let mut source = MultiGzDecoder::new(BufReader::with_capacity(BLOCK, source));
    let mut start = Vec::new();
    source
        .by_ref()
        .take(SNIFFED as u64)
        .read_to_end(&mut start)?;
    let kind = Kind::of(&start);
    let source = io::Cursor::new(&start).chain(source);
    // Without the time of day, so that the same content gives the same bytes.
    let out = GzEncoder::new(copy, Compression::default());
    match kind {
        Kind::Tar => end(through(source, tar::Tar::new(censor, out))?),
        Kind::Text => end(through(source, Plain::new(censor, &start, out))?),
        _ if censor.binaries => end(through(source, Plain::new(censor, &start, out))?),
        _ => Ok(0),
    }
}

fn end<W: Write>((out, masked): (GzEncoder<W>, u64)) -> io::Result<u64> {
    out.finish()?;
    Ok(masked)
}
