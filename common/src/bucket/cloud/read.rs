//! Reads objects: whole, or piece by piece for readers that are not async.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use tokio::runtime::Handle;

use super::client::Client;
use crate::google::Failure;
use crate::google::Retry;
use crate::google::{Request, piece};

/// An object that is being read.
#[derive(Debug)]
pub(super) struct Download {
    client: Arc<Client>,
    name: String,
    retry: Retry,
    /// The generation that is read: after a cut the rest must be of the same one.
    generation: Option<HeaderValue>,
    is_gzip: bool,
    /// Bytes that were read, as they are stored.
    read: u64,
    response: Option<Response>,
}

impl Download {
    /// Starts to read; `None` if there is no such object.
    pub(super) async fn start(
        client: Arc<Client>,
        name: &str,
        until: Option<Instant>,
    ) -> Result<Option<Self>, Failure> {
        let mut download = Download {
            client,
            name: name.to_owned(),
            retry: Retry::new(until),
            generation: None,
            is_gzip: false,
            read: 0,
            response: None,
        };
        match download.open().await {
            Ok(()) => Ok(Some(download)),
            Err(failure) if failure.is(StatusCode::NOT_FOUND) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The content, uncompressed; must be made and read outside of the event loop's thread.
    pub(super) fn reader(self) -> Result<Box<dyn Read + Send>, Failure> {
        let handle =
            Handle::try_current().map_err(|error| Failure::Local(io::Error::other(error)))?;
        let is_gzip = self.is_gzip;
        let blocking = Blocking {
            handle,
            download: self,
            left: Bytes::new(),
        };
        Ok(if is_gzip {
            Box::new(MultiGzDecoder::new(blocking))
        } else {
            Box::new(blocking)
        })
    }

    async fn open(&mut self) -> Result<(), Failure> {
        // Asked for as it is stored: pieces can be read again after a cut.
        let mut request = Request::new(Method::GET, self.client.object(&self.name))
            .query("alt", "media")
            .header("accept-encoding", "gzip");
        if let Some(generation) = self.generation.as_ref().and_then(|it| it.to_str().ok()) {
            request = request.query("generation", generation);
        }
        if self.read > 0 {
            request = request.header("range", format!("bytes={}-", self.read));
        }
        loop {
            match self.client.api.open(&request, self.retry.stall()).await {
                Ok(response) => return self.take(response),
                // What was read was all there is.
                Err(failure) if self.read > 0 && failure.is(StatusCode::RANGE_NOT_SATISFIABLE) => {
                    self.response = None;
                    return Ok(());
                }
                Err(failure) => self.retry.pause(failure, &self.name).await?,
            }
        }
    }

    fn take(&mut self, response: Response) -> Result<(), Failure> {
        if self.read > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(Failure::Nonsense(
                "the whole object in place of its rest".to_owned(),
            ));
        }
        if self.generation.is_none() {
            self.generation = response.headers().get("x-goog-generation").cloned();
            self.is_gzip = is_gzip(response.headers());
        }
        self.response = Some(response);
        Ok(())
    }

    /// The next piece as it is stored; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let Some(response) = &mut self.response else {
                return Ok(None);
            };
            match piece(response, self.retry.stall()).await {
                Ok(Some(piece)) => {
                    self.read += piece.len() as u64;
                    self.retry.got_on();
                    return Ok(Some(piece));
                }
                Ok(None) => return Ok(None),
                Err(failure) => {
                    self.response = None;
                    self.retry.pause(failure, &self.name).await?;
                    self.open().await?;
                }
            }
        }
    }
}

impl Client {
    /// What an object holds from a byte on, at most so much of it; `None` if there is no such
    /// object. The object may grow from one call to the next.
    pub(super) async fn read_from(
        &self,
        name: &str,
        from: u64,
        most: u64,
        until: Option<Instant>,
    ) -> Result<Option<Bytes>, Failure> {
        let last = from.saturating_add(most.saturating_sub(1));
        let request = Request::new(Method::GET, self.object(name))
            .query("alt", "media")
            // A range of what is stored.
            .header("accept-encoding", "gzip")
            .header("range", format!("bytes={from}-{last}"));
        match self.api.ask(&request, until).await {
            Ok(answer) if answer.status == StatusCode::PARTIAL_CONTENT => Ok(Some(answer.body)),
            // A server may give all of it.
            Ok(answer) => {
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                Ok(Some(answer.body.slice(from.min(answer.body.len())..)))
            }
            // Nothing new.
            Err(failure) if failure.is(StatusCode::RANGE_NOT_SATISFIABLE) => Ok(Some(Bytes::new())),
            Err(failure) if failure.is(StatusCode::NOT_FOUND) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

fn is_gzip(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding == "gzip")
}

/// A download for a reader that is not async.
struct Blocking {
    handle: Handle,
    download: Download,
    left: Bytes,
}

impl Read for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left.is_empty() {
            match self.handle.block_on(self.download.next()) {
                Ok(Some(piece)) => self.left = piece,
                Ok(None) => return Ok(0),
                Err(failure) => return Err(io::Error::other(failure)),
            }
        }
        let size = buffer.len().min(self.left.len());
        self.left.copy_to_slice(&mut buffer[..size]);
        Ok(size)
    }
}
