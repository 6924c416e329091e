//! What a reader is told of an object besides its content: type, encoding, how long to keep it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use super::{FINISHED, ObjectName, STARTED};
use crate::{Error, Result};

/// Shorter texts gain nothing from compression, in bytes.
pub(super) const WORTH_COMPRESSING: u64 = 1024;

/// How the bytes of an object are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    #[default]
    Plain,
    /// Compressed by the bucket where it helps; readers get the text.
    Compress,
    /// The file is gzip already; readers get what is in it.
    Gzip,
}

/// What a reader is told of an object. A `file://` bucket has no place for it, and stores every
/// file as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// MIME type.
    pub media_type: String,
    /// How the bytes are stored.
    pub encoding: Encoding,
    /// Value of `Cache-Control`, where the store's own default will not do.
    pub cache_control: Option<&'static str>,
    /// More, as `x-goog-meta-KEY`.
    pub custom: BTreeMap<String, String>,
}

impl Attributes {
    /// The attributes that follow from an object's name.
    pub fn of(name: &ObjectName, types: &MediaTypes) -> Self {
        let file_name = name.file_name();
        let media_type = types.of(file_name);
        let encoding = if is_text(&media_type) && !is_read_by_range(file_name) {
            Encoding::Compress
        } else {
            Encoding::Plain
        };
        Attributes {
            encoding,
            cache_control: changes_soon(name).then_some("no-cache"),
            media_type,
            custom: BTreeMap::new(),
        }
    }

    /// The attributes of the object for a file that is gzip already: those of what is in it.
    /// `name` is without `.gz`.
    pub fn of_gzip(name: &ObjectName, types: &MediaTypes) -> Self {
        Attributes {
            encoding: Encoding::Gzip,
            ..Attributes::of(name, types)
        }
    }

    /// Adds custom metadata.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.custom.insert(key.to_owned(), value.into());
        self
    }
}

/// Media types by extension: those that are known, and those that somebody said.
#[derive(Debug, Clone, Default)]
pub struct MediaTypes(BTreeMap<String, String>);

impl MediaTypes {
    /// Adds `EXTENSION:TYPE`, as Prow's `--media-type` has it: `log:text/plain`.
    pub fn add(&mut self, entry: &str) -> Result<()> {
        let parts = entry.split_once(':').filter(|(extension, media_type)| {
            !extension.trim_start_matches('.').is_empty()
                && media_type.contains('/')
                && media_type.chars().all(|c| c.is_ascii_graphic() || c == ' ')
        });
        let Some((extension, media_type)) = parts else {
            return Err(Error::usage(format!("{entry:?} is not EXTENSION:TYPE"))
                .hint("for example log:text/plain"));
        };
        let extension = extension.trim_start_matches('.').to_lowercase();
        self.0.insert(extension, media_type.trim().to_owned());
        Ok(())
    }

    /// The type of what is in a `.gz` file, where that is known: `build.log.gz` is a log.
    pub fn inner(&self, file_name: &str) -> Option<String> {
        self.known(file_name.strip_suffix(".gz")?)
    }

    fn of(&self, file_name: &str) -> String {
        let unknown = || "application/octet-stream".to_owned();
        self.known(file_name).unwrap_or_else(unknown)
    }

    fn known(&self, file_name: &str) -> Option<String> {
        let (stem, extension) = file_name.rsplit_once('.')?;
        if stem.is_empty() {
            return None;
        }
        let extension = extension.to_lowercase();
        if let Some(said) = self.0.get(&extension) {
            return Some(said.clone());
        }
        let known = match extension.as_str() {
            // The table has the types of before RFC 9512 and RFC 9239, and a ring tone for jsonl.
            "yaml" | "yml" => "application/yaml",
            "jsonl" | "ndjson" => "application/x-ndjson",
            "log" | "out" | "err" | "tap" => "text/plain",
            other => mime_guess::from_ext(other).first_raw()?,
        };
        Some(if known.starts_with("text/") {
            format!("{known}; charset=utf-8")
        } else {
            known.to_owned()
        })
    }
}

