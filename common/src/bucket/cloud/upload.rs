//! Puts an object in its place: small ones in one request, large ones so that a cut connection
//! costs only what was under way.

use std::time::Instant;

use bytes::Bytes;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::client::Client;
use super::content::Content;
use super::object::{FIELDS, Resource, describe};
use super::parts;
use crate::bucket::attributes::Attributes;
use crate::google::Failure;
use crate::google::Part;
use crate::google::Retry;
use crate::google::{Answer, Request};

/// Up to this size a second request costs more than sending everything again now and then.
const ONE_REQUEST: u64 = 8 * 1024 * 1024;

/// How often somebody else may write the same object while we do.
const RACES: u32 = 4;

/// Where an upload under way stands.
pub(super) enum State {
    Done(Resource),
    /// So many bytes are there.
    Reached(u64),
}

impl Client {
    /// Makes the object, or replaces its generation `known` (0: there is none). Each attempt
    /// names the generation that it replaces: one that arrives late, after another attempt or
    /// another writer, changes nothing.
    pub(super) async fn put(
        &self,
        name: &str,
        content: &Content,
        attributes: &Attributes,
        mut known: u64,
        until: Option<Instant>,
    ) -> Result<(), Failure> {
        let object = describe(name, attributes, content.stored, content.uncompressed);
        for _ in 0..RACES {
            let sent = if content.stored.size <= ONE_REQUEST {
                self.put_at_once(&object, content, known, until).await
            } else if content.stored.size < parts::FROM {
                self.put_by_and_by(&object, content, known, until).await
            } else {
                self.put_in_parts(&object, content, known, until).await
            };
            match sent {
                Ok(resource) if resource.stored() == Some(content.stored) => return Ok(()),
                Ok(resource) => {
                    let there = resource.size();
                    let ours = content.stored.size;
                    let what = format!(
                        "it holds {there} bytes where {ours} with another checksum were sent"
                    );
                    return Err(Failure::Nonsense(what));
                }
                Err(failure) if failure.is(StatusCode::PRECONDITION_FAILED) => {}
                Err(failure) => return Err(failure),
            }
            // Another writer, or an attempt of ours whose answer was lost.
            match self.stat(name, until).await? {
                Some(there) if there.stored() == Some(content.stored) => return Ok(()),
                Some(there) => known = there.generation(),
                None => known = 0,
            }
        }
        let what = "others write the same object all the time";
        Err(Failure::Local(std::io::Error::other(what)))
    }

