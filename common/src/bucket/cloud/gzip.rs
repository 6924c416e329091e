//! Compression on the way to the bucket.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use flate2::{Compress, Compression, FlushCompress, Status};

/// How much is written at once.
const BLOCK: usize = 32 * 1024;

/// The largest window: gzip's own.
const WINDOW_BITS: u8 = 15;

/// Compressors that nobody uses just now. One has some 300 KB in large pieces: made anew for
/// each of thousands of files, they leave the memory full of holes.
static IDLE: Mutex<Vec<Compress>> = Mutex::new(Vec::new());

/// Writes what it is given as gzip, at the level whose speed is that of a network.
pub(super) struct Gzip<W> {
    compressor: Compress,
    block: Vec<u8>,
    out: W,
}

impl<W: Write> Gzip<W> {
    pub(super) fn new(out: W) -> Self {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let make = || Compress::new_gzip(Compression::fast(), WINDOW_BITS);
        Gzip {
            compressor: idle.unwrap_or_else(make),
            block: Vec::with_capacity(BLOCK),
            out,
        }
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let before = self.compressor.total_in();
            self.step(bytes, FlushCompress::None)?;
            let taken = self.compressor.total_in() - before;
            bytes = &bytes[usize::try_from(taken).unwrap_or(bytes.len())..];
        }
        Ok(())
    }

    /// Ends the stream; gives what it was written to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        while self.step(&[], FlushCompress::Finish)? != Status::StreamEnd {}
        self.compressor.reset();
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(self.compressor);
        Ok(self.out)
    }

    fn step(&mut self, bytes: &[u8], flush: FlushCompress) -> io::Result<Status> {
        self.block.clear();
        let status = self
            .compressor
            .compress_vec(bytes, &mut self.block, flush)?;
        self.out.write_all(&self.block)?;
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    #[test]
    fn a_compressor_that_was_used_before_starts_anew() {
        let text: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        for _ in 0..3 {
            let mut gzip = Gzip::new(Vec::new());
            text.chunks(70_000)
                .for_each(|chunk| gzip.write(chunk).unwrap());
            let compressed = gzip.finish().unwrap();
            let mut read = Vec::new();
            GzDecoder::new(&compressed[..])
                .read_to_end(&mut read)
                .unwrap();
            assert!(read == text);
        }
    }

    #[test]
    fn nothing_is_a_stream_as_well() {
        let empty = Gzip::new(Vec::new()).finish().unwrap();
        let mut read = Vec::new();
        GzDecoder::new(&empty[..]).read_to_end(&mut read).unwrap();
        assert_eq!(read, b"");
    }
}
