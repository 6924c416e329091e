//! The checksums of the crates as they were downloaded: `Cargo.lock` has them.

use std::collections::BTreeMap;
use std::path::Path;

use common::{Result, ResultExt};

/// SHA-256 in hexadecimal, by name and version.
#[derive(Debug, Default)]
pub(crate) struct Checksums(BTreeMap<(String, String), String>);

impl Checksums {
    /// Reads those of a workspace.
    pub(crate) fn read(workspace: &Path) -> Result<Self> {
        let path = workspace.join("Cargo.lock");
        let text = std::fs::read_to_string(&path);
        Ok(Checksums::parse(
            &text.or_failed(|| format!("read {}", path.display()))?,
        ))
    }

    /// Cargo writes the file itself, a key a line, each value of those that are wanted here in
    /// plain quotes.
    fn parse(text: &str) -> Self {
        let mut checksums = BTreeMap::new();
        for entry in text.split("[[package]]").skip(1) {
            let value = |key: &str| {
                let mut lines = entry.lines().filter_map(|line| line.split_once(" = "));
                let (_, value) = lines.find(|(name, _)| *name == key)?;
                Some(value.trim_matches('"').to_owned())
            };
            if let (Some(name), Some(version), Some(checksum)) =
                (value("name"), value("version"), value("checksum"))
            {
                checksums.insert((name, version), checksum);
            }
        }
        Checksums(checksums)
    }

    pub(crate) fn of(&self, name: &str, version: &str) -> Option<&str> {
        let key = (name.to_owned(), version.to_owned());
        self.0.get(&key).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_that_were_downloaded_have_a_checksum_and_our_own_have_none() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
             source = \"registry+https://x\"\nchecksum = \"00ff\"\ndependencies = [\n \"b\",\n]\n\n\
             [[package]]\nname = \"common\"\nversion = \"0.1.0\"\n";
        let checksums = Checksums::parse(lock);
        assert_eq!(checksums.of("a", "1.0.0"), Some("00ff"));
        assert_eq!(checksums.of("a", "2.0.0"), None);
        assert_eq!(checksums.of("common", "0.1.0"), None);
    }
}
