//! The body of a request: pieces of memory and of files, sent without a copy of the whole.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::failure::OfFile;

/// How much is sent at once; what one upload holds in memory is at most twice that.
const PIECE: usize = 256 * 1024;

/// Counts the pieces that were sent, so that somebody sees whether an upload gets on, and their
/// bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pieces: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl Progress {
    /// One that adds the bytes to a count.
    pub(crate) fn counting(bytes: Arc<AtomicU64>) -> Self {
        let pieces = Arc::default();
        Progress { pieces, bytes }
    }

    pub(crate) fn count(&self) -> u64 {
        self.pieces.load(Ordering::Relaxed)
    }

    pub(crate) fn advance(&self, bytes: usize) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A part of a body.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Memory(Bytes),
    File {
        file: Arc<File>,
        offset: u64,
        length: u64,
    },
}

impl Part {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Part::Memory(bytes) => bytes.len() as u64,
            Part::File { length, .. } => *length,
        }
    }

    /// At most so many bytes of it.
    pub(crate) fn up_to(self, most: u64) -> Self {
        match self {
            Part::Memory(bytes) => {
                let most = usize::try_from(most).map_or(bytes.len(), |most| most.min(bytes.len()));
                Part::Memory(bytes.slice(..most))
            }
            Part::File {
                file,
                offset,
                length,
            } => Part::File {
                file,
                offset,
                length: length.min(most),
            },
        }
    }

    /// What is left of it after so many bytes.
    pub(crate) fn from(&self, from: u64) -> Self {
        match self {
            Part::Memory(bytes) => {
                let from = usize::try_from(from).map_or(bytes.len(), |from| from.min(bytes.len()));
                Part::Memory(bytes.slice(from..))
            }
            Part::File {
                file,
                offset,
                length,
            } => Part::File {
                file: file.clone(),
                offset: offset + from.min(*length),
                length: length - from.min(*length),
            },
        }
    }
}

/// A body. Files are read ahead by one piece, on the pool for blocking work.
#[derive(Debug)]
pub(crate) struct Pieces {
    parts: VecDeque<Part>,
    ahead: Option<JoinHandle<io::Result<Bytes>>>,
    left: u64,
    progress: Progress,
}

impl Pieces {
    pub(crate) fn new(parts: impl IntoIterator<Item = Part>, progress: Progress) -> Self {
        let parts: VecDeque<Part> = parts.into_iter().collect();
        Pieces {
            left: parts.iter().map(Part::len).sum(),
            parts,
            ahead: None,
            progress,
        }
    }

    /// The next piece of memory, or `None` when the next one must be read from a file first.
    fn next_in_memory(&mut self) -> Option<Bytes> {
        loop {
            match self.parts.front_mut()? {
                Part::Memory(bytes) if bytes.is_empty() => {
                    self.parts.pop_front();
                }
                Part::Memory(bytes) => return Some(bytes.split_to(PIECE.min(bytes.len()))),
                Part::File { length: 0, .. } => {
                    self.parts.pop_front();
                }
                Part::File { .. } => return None,
            }
        }
    }

    fn read_ahead(&mut self) {
        let Some(Part::File {
            file,
            offset,
            length,
        }) = self.parts.front_mut()
        else {
            return;
        };
        // The part holds less than a piece at its end.
        #[expect(clippy::cast_possible_truncation, reason = "at most PIECE")]
        let size = (PIECE as u64).min(*length) as usize;
        if size == 0 {
            return;
        }
        let (file, at) = (file.clone(), *offset);
        self.ahead = Some(tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; size];
            file.read_exact_at(&mut piece, at)?;
            Ok(piece.into())
        }));
        *offset += size as u64;
        *length -= size as u64;
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = OfFile;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, OfFile>>> {
        if self.ahead.is_none() {
            if let Some(piece) = self.next_in_memory() {
                self.left -= piece.len() as u64;
                self.progress.advance(piece.len());
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            self.read_ahead();
        }
        let Some(ahead) = &mut self.ahead else {
            return Poll::Ready(None);
        };
        let read = ready!(Pin::new(ahead).poll(context));
        self.ahead = None;
        let piece = match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(piece) => piece,
            Err(error) => return Poll::Ready(Some(Err(OfFile(error)))),
        };
        self.read_ahead();
        self.left -= piece.len() as u64;
        self.progress.advance(piece.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    fn collect(mut body: Pieces) -> Result<Vec<Vec<u8>>, OfFile> {
        let collect = async {
            let mut pieces = Vec::new();
            while let Some(frame) = poll_fn(|c| Pin::new(&mut body).poll_frame(c)).await {
                pieces.push(frame?.into_data().unwrap().to_vec());
            }
            Ok(pieces)
        };
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(collect)
    }

    fn file_of(content: &[u8], offset: u64, length: u64) -> Part {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let file = Arc::new(file);
        Part::File {
            file,
            offset,
            length,
        }
    }

    #[test]
    fn parts_follow_one_another_in_pieces() {
        let content: Vec<u8> = (0..=250).cycle().take(PIECE + 10).collect();
        let parts = [
            Part::Memory(Bytes::from_static(b"head")),
            file_of(&content, 5, content.len() as u64 - 5),
            Part::Memory(Bytes::from_static(b"")),
            file_of(b"", 0, 0),
            Part::Memory(Bytes::from_static(b"tail")),
        ];
        let progress = Progress::default();
        let body = Pieces::new(parts, progress.clone());
        assert_eq!(body.size_hint().exact(), Some(content.len() as u64 + 3));
        let pieces = collect(body).unwrap();
        let expected = [b"head", &content[5..], b"tail"].concat();
        assert_eq!(pieces.concat(), expected);
        assert_eq!(pieces.len(), 4);
        assert_eq!(progress.count(), 4);
    }

    #[test]
    fn a_file_that_has_become_shorter_is_an_error_and_not_a_short_body() {
        let body = Pieces::new([file_of(b"abc", 0, 4)], Progress::default());
        assert!(collect(body).is_err());
    }
}
