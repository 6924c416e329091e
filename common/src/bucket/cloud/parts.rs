//! Very large files, in parallel parts that the server then makes one object of.
//!
//! One connection to Google's servers is slower than the network of a cluster's node. Each part is
//! an object of its own for a while, so that it has a session of its own.

use std::io;
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::client::Client;
use super::content::Content;
use super::object::{FIELDS, Resource};
use crate::bucket::folder::TEMPORARY;
use crate::google::Failure;
use crate::google::Request;

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
        let folder = Folder::of(object["name"].as_str().unwrap_or_default());
        let division = Division::of(content.stored.size);
        let sent = tokio::try_join!(
            self.lane(&folder, content, division, 0, until),
            self.lane(&folder, content, division, 1, until),
            self.lane(&folder, content, division, 2, until),
            self.lane(&folder, content, division, 3, until),
        );
        let composed = match sent {
            Ok(lanes) => {
                let lanes = [lanes.0, lanes.1, lanes.2, lanes.3];
                let mut parts: Vec<(u64, Resource)> = lanes.into_iter().flatten().collect();
                parts.sort_by_key(|(index, _)| *index);
                match check(&parts, content) {
                    Ok(()) => self.compose(object, &parts, known, until).await,
                    Err(failure) => Err(failure),
                }
            }
            Err(failure) => Err(failure),
        };
        for index in 0..division.count {
            self.forget(&folder.part(index), until).await;
        }
        composed
    }

    /// Every fourth part, one after the other.
    async fn lane(
        &self,
        folder: &Folder,
        content: &Content,
        division: Division,
        first: u64,
        until: Option<Instant>,
    ) -> Result<Vec<(u64, Resource)>, Failure> {
        let mut sent = Vec::new();
        for index in (first..division.count).step_by(4) {
            let permit = AT_ONCE.acquire().await;
            let permit = permit.map_err(|closed| Failure::Local(io::Error::other(closed)))?;
            let part = content.part(index * division.part, division.part);
            let name = folder.part(index);
            let object = json!({"name": name, "contentType": "application/octet-stream"});
            let resource = self.put_by_and_by(&object, &part, 0, until).await?;
            sent.push((index, resource));
            drop(permit);
        }
        Ok(sent)
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
        let answer = self.api.ask(&request, until).await?;
        Resource::parse(&answer.body)
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

/// Where parts lie until they are one: beside the object, under names that are no objects.
struct Folder(String);

impl Folder {
    fn of(name: &str) -> Self {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let number = fastrand::u64(..);
        let separator = if folder.is_empty() { "" } else { "/" };
        Folder(format!("{folder}{separator}{TEMPORARY}{number:016x}"))
    }

    fn part(&self, index: u64) -> String {
        format!("{}-{index:02}", self.0)
    }
}

/// The parts' checksums, as the server found them, must give that of the whole.
fn check(parts: &[(u64, Resource)], content: &Content) -> Result<(), Failure> {
    let mut whole: Option<(u32, u64)> = None;
    for (_, part) in parts {
        let sum = part
            .stored()
            .ok_or_else(|| Failure::Nonsense("a part without a checksum".to_owned()))?;
        whole = Some(match whole {
            None => (sum.crc32c, sum.size),
            Some((crc32c, size)) => {
                let length = usize::try_from(sum.size).unwrap_or_default();
                let crc32c = crc32c::crc32c_combine(crc32c, sum.crc32c, length);
                (crc32c, size + sum.size)
            }
        });
    }
    if whole == Some((content.stored.crc32c, content.stored.size)) {
        return Ok(());
    }
    let what = "the parts that arrived are not those of the file".to_owned();
    Err(Failure::Nonsense(what))
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
        let part = Folder::of("logs/e2e/7/artifacts/core").part(3);
        assert!(part.starts_with("logs/e2e/7/artifacts/.being-written-"));
        assert!(part.ends_with("-03"));
        assert!(Folder::of("core").part(0).starts_with(TEMPORARY));
    }
}