/// Whether compression helps: what is text by its type.
fn is_text(media_type: &str) -> bool {
    let (essence, _) = media_type.split_once(';').unwrap_or((media_type, ""));
    let essence = essence.trim();
    essence.starts_with("text/")
        || essence.ends_with("+xml")
        || essence.ends_with("+json")
        || matches!(
            essence,
            "application/json"
                | "application/javascript"
                | "application/x-ndjson"
                | "application/xml"
                | "application/yaml"
        )
}

/// Whether Prow's pages read pieces of the object: a compressed one has none.
fn is_read_by_range(file_name: &str) -> bool {
    let text = Path::new(file_name).extension() == Some(OsStr::new("txt"));
    file_name.starts_with("build-log") && text
}

/// Objects that are written more than once; the store lets others keep an object for an hour.
fn changes_soon(name: &ObjectName) -> bool {
    let file_name = name.file_name();
    matches!(file_name, STARTED | FINISHED | "latest-build.txt")
        || is_read_by_range(file_name)
        || name.as_str().starts_with("pr-logs/directory/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Attributes {
        Attributes::of(&ObjectName::parse(name).unwrap(), &MediaTypes::default())
    }

    #[test]
    fn the_type_follows_from_the_extension() {
        for (name, media_type) in [
            ("a/junit_x.xml", "text/xml; charset=utf-8"),
            ("a.LOG", "text/plain; charset=utf-8"),
            ("build-log.txt", "text/plain; charset=utf-8"),
            ("a.html", "text/html; charset=utf-8"),
            ("a.json", "application/json"),
            ("e2e.yaml", "application/yaml"),
            ("a.png", "image/png"),
            ("a.tar.gz", "application/gzip"),
            ("core", "application/octet-stream"),
            (".log", "application/octet-stream"),
        ] {
            assert_eq!(of(name).media_type, media_type, "{name}");
        }
    }

    #[test]
    fn text_is_compressed_unless_it_is_read_by_range() {
        for name in ["a.xml", "a.json", "a.yaml", "a.svg", "x/a.log"] {
            assert_eq!(of(name).encoding, Encoding::Compress, "{name}");
        }
        for name in [
            "build-log.txt",
            "a/build-log-gke.txt",
            "a.png",
            "a.tgz",
            "core",
        ] {
            assert_eq!(of(name).encoding, Encoding::Plain, "{name}");
        }
    }

    #[test]
    fn what_is_written_again_is_not_kept_by_readers() {
        for name in [
            "logs/e2e/7/started.json",
            "logs/e2e/latest-build.txt",
            "pr-logs/directory/e2e/7.txt",
            "logs/e2e/7/build-log.txt",
        ] {
            assert_eq!(of(name).cache_control, Some("no-cache"), "{name}");
        }
        assert_eq!(of("logs/e2e/7/artifacts/a.xml").cache_control, None);
    }

    #[test]
    fn a_type_that_was_said_goes_first_and_a_wrong_one_is_refused() {
        let mut types = MediaTypes::default();
        types.add("log:text/x-log").unwrap();
        types.add(".Dump:application/x-dump").unwrap();
        assert_eq!(types.of("a.log"), "text/x-log");
        assert_eq!(types.of("a.dump"), "application/x-dump");
        assert_eq!(types.inner("a.log.gz").as_deref(), Some("text/x-log"));
        assert_eq!(types.inner("a.unknown.gz"), None);
        assert_eq!(types.inner("a.log"), None);
        for bad in [
            "",
            "log",
            "log:",
            ":text/plain",
            "log:text",
            "log:a/b\r\nx: y",
        ] {
            assert!(types.add(bad).is_err(), "{bad:?}");
        }
    }
}
