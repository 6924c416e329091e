//! Very large files, in parallel parts that the server then makes one object of.
//!
//! One connection to Google's servers is slower than the network of a cluster's node. Each part is
//! an object of its own for a while, so that it has a session of its own. Its name says of what it
//! is a part: another run after one that was killed finds the parts that are there, and sends the
//! others.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::time::Instant;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::client::Client;
use super::content::Content;
use super::object::{FIELDS, Resource};
use crate::bucket::folder::TEMPORARY;
use crate::bucket::sum::Sum;
use crate::google::{Failure, Request};

/// From this size on the four more requests and the composition are worth their time. gcloud
/// does so from 150 MB on.
pub(super) const FROM: u64 = 256 * 1024 * 1024;

/// A part is at least this large.
const SMALLEST: u64 = 64 * 1024 * 1024;

/// The most parts that the server composes in one request.
const MOST: u64 = 32;

/// How many parts are sent at once, of all files together.
static AT_ONCE: Semaphore = Semaphore::const_new(8);

/// Where parts begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Division {
    part: u64,
    count: u64,
}

impl Division {
    fn of(size: u64) -> Self {
        let part = size.div_ceil(MOST).max(SMALLEST);
        Division {
            part,
            count: size.div_ceil(part).max(1),
        }
    }
}

impl Client {
    /// Uploads content in parts, and makes them one object.
    pub(super) async fn put_in_parts(
        &self,
        object: &Value,
        content: &Content,
        known: u64,
        until: Option<Instant>,
    ) -> Result<Resource, Failure> {
        let names = Names::of(object["name"].as_str().unwrap_or_default(), content.stored);
        let mut there = HashMap::new();
        let add = |part: Resource| drop(there.insert(part.name.clone(), part));
        match self.list(&names.of_object, until, add).await {
            // Who may make objects only can neither look for parts nor compose them.
            Err(failure) if failure.is(StatusCode::FORBIDDEN) => {
                return self.put_by_and_by(object, content, known, until).await;
            }
            listed => listed?,
        }
        let division = Division::of(content.stored.size);
        let upload = Upload {
            content,
            division,
            names: &names,
            there: &there,
        };
        let sent = tokio::try_join!(
            self.lane(&upload, 0, until),
            self.lane(&upload, 1, until),
            self.lane(&upload, 2, until),
            self.lane(&upload, 3, until),
        );
        let composed = match sent {
            Ok(lanes) => {
                let lanes = [lanes.0, lanes.1, lanes.2, lanes.3];
                let mut parts: Vec<(u64, Resource)> = lanes.into_iter().flatten().collect();
                parts.sort_by_key(|(index, _)| *index);
                if are_whole(&parts, content) {
                    self.compose(object, &parts, known, until).await
                } else {
                    // Nobody may go on from these.
                    self.forget_all(&upload, until).await;
                    let what = "the parts that arrived are not those of the file";
                    return Err(Failure::Nonsense(what.to_owned()));
                }
            }
            Err(failure) => Err(failure),
        };
        // What may pass another run gets over, and it sends less then.
        if !matches!(&composed, Err(failure) if failure.may_pass()) {
            self.forget_all(&upload, until).await;
        }
        composed
    }

    /// Every fourth part, one after the other.
    async fn lane(
        &self,
        upload: &Upload<'_>,
        first: u64,
        until: Option<Instant>,
    ) -> Result<Vec<(u64, Resource)>, Failure> {
        let mut sent = Vec::new();
        for index in (first..upload.division.count).step_by(4) {
            let permit = AT_ONCE.acquire().await;
            let permit = permit.map_err(|closed| Failure::Local(io::Error::other(closed)))?;
            sent.push((index, self.part(upload, index, until).await?));
            drop(permit);
        }
        Ok(sent)
    }

    /// Sends a part, unless it is there.
    async fn part(
        &self,
        upload: &Upload<'_>,
        index: u64,
        until: Option<Instant>,
    ) -> Result<Resource, Failure> {
        let size = upload.division.part;
        let content = upload.content.part(index * size, size);
        let name = upload.names.part(index);
        let is_whole = |part: &Resource| part.size() == content.stored.size;
        let known = match upload.there.get(&name) {
            Some(part) if is_whole(part) => {
                content.count_as_sent();
                return Ok(part.clone());
            }
            Some(part) => part.generation(),
            None => 0,
        };
        let object = json!({"name": name, "contentType": "application/octet-stream"});
        let failure = match self.put_by_and_by(&object, &content, known, until).await {
            Err(failure) if failure.is(StatusCode::PRECONDITION_FAILED) => failure,
            sent => return sent,
        };
        // Another process sends the same file.
        match self.stat(&name, until).await? {
            Some(part) if is_whole(&part) => Ok(part),
            _ => Err(failure),
        }
    }

