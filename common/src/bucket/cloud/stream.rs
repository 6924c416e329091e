//! Content that is made while it is sent: its size and checksum are known at its end only.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use bytes::Bytes;
use reqwest::{Method, StatusCode, Url};
use serde_json::json;
use tokio::sync::mpsc::Receiver;

use super::client::Client;
use super::object::Resource;
use super::upload::{State, state};
use crate::bucket::sum::Sum;
use crate::google::{Failure, Part, Request, Retry};

/// How much is sent at once, and may have to be sent again: that much is kept in memory, twice.
/// The service takes multiples of 256 KiB.
const CHUNK: usize = 8 * 1024 * 1024;

/// How often it is begun anew because the server forgot how far it was.
const RESTARTS: u32 = 3;

/// What is made while it is sent; an error ends it.
pub(in crate::bucket) type Pieces = Receiver<io::Result<Bytes>>;

impl Client {
    /// Makes a new object of what `source` gives, which has to be the same each time.
    pub(super) async fn put_stream(
        &self,
        name: &str,
        media_type: &str,
        mut source: impl FnMut() -> Pieces,
        until: Option<Instant>,
    ) -> Result<Resource, Failure> {
        let mut restarts = 0;
        loop {
            let sent = self.send_stream(name, media_type, source(), until).await;
            match sent {
                // The server forgets a session that failed or is a week old.
                Err(failure)
                    if restarts < RESTARTS
                        && (failure.is(StatusCode::NOT_FOUND) || failure.is(StatusCode::GONE)) =>
                {
                    tracing::debug!("{name}: {failure}; beginning anew");
                    restarts += 1;
                }
                other => return other,
            }
        }
    }

    async fn send_stream(
        &self,
        name: &str,
        media_type: &str,
        pieces: Pieces,
        until: Option<Instant>,
    ) -> Result<Resource, Failure> {
        let object = json!({ "name": name, "contentType": media_type });
        let session = self.start_session(&object, None, 0, until).await?;
        let mut chunks = Chunks::new(pieces);
        let mut sum = Sum { size: 0, crc32c: 0 };
        let mut next = chunks.next().await?;
        loop {
            let chunk = next;
            for piece in &chunk {
                sum.crc32c = crc32c::crc32c_append(sum.crc32c, piece);
            }
            let from = sum.size;
            sum.size += length(&chunk);
            // The last one says how much it was in all.
            next = chunks.next().await?;
            let total = next.is_empty().then_some(sum.size);
            let sent = self.send_chunk(&session, chunk, from, total, until).await?;
            match (sent, total) {
                (Some(resource), Some(_)) if resource.stored() == Some(sum) => return Ok(resource),
                (Some(resource), _) => {
                    let there = resource.size();
                    let what = format!("it holds {there} bytes where {} were sent", sum.size);
                    return Err(Failure::Nonsense(what));
                }
                (None, Some(_)) => {
                    let what = "it wants more than there is".to_owned();
                    return Err(Failure::Nonsense(what));
                }
                (None, None) => {}
            }
        }
    }

    /// Sends a chunk until all of it is there; gives the object where that was the last.
    async fn send_chunk(
        &self,
        session: &Url,
        chunk: Vec<Bytes>,
        from: u64,
        total: Option<u64>,
        until: Option<Instant>,
    ) -> Result<Option<Resource>, Failure> {
        let mut retry = Retry::new(until);
        let end = from + length(&chunk);
        let mut left = VecDeque::from(chunk);
        let mut reached = from;
        loop {
            let request = add(session, &left, reached, total);
            let mut sent = self.api.attempt(&request, retry.stall()).await;
            while let Err(failure) = sent {
                retry.pause(failure, "upload").await?;
                let ask = ask_how_far(session, total);
                sent = self.api.attempt(&ask, retry.stall()).await;
            }
            match state(&sent?)? {
                State::Done(resource) => return Ok(Some(resource)),
                State::Reached(now) if now >= end => return Ok(None),
                State::Reached(now) if now < reached => {
                    let what = format!("it has {now} bytes, and had {reached} before");
                    return Err(Failure::Nonsense(what));
                }
                State::Reached(now) => {
                    if now > reached {
                        retry.got_on();
                    } else {
                        let stall = Failure::Stalled(retry.stall());
                        retry.pause(stall, "upload").await?;
                    }
                    drop_front(&mut left, now - reached);
                    reached = now;
                }
            }
        }
    }
}

