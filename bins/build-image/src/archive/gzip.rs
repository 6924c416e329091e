//! gzip by several threads: the input is cut into blocks of a fixed size, each is compressed by
//! whoever is free, and they follow one another in one stream. The bytes do not depend on how many
//! threads there were.

use std::io::{self, Write};
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError, mpsc as blocking};
use std::thread;

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use tokio::sync::{mpsc, oneshot};

/// What one thread compresses at once; more makes the archive a little smaller, and each thread
/// holds several.
const BLOCK: usize = 512 * 1024;

/// The more threads, the more memory; and soon the disk or the network is slower than they are.
const MOST_THREADS: usize = 4;

/// A level beyond which the time grows faster than the archive shrinks.
const LEVEL: Compression = Compression::new(LEVEL_OF_ZLIB);
const LEVEL_OF_ZLIB: u32 = 4;

/// Of RFC 1952: deflate, no name, no time, an unknown system.
const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// An empty last block of RFC 1951: what was flushed before stays open.
const END: &[u8] = &[3, 0];

/// A block on its way, and where it is awaited.
struct Job {
    block: Vec<u8>,
    done: oneshot::Sender<io::Result<Block>>,
}

/// A block that was compressed.
struct Block {
    compressed: Bytes,
    crc: Crc,
}

/// Takes the input; for a thread that may wait.
pub(super) struct Input {
    block: Vec<u8>,
    jobs: blocking::SyncSender<Job>,
    order: mpsc::Sender<oneshot::Receiver<io::Result<Block>>>,
}

/// Gives the output.
pub(super) struct Output {
    order: mpsc::Receiver<oneshot::Receiver<io::Result<Block>>>,
    crc: Crc,
    state: State,
}

enum State {
    Start,
    Blocks,
    End,
}

/// A stream of gzip; its threads end when one of its ends is dropped.
pub(super) fn pipe() -> (Input, Output) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = threads.min(MOST_THREADS);
    // Enough that nobody waits while the next block is filled.
    let (jobs, taken) = blocking::sync_channel(threads);
    let (ordered, order) = mpsc::channel(threads * 2);
    let taken = Arc::new(Mutex::new(taken));
    for _ in 0..threads {
        let taken = taken.clone();
        thread::spawn(move || work(&taken));
    }
    let input = Input {
        block: Vec::with_capacity(BLOCK),
        jobs,
        order: ordered,
    };
    let output = Output {
        order,
        crc: Crc::new(),
        state: State::Start,
    };
    (input, output)
}

fn work(jobs: &Mutex<blocking::Receiver<Job>>) {
    let mut compress = Compress::new(LEVEL, false);
    loop {
        // Held while waiting: the others wait for it, and each is handed one job.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { block, done }) = job else {
            return;
        };
        // Nobody may wait for it any more.
        let _ = done.send(compress_block(&mut compress, &block));
    }
}

fn compress_block(compress: &mut Compress, block: &[u8]) -> io::Result<Block> {
    compress.reset();
    let mut compressed = Vec::with_capacity(block.len() / 2);
    loop {
        let read = usize::try_from(compress.total_in()).map_err(io::Error::other)?;
        let room = compressed.capacity() - compressed.len();
        if room < 64 {
            compressed.reserve(block.len() / 4 + 1024);
        }
        let before = compressed.len();
        let status = compress
            .compress_vec(&block[read..], &mut compressed, FlushCompress::Sync)
            .map_err(io::Error::other)?;
        let read = usize::try_from(compress.total_in()).map_err(io::Error::other)?;
        // Flushed to the end once it leaves room.
        if read == block.len() && compressed.len() < compressed.capacity() {
            break;
        }
        if status == Status::BufError && compressed.len() == before && room >= 64 {
            return Err(io::Error::other("the compressor does not get on"));
        }
    }
    let mut crc = Crc::new();
    crc.update(block);
    Ok(Block {
        compressed: compressed.into(),
        crc,
    })
}

