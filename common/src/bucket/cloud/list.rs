//! Listings, page by page.

use std::time::Instant;

use reqwest::Method;
use serde::Deserialize;

use super::client::Client;
use super::object::{FIELDS, Resource};
use crate::bucket::attributes::{Attributes, Encoding};
use crate::bucket::sum::Sum;
use crate::google::{Failure, Request};

/// What a sync must know of an object that is there. Small: there may be 100,000.
#[derive(Debug, Clone)]
pub(in crate::bucket) struct Remote {
    pub(super) generation: u64,
    /// Of the content, uncompressed where the bucket compressed it.
    sum: Option<Sum>,
    is_gzip: bool,
    /// Checksum of the media type.
    media_type: u32,
}

impl Remote {
    pub(super) fn of(resource: &Resource) -> Self {
        let uncompressed = resource.uncompressed();
        Remote {
            generation: resource.generation(),
            is_gzip: resource.content_encoding == "gzip" && uncompressed.is_none(),
            sum: uncompressed.or(resource.stored()),
            media_type: crc32c::crc32c(resource.content_type.as_bytes()),
        }
    }

    pub(in crate::bucket) fn size(&self) -> Option<u64> {
        self.sum.map(|sum| sum.size)
    }

    /// Whether the object has this content, and readers are told the same of it.
    pub(in crate::bucket) fn has(&self, content: Sum, attributes: &Attributes) -> bool {
        self.sum == Some(content)
            && self.is_gzip == (attributes.encoding == Encoding::Gzip)
            && self.media_type == crc32c::crc32c(attributes.media_type.as_bytes())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    items: Vec<Resource>,
    next_page_token: Option<String>,
}

impl Client {
    /// Gives each object whose name starts with `prefix` to `each`, in the order of names.
    pub(super) async fn list(
        &self,
        prefix: &str,
        until: Option<Instant>,
        mut each: impl FnMut(Resource),
    ) -> Result<(), Failure> {
        let request = Request::new(Method::GET, self.objects())
            .query("prefix", prefix)
            .query("maxResults", "1000")
            .query("fields", &format!("nextPageToken,items({FIELDS})"));
        let mut token: Option<String> = None;
        loop {
            let page = match &token {
                None => request.clone(),
                Some(token) => request.clone().query("pageToken", token),
            };
            let answer = self.api.ask(&page, until).await?;
            let page: Page = serde_json::from_slice(&answer.body)
                .map_err(|error| Failure::Nonsense(error.to_string()))?;
            page.items.into_iter().for_each(&mut each);
            match page.next_page_token {
                // A server that gives the same page again would never end.
                Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                _ => return Ok(()),
            }
        }
    }
}