    async fn compose(
        &self,
        object: &Value,
        parts: &[(u64, Resource)],
        known: u64,
        until: Option<Instant>,
    ) -> Result<Resource, Failure> {
        let name = object["name"].as_str().unwrap_or_default();
        let sources = parts.iter().map(
            |(_, part)| json!({"name": part.name, "generation": part.generation().to_string()}),
        );
        // The checksum of a composition follows from those of its parts.
        let mut destination = object.clone();
        if let Some(members) = destination.as_object_mut() {
            members.remove("crc32c");
        }
        let sources: Vec<Value> = sources.collect();
        let body = json!({"destination": destination, "sourceObjects": sources});
        let mut url = self.object(name);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push("compose");
        }
        let request = Request::new(Method::POST, url)
            .query("ifGenerationMatch", &known.to_string())
            .query("fields", FIELDS)
            .json(&body);
        match self.api.ask(&request, until).await {
            Ok(answer) => Resource::parse(&answer.body),
            // Another process sent the same file, and its parts are one object by now. It is
            // looked at as after any race.
            Err(failure) if failure.is(StatusCode::NOT_FOUND) => Err(Failure::lost_race()),
            Err(failure) => Err(failure),
        }
    }

    /// Removes the parts of this object, those of earlier contents as well.
    async fn forget_all(&self, upload: &Upload<'_>, until: Option<Instant>) {
        let own = (0..upload.division.count).map(|index| upload.names.part(index));
        let earlier = upload.there.keys().cloned();
        let all: BTreeSet<String> = own.chain(earlier).collect();
        for name in &all {
            self.forget(name, until).await;
        }
    }

    /// Removes a part. One that stays does no harm but cost, and no reader sees it.
    async fn forget(&self, name: &str, until: Option<Instant>) {
        let request = Request::new(Method::DELETE, self.object(name));
        if let Err(failure) = self.api.ask(&request, until).await
            && failure.status() != Some(reqwest::StatusCode::NOT_FOUND)
        {
            let bucket = self.bucket();
            tracing::warn!("gs://{bucket}/{name} is left behind: {failure}");
        }
    }
}

/// A file on its way in parts.
struct Upload<'a> {
    content: &'a Content,
    division: Division,
    names: &'a Names,
    /// Parts of this object that were there before, of whatever content.
    there: &'a HashMap<String, Resource>,
}

/// What parts are called until they are one: they lie beside the object, under names that are no
/// objects, and that a rule of the bucket can name by their end.
struct Names {
    /// What the names of all parts of this object start with, whatever its content.
    of_object: String,
    of_content: String,
}

impl Names {
    fn of(name: &str, content: Sum) -> Self {
        let folder = name.rfind('/').map_or("", |end| &name[..=end]);
        let object = crc32c::crc32c(name.as_bytes());
        let of_object = format!("{folder}{TEMPORARY}{object:08x}-");
        let Sum { size, crc32c } = content;
        let of_content = format!("{of_object}{crc32c:08x}-{size}");
        Names {
            of_object,
            of_content,
        }
    }

    fn part(&self, index: u64) -> String {
        format!("{}-{index:02}.part", self.of_content)
    }
}

/// Whether the parts' checksums, as the server found them, give that of the whole.
fn are_whole(parts: &[(u64, Resource)], content: &Content) -> bool {
    let mut whole: Option<(u32, u64)> = None;
    for (_, part) in parts {
        let Some(sum) = part.stored() else {
            return false;
        };
        whole = Some(match whole {
            None => (sum.crc32c, sum.size),
            Some((crc32c, size)) => {
                let length = usize::try_from(sum.size).unwrap_or_default();
                let crc32c = crc32c::crc32c_combine(crc32c, sum.crc32c, length);
                (crc32c, size + sum.size)
            }
        });
    }
    whole == Some((content.stored.crc32c, content.stored.size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_at_most_as_many_as_the_server_composes() {
        let division = |size| {
            let Division { part, count } = Division::of(size);
            (part, count)
        };
        assert_eq!(division(FROM), (SMALLEST, 4));
        assert_eq!(division(FROM + 1), (SMALLEST, 5));
        let (part, count) = division(10_000_000_000);
        assert_eq!((part, count), (312_500_000, 32));
        assert_eq!(division(5 << 40).1, 32);
    }

    #[test]
    fn parts_lie_beside_the_object_under_names_that_are_none() {
        let sum = Sum::of(b"content");
        let names = Names::of("logs/e2e/7/artifacts/core", sum);
        let part = names.part(3);
        assert!(part.starts_with("logs/e2e/7/artifacts/.being-written-"));
        assert!(part.ends_with("-7-03.part"));
        let other = Names::of("logs/e2e/7/artifacts/core", Sum::of(b"more"));
        assert_eq!(names.of_object, other.of_object);
        assert_ne!(names.of_content, other.of_content);
        assert!(Names::of("core", sum).part(0).starts_with(TEMPORARY));
    }
}