impl Input {
    /// Hands on what is left.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.hand_on()
    }

    /// Says why there is nothing more.
    pub(super) fn fail(self, error: io::Error) {
        let (done, awaited) = oneshot::channel();
        let _ = done.send(Err(error));
        let _ = self.order.blocking_send(awaited);
    }

    fn hand_on(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        let (done, awaited) = oneshot::channel();
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "nobody wants the archive");
        self.order.blocking_send(awaited).map_err(|_| gone())?;
        self.jobs.send(Job { block, done }).map_err(|_| gone())
    }
}

impl Write for Input {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..size]);
        if self.block.len() == BLOCK {
            self.hand_on()?;
        }
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<io::Result<Bytes>> {
        match self.state {
            State::Start => {
                self.state = State::Blocks;
                Some(Ok(Bytes::from_static(HEADER)))
            }
            State::Blocks => {
                if let Some(block) = self.order.recv().await {
                    Some(self.take(block.await))
                } else {
                    self.state = State::End;
                    Some(Ok(self.trailer()))
                }
            }
            State::End => None,
        }
    }

    fn take(
        &mut self,
        block: Result<io::Result<Block>, oneshot::error::RecvError>,
    ) -> io::Result<Bytes> {
        let block = block.map_err(|_| io::Error::other("a thread that compresses has ended"));
        match block.flatten() {
            Ok(block) => {
                self.crc.combine(&block.crc);
                Ok(block.compressed)
            }
            Err(error) => {
                self.state = State::End;
                Err(error)
            }
        }
    }

    fn trailer(&self) -> Bytes {
        let (sum, size) = (self.crc.sum(), self.crc.amount());
        [END, &sum.to_le_bytes(), &size.to_le_bytes()]
            .concat()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn compress(content: Vec<u8>, piece: usize) -> Vec<u8> {
        let (mut input, mut output) = pipe();
        let writing = thread::spawn(move || {
            for piece in content.chunks(piece) {
                input.write_all(piece).unwrap();
            }
            input.end().unwrap();
        });
        let mut compressed = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            while let Some(piece) = output.next().await {
                compressed.extend_from_slice(&piece.unwrap());
            }
        });
        writing.join().unwrap();
        compressed
    }

    #[test]
    fn what_goes_in_comes_out_and_is_the_same_however_it_was_cut() {
        let random = || std::iter::repeat_with(|| fastrand::u8(..)).take(3 * BLOCK + 7);
        let text = b"a line of a text\n".iter().copied().cycle();
        for content in [
            Vec::new(),
            b"x".to_vec(),
            text.clone().take(BLOCK).collect(),
            text.take(5 * BLOCK - 1).collect(),
            random().collect(),
            vec![0; 2 * BLOCK],
        ] {
            let compressed = compress(content.clone(), 100_000);
            assert!(compressed == compress(content.clone(), BLOCK + 1));
            // One member: no reader stops after the first block.
            let mut decoder = GzDecoder::new(&compressed[..]);
            let mut read = Vec::new();
            decoder.read_to_end(&mut read).unwrap();
            assert!(read == content);
            assert!(decoder.into_inner().is_empty());
        }
    }

    #[test]
    fn an_error_comes_in_its_place_and_ends_the_stream() {
        let (mut input, mut output) = pipe();
        thread::spawn(move || {
            input.write_all(&vec![1; BLOCK]).unwrap();
            input.fail(io::Error::other("the disk is on fire"));
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            assert!(output.next().await.unwrap().is_ok());
            assert!(output.next().await.unwrap().is_ok());
            let error = output.next().await.unwrap().unwrap_err();
            assert_eq!(error.to_string(), "the disk is on fire");
            assert!(output.next().await.is_none());
        });
    }

    #[test]
    fn nobody_compresses_for_nobody() {
        let (mut input, output) = pipe();
        drop(output);
        let written = input.write_all(&vec![1; 2 * BLOCK]);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
