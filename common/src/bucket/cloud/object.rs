//! Objects as the JSON API describes them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bucket::attributes::{Attributes, Encoding};
use crate::bucket::sum::Sum;
use crate::google::Failure;

/// The fields that we ask for.
pub(super) const FIELDS: &str =
    "name,size,crc32c,generation,contentType,contentEncoding,metadata,timeCreated";

/// Where the size and the checksum of a text are kept when its object holds it compressed.
const SIZE: &str = "uncompressed-size";
const CRC32C: &str = "uncompressed-crc32c";

/// An object.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    pub(super) name: String,
    #[serde(default)]
    size: String,
    #[serde(default)]
    crc32c: String,
    #[serde(default)]
    generation: String,
    #[serde(default)]
    pub(super) content_type: String,
    #[serde(default)]
    pub(super) content_encoding: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    time_created: String,
}

/// A checksum as Google writes it: base64 of the big-endian bytes.
fn encoded(sum: Sum) -> String {
    STANDARD.encode(sum.crc32c.to_be_bytes())
}

impl Resource {
    pub(super) fn parse(json: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(json).map_err(|error| Failure::Nonsense(error.to_string()))
    }

    /// Of the bytes that are stored.
    pub(super) fn stored(&self) -> Option<Sum> {
        sum(&self.size, &self.crc32c)
    }

    pub(super) fn size(&self) -> u64 {
        self.size.parse().unwrap_or_default()
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.parse().unwrap_or_default()
    }

    /// When this generation was made, by the server's clock.
    pub(super) fn created(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339(&self.time_created).ok()
    }

    /// Of the content, where the bucket compressed it.
    pub(super) fn uncompressed(&self) -> Option<Sum> {
        sum(self.metadata.get(SIZE)?, self.metadata.get(CRC32C)?)
    }
}

fn sum(size: &str, crc32c: &str) -> Option<Sum> {
    let crc32c: [u8; 4] = STANDARD.decode(crc32c).ok()?.try_into().ok()?;
    Some(Sum {
        size: size.parse().ok()?,
        crc32c: u32::from_be_bytes(crc32c),
    })
}

/// The description that goes with an upload. The server refuses content that does not have
/// this checksum.
pub(super) fn describe(
    name: &str,
    attributes: &Attributes,
    stored: Sum,
    uncompressed: Option<Sum>,
) -> Value {
    let mut object = json!({
        "name": name,
        "contentType": attributes.media_type,
        "crc32c": encoded(stored),
    });
    if attributes.encoding == Encoding::Gzip || uncompressed.is_some() {
        object["contentEncoding"] = json!("gzip");
    }
    if let Some(cache_control) = attributes.cache_control {
        object["cacheControl"] = json!(cache_control);
    }
    let mut custom = attributes.custom.clone();
    if let Some(uncompressed) = uncompressed {
        custom.insert(SIZE.to_owned(), uncompressed.size.to_string());
        custom.insert(CRC32C.to_owned(), encoded(uncompressed));
    }
    if !custom.is_empty() {
        object["metadata"] = json!(custom);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_back() {
        let attributes = Attributes {
            media_type: "text/plain".to_owned(),
            cache_control: Some("no-cache"),
            ..Attributes::default()
        };
        let (stored, text) = (Sum::of(b"gz"), Sum::of(b"a long text"));
        let mut json = describe("a b", &attributes.with("key", "value"), stored, Some(text));
        assert_eq!(json["contentEncoding"], "gzip");
        assert_eq!(json["cacheControl"], "no-cache");
        assert_eq!(json["metadata"]["key"], "value");
        json["size"] = json!("2");
        json["generation"] = json!("1795454102773931");
        let resource = Resource::parse(json.to_string().as_bytes()).unwrap();
        assert_eq!(resource.stored(), Some(stored));
        assert_eq!(resource.uncompressed(), Some(text));
        assert_eq!(resource.generation(), 1_795_454_102_773_931);
    }

    #[test]
    fn the_checksum_is_written_as_google_writes_it() {
        // From the documentation of `gcloud storage hash`: the checksum of 123456789.
        assert_eq!(encoded(Sum::of(b"123456789")), "4waSgw==");
    }
}
