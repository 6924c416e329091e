//! `--suffix`: keeps the files of two workflows of one job apart.

use common::bucket::ObjectName;
use common::{Error, Result};

/// What goes between the name and the extension of each object.
#[derive(Debug, Clone)]
pub(crate) struct Suffix(String);

impl Suffix {
    /// Checks a suffix; the empty one changes nothing.
    pub(crate) fn parse(suffix: &str) -> Result<Self> {
        if suffix.contains('/') || suffix.chars().any(char::is_control) {
            return Err(Error::usage(format!(
                "--suffix {suffix:?} cannot be a part of a file's name"
            )));
        }
        Ok(Suffix(suffix.to_owned()))
    }

    /// The name with the suffix.
    pub(crate) fn apply(&self, name: &ObjectName) -> Result<ObjectName> {
        if self.0.is_empty() {
            return Ok(name.clone());
        }
        let (stem, extension) = split(name.file_name());
        let file_name = format!("{stem}{}{extension}", self.0);
        match name.parent() {
            Some(folder) => folder.join(&file_name),
            None => ObjectName::parse(&file_name),
        }
    }
}

/// Splits a name before its extension. Compression is no extension of its own: readers tell
/// the type of `build.log.gz` from `.log`.
fn split(name: &str) -> (&str, &str) {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    match plain.rfind('.').filter(|dot| !only_dots(&plain[..*dot])) {
        Some(dot) => name.split_at(dot),
        None if only_dots(plain) => (name, ""),
        None => name.split_at(plain.len()),
    }
}

/// A leading dot hides a file; it starts no extension.
fn only_dots(name: &str) -> bool {
    name.bytes().all(|byte| byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_goes_before_the_extension() {
        let suffix = Suffix::parse("-a").unwrap();
        for (name, expected) in [
            ("junit_x.xml", "junit_x-a.xml"),
            ("d.d/junit_x.xml", "d.d/junit_x-a.xml"),
            ("d.d/plain", "d.d/plain-a"),
            ("a.b.c", "a.b-a.c"),
            (".hidden", ".hidden-a"),
            (".hidden.log", ".hidden-a.log"),
            (".gz", ".gz-a"),
            ("x.gz", "x-a.gz"),
            ("build.log.gz", "build-a.log.gz"),
            ("ends.", "ends-a."),
            ("ü.xml", "ü-a.xml"),
        ] {
            let name = ObjectName::parse(name).unwrap();
            assert_eq!(suffix.apply(&name).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_suffix_cannot_lead_to_another_folder() {
        assert!(Suffix::parse("/../x").is_err());
        assert!(Suffix::parse("a\nb").is_err());
        let name = ObjectName::parse("a/b").unwrap();
        let none = Suffix::parse("").unwrap();
        assert_eq!(none.apply(&name).unwrap(), name);
    }
}
