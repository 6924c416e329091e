//! The immutable tag of an image: the day, the commit and what differs from it. Two builds of the
//! same sources on one day have the same tag. Other sources have another one, but for what `git
//! diff` does not show: what is staged, and files that git does not know.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::app::Stop;
use crate::git::Git;
use crate::{Error, Result};

/// The most characters of a tag. Source: the OCI distribution specification.
const LONGEST: usize = 128;

/// A tag made from the state of a work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTag {
    /// `v{YYYYMMDD}-{git version}`, the day in UTC.
    pub tag: String,
    /// `{git describe --tags --always --dirty}-{first 6 hex digits of the SHA-256 of git diff}`.
    pub git_version: String,
}

impl ImageTag {
    /// The tag of the work tree that `folder` lies in, at this time. Git's failure is an error:
    /// a folder that is in no work tree has no tag.
    pub async fn of(folder: &Path, now: SystemTime, stop: &Stop) -> Result<Self> {
        let git = Git::at(folder);
        let made = async {
            let describe = ["describe", "--tags", "--always", "--dirty"];
            let describe = git.text(describe, stop).await?;
            let mut hash = Sha256::new();
            // A person's own viewer of differences would make another tag on each machine.
            let diff = ["diff", "--no-ext-diff", "--no-color"];
            git.stream(diff, stop, |piece| hash.update(piece)).await?;
            Ok(ImageTag::new(now, &describe, &hash.finalize()))
        };
        made.await.map_err(|error: Error| {
            error.hint("the tag is made from a git work tree; --tag names another one")
        })
    }

    /// What of `folder` the tag says nothing of, as paths relative to it: staged changes, and files
    /// that git neither knows nor ignores.
    pub async fn untold(folder: &Path, stop: &Stop) -> Result<Vec<PathBuf>> {
        let git = Git::at(folder);
        let staged = [
            "diff",
            "--cached",
            "--name-only",
            "--relative",
            "--no-renames",
            "-z",
        ];
        let unknown = ["ls-files", "--others", "--exclude-standard", "-z"];
        let mut untold = Vec::new();
        for args in [&staged[..], &unknown[..]] {
            let said = git.bytes(args, stop).await?;
            let paths = said
                .split(|byte| *byte == 0)
                .filter(|path| !path.is_empty());
            untold.extend(paths.map(|path| PathBuf::from(OsStr::from_bytes(path))));
        }
        Ok(untold)
    }

    fn new(now: SystemTime, describe: &str, diff: &[u8]) -> Self {
        let date = humantime::format_rfc3339_seconds(now).to_string();
        let day: String = date.chars().take(10).filter(|c| *c != '-').collect();
        let first = diff.iter().take(3);
        let hash = first.fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let hash = format!("{hash:06x}");
        let room = LONGEST - "v20060102-".len() - "-012345".len();
        let describe: String = describe.chars().map(allowed).take(room).collect();
        let git_version = format!("{describe}-{hash}");
        ImageTag {
            tag: format!("v{day}-{git_version}"),
            git_version,
        }
    }
}

/// Names of git's tags may hold what an image's tag may not: `/` and `+`, say.
fn allowed(character: char) -> char {
    if character.is_ascii_alphanumeric() || "_.-".contains(character) {
        character
    } else {
        '-'
    }
}

/// Whether a registry takes this as a tag. Source: the OCI distribution specification.
pub fn is_tag(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= LONGEST
        && text.starts_with(first)
        && text.chars().all(|c| first(c) || c == '.' || c == '-')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn day(days: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400)
    }

    #[test]
    fn a_tag_has_day_commit_and_difference() {
        let tag = ImageTag::new(day(17_821), "bfeaaf5-dirty", &[0x4a, 0xdc, 0xd0, 0xff]);
        assert_eq!(tag.tag, "v20181017-bfeaaf5-dirty-4adcd0");
        assert_eq!(tag.git_version, "bfeaaf5-dirty-4adcd0");
    }

    #[test]
    fn a_name_of_gits_that_no_registry_takes_is_made_to_fit() {
        let tag = ImageTag::new(day(0), "release/1.0+rc1-3-gbfeaaf5", &[0, 1, 2]);
        assert_eq!(tag.tag, "v19700101-release-1.0-rc1-3-gbfeaaf5-000102");
        let long = ImageTag::new(day(0), &"é".repeat(300), &[0, 1, 2]);
        assert!(is_tag(&long.tag), "{}", long.tag);
        assert_eq!(long.tag.len(), LONGEST);
    }

    #[test]
    fn what_no_registry_takes_is_no_tag() {
        for tag in ["v1", "_a", "1.0-rc.1", &"a".repeat(128)] {
            assert!(is_tag(tag), "{tag}");
        }
        for tag in ["", "-v1", ".a", "a b", "a/b", "é", &"a".repeat(129)] {
            assert!(!is_tag(tag), "{tag}");
        }
    }
}