    /// What is there under a name.
    pub(super) async fn stat(
        &self,
        name: &str,
        until: Option<Instant>,
    ) -> Result<Option<Resource>, Failure> {
        let request = Request::new(Method::GET, self.object(name)).query("fields", FIELDS);
        match self.api.ask(&request, until).await {
            Ok(answer) => Resource::parse(&answer.body).map(Some),
            Err(failure) if failure.is(StatusCode::NOT_FOUND) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn upload(&self, kind: &str, known: u64) -> Request {
        Request::new(Method::POST, self.uploads())
            .query("uploadType", kind)
            .query("ifGenerationMatch", &known.to_string())
            .query("fields", FIELDS)
    }

    /// Description and content in one request.
    pub(super) async fn put_at_once(
        &self,
        object: &Value,
        content: &Content,
        known: u64,
        until: Option<Instant>,
    ) -> Result<Resource, Failure> {
        // Random: no content can hold it on purpose.
        let boundary = format!("{:032x}", fastrand::u128(..));
        let media_type = object["contentType"].as_str().unwrap_or_default();
        let head = format!(
            "--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{object}\r\n\
             --{boundary}\r\ncontent-type: {media_type}\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let request = self
            .upload("multipart", known)
            .header(
                "content-type",
                format!("multipart/related; boundary={boundary}"),
            )
            .part(Part::Memory(head.into()))
            .part(content.part.clone())
            .part(Part::Memory(tail.into()))
            .counting(&content.sent);
        let answer = self.api.ask(&request, until).await?;
        Resource::parse(&answer.body)
    }

    /// A session that content is added to; after a cut it goes on where the server got to.
    pub(super) async fn put_by_and_by(
        &self,
        object: &Value,
        content: &Content,
        known: u64,
        until: Option<Instant>,
    ) -> Result<Resource, Failure> {
        let mut retry = Retry::new(until);
        let size = Some(content.stored.size);
        let mut session = self.start_session(object, size, known, until).await?;
        let mut reached = 0;
        loop {
            let rest = add(&session, content, reached);
            let mut sent = self.api.attempt(&rest, retry.stall()).await;
            while let Err(failure) = sent {
                // The server forgets a session that failed or is a week old.
                if failure.is(StatusCode::NOT_FOUND) || failure.is(StatusCode::GONE) {
                    retry
                        .pause(Failure::Stalled(retry.stall()), "upload")
                        .await?;
                    session = self.start_session(object, size, known, until).await?;
                } else {
                    retry.pause(failure, "upload").await?;
                }
                let ask = ask_how_far(&session, content.stored.size);
                sent = self.api.attempt(&ask, retry.stall()).await;
            }
            match state(&sent?)? {
                State::Done(resource) => return Ok(resource),
                State::Reached(now) => {
                    if now > reached {
                        retry.got_on();
                    } else {
                        // An answer that asks for more without having taken anything.
                        retry
                            .pause(Failure::Stalled(retry.stall()), "upload")
                            .await?;
                    }
                    reached = now.min(content.stored.size);
                }
            }
        }
    }

    /// Starts a session for content of this size, if that is known; gives its address.
    pub(super) async fn start_session(
        &self,
        object: &Value,
        size: Option<u64>,
        known: u64,
        until: Option<Instant>,
    ) -> Result<Url, Failure> {
        let media_type = object["contentType"].as_str().unwrap_or_default();
        let name = object["name"].as_str().unwrap_or_default();
        let mut request = self
            .upload("resumable", known)
            .query("name", name)
            .header("x-upload-content-type", media_type);
        if let Some(size) = size {
            request = request.header("x-upload-content-length", size.to_string());
        }
        let request = request.json(object);
        let answer = self.api.ask(&request, until).await?;
        let location = answer.headers.get("location");
        location
            .and_then(|location| self.session(location.to_str().ok()?))
            .ok_or_else(|| Failure::Nonsense("an upload without an address".to_owned()))
    }

    /// The session's address on the server that we talk to, whatever name it gives itself: no
    /// credentials go elsewhere, and whoever stands between us stays there.
    fn session(&self, location: &str) -> Option<Url> {
        let location = Url::parse(location).ok()?;
        let mut url = self.api.url(&[]);
        url.set_path(location.path());
        url.set_query(location.query());
        Some(url)
    }
}

/// What is left to send.
fn add(session: &Url, content: &Content, from: u64) -> Request {
    let size = content.stored.size;
    Request::new(Method::PUT, session.clone())
        .header(
            "content-range",
            format!("bytes {from}-{}/{size}", size.saturating_sub(1)),
        )
        .part(content.part.from(from))
        .counting(&content.sent)
}

/// Sends nothing; the answer says how much is there.
fn ask_how_far(session: &Url, size: u64) -> Request {
    Request::new(Method::PUT, session.clone())
        .header("content-range", format!("bytes */{size}"))
        .part(Part::Memory(Bytes::new()))
}

/// How far a session got. A 308 names the last byte that is there, if there is one.
pub(super) fn state(answer: &Answer) -> Result<State, Failure> {
    if answer.status != StatusCode::PERMANENT_REDIRECT {
        return Resource::parse(&answer.body).map(State::Done);
    }
    let Some(range) = answer.headers.get("range") else {
        return Ok(State::Reached(0));
    };
    let last = range.to_str().ok().and_then(|range| range.rsplit_once('-'));
    match last.map(|(_, last)| last.parse::<u64>()) {
        Some(Ok(last)) => Ok(State::Reached(last + 1)),
        _ => Err(Failure::Nonsense(format!("range {range:?}"))),
    }
}