fn add(session: &Url, left: &VecDeque<Bytes>, from: u64, total: Option<u64>) -> Request {
    let size: u64 = left.iter().map(|piece| piece.len() as u64).sum();
    let total = total.map_or("*".to_owned(), |total| total.to_string());
    let range = match size.checked_sub(1) {
        Some(last) => format!("bytes {from}-{}/{total}", from + last),
        None => format!("bytes */{total}"),
    };
    let request = Request::new(Method::PUT, session.clone()).header("content-range", range);
    left.iter().fold(request, |request, piece| {
        request.part(Part::Memory(piece.clone()))
    })
}

/// Sends nothing; the answer says how much is there.
fn ask_how_far(session: &Url, total: Option<u64>) -> Request {
    let total = total.map_or("*".to_owned(), |total| total.to_string());
    Request::new(Method::PUT, session.clone())
        .header("content-range", format!("bytes */{total}"))
        .part(Part::Memory(Bytes::new()))
}

fn length(pieces: &[Bytes]) -> u64 {
    pieces.iter().map(|piece| piece.len() as u64).sum()
}

fn drop_front(pieces: &mut VecDeque<Bytes>, mut bytes: u64) {
    while let Some(first) = pieces.front_mut() {
        if bytes < first.len() as u64 {
            // It fits: it is less than a length.
            let _ = first.split_to(usize::try_from(bytes).unwrap_or_default());
            return;
        }
        bytes -= first.len() as u64;
        pieces.pop_front();
    }
}

/// Pieces of any size, put together into chunks of one size; the last is smaller, or empty.
struct Chunks {
    pieces: Pieces,
    rest: Bytes,
}

impl Chunks {
    fn new(pieces: Pieces) -> Self {
        let rest = Bytes::new();
        Chunks { pieces, rest }
    }

    /// The next chunk; empty at the end.
    async fn next(&mut self) -> io::Result<Vec<Bytes>> {
        let (mut chunk, mut room) = (Vec::new(), CHUNK);
        while room > 0 {
            if self.rest.is_empty() {
                match self.pieces.recv().await.transpose()? {
                    Some(piece) => self.rest = piece,
                    None => break,
                }
            }
            let piece = self.rest.split_to(room.min(self.rest.len()));
            room -= piece.len();
            if !piece.is_empty() {
                chunk.push(piece);
            }
        }
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(sizes: &[usize]) -> Vec<u64> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (sender, receiver) = tokio::sync::mpsc::channel(sizes.len().max(1));
            for size in sizes {
                sender.send(Ok(vec![0; *size].into())).await.unwrap();
            }
            drop(sender);
            let mut chunks = Chunks::new(receiver);
            let mut lengths = Vec::new();
            loop {
                let chunk = chunks.next().await.unwrap();
                lengths.push(length(&chunk));
                if chunk.is_empty() {
                    return lengths;
                }
            }
        })
    }

    #[test]
    fn pieces_become_chunks_of_one_size() {
        let size = CHUNK as u64;
        assert_eq!(chunks(&[]), [0]);
        assert_eq!(chunks(&[0, 1, 0, 2]), [3, 0]);
        assert_eq!(chunks(&[CHUNK]), [size, 0]);
        assert_eq!(chunks(&[CHUNK - 1, 2]), [size, 1, 0]);
        assert_eq!(chunks(&[2 * CHUNK + 5]), [size, size, 5, 0]);
    }

    #[test]
    fn what_is_there_is_not_sent_again() {
        let mut pieces = VecDeque::from([Bytes::from("abc"), Bytes::from("de")]);
        drop_front(&mut pieces, 4);
        assert_eq!(pieces, [Bytes::from("e")]);
        drop_front(&mut pieces, 1);
        assert!(pieces.is_empty());
    }
}
