//! Names of objects in a bucket.

use std::fmt::{self, Write as _};
use std::path::Path;

use super::folder::TEMPORARY;
use crate::{Error, Result};

/// The longest name that Google Cloud Storage takes, in bytes.
const LONGEST: usize = 1024;

/// The name of an object, or of the folder that objects lie in: segments joined by `/`.
///
/// No segment is empty, `.` or `..`, so that a name cannot leave its folder, and no character
/// is a control character: Google Cloud Storage refuses line breaks, and its XML listings
/// cannot carry the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

impl ObjectName {
    /// Checks a name.
    pub fn parse(name: &str) -> Result<Self> {
        let bad_segment = |segment: &str| matches!(segment, "" | "." | "..");
        if name.split('/').any(bad_segment) || name.chars().any(char::is_control) {
            return Err(Error::usage(format!(
                "{name:?} cannot be an object's name: it is empty, leaves its folder or has a control character"
            )));
        }
        if name.len() > LONGEST {
            return Err(Error::usage(format!(
                "an object's name is at most {LONGEST} bytes long; this one has {}: {name:?}",
                name.len()
            )));
        }
        Ok(ObjectName(name.to_owned()))
    }

    /// The name for a file, by its path below the folder that is uploaded. Bytes that a name
    /// cannot have (control characters, what is not UTF-8) become `%XX`, and so do `#`, which
    /// would cut off a URL, and the first character of what would pass for an object that is
    /// being written.
    pub fn of_file(path: &Path) -> Result<Self> {
        use std::os::unix::ffi::OsStrExt;
        let escaped = escape(path.as_os_str().as_bytes());
        if !escaped.contains(TEMPORARY) {
            return ObjectName::parse(&escaped);
        }
        let segments = escaped.split('/').map(|segment| {
            let rest = segment
                .strip_prefix('.')
                .filter(|_| segment.starts_with(TEMPORARY));
            rest.map_or_else(|| segment.to_owned(), |rest| format!("%2E{rest}"))
        });
        ObjectName::parse(&segments.collect::<Vec<String>>().join("/"))
    }

    /// The object `name` (one segment or several) in this folder.
    pub fn join(&self, name: &str) -> Result<Self> {
        ObjectName::parse(&format!("{self}/{name}"))
    }

    /// The object of this name in a folder.
    pub fn below(&self, folder: &ObjectName) -> Result<Self> {
        folder.join(&self.0)
    }

    /// The folder that it lies in; `None` at the top of the bucket.
    pub fn parent(&self) -> Option<Self> {
        let (folder, _) = self.0.rsplit_once('/')?;
        Some(ObjectName(folder.to_owned()))
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// What follows the folder's name, if it lies in that folder.
    pub fn strip_folder(&self, folder: &ObjectName) -> Option<&str> {
        self.0.strip_prefix(&folder.0)?.strip_prefix('/')
    }

    /// The segments, in order.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

fn escape(bytes: &[u8]) -> String {
    let mut name = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || character == '#' {
                let mut buffer = [0; 4];
                push_escaped(&mut name, character.encode_utf8(&mut buffer).as_bytes());
            } else {
                name.push(character);
            }
        }
        push_escaped(&mut name, chunk.invalid());
    }
    name
}

fn push_escaped(name: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(name, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn names_that_would_leave_their_folder_are_refused() {
        for bad in [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/..", "a\nb", "a\0b",
            "a\rb", "\u{85}",
        ] {
            let error = ObjectName::parse(bad).unwrap_err();
            assert_eq!(error.exit(), crate::Exit::Usage, "{bad:?}");
        }
        assert!(ObjectName::parse(&"a".repeat(1025)).is_err());
        let folder = ObjectName::parse("logs").unwrap();
        assert!(folder.join("../x").is_err());
        assert!(folder.join("/etc").is_err());
    }

    #[test]
    fn other_names_stay_as_they_are() {
        for good in ["a", "a b/#c", "ü/…", "-rf", "..a/.b", "a\\b", "%41"] {
            assert_eq!(ObjectName::parse(good).unwrap().to_string(), good);
        }
    }

    #[test]
    fn what_a_name_cannot_have_is_escaped() {
        let path = std::ffi::OsStr::from_bytes(b"a\n/b\xff \xc3\xbc\x7f\xc2\x85#");
        let name = ObjectName::of_file(Path::new(path)).unwrap();
        assert_eq!(name.as_str(), "a%0A/b%FF ü%7F%C2%85%23");
        let path = Path::new(".being-written-1/a.being-written-/.being-written");
        let name = ObjectName::of_file(path).unwrap();
        assert_eq!(
            name.as_str(),
            "%2Ebeing-written-1/a.being-written-/.being-written"
        );
    }

    #[test]
    fn a_name_knows_its_folder() {
        let folder = ObjectName::parse("logs/job").unwrap();
        let name = folder.join("1/started.json").unwrap();
        assert_eq!(name.as_str(), "logs/job/1/started.json");
        assert_eq!(name.strip_folder(&folder), Some("1/started.json"));
        assert_eq!(name.file_name(), "started.json");
        assert_eq!(name.parent().unwrap().as_str(), "logs/job/1");
        let sibling = ObjectName::parse("logs/job2/x").unwrap();
        assert_eq!(sibling.strip_folder(&folder), None);
    }
}
