//! Large files (Git LFS): of a repository that uses it, git-lfs fetches them once the pointers
//! are checked out.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use common::Result;
use common::app::Stop;
use common::git::Git;

/// What `git lfs install --local` sets; other programs under these names are refused.
pub(crate) const SETTINGS: [(&str, &str); 3] = [
    ("filter.lfs.clean", "git-lfs clean -- %f"),
    ("filter.lfs.smudge", "git-lfs smudge -- %f"),
    ("filter.lfs.process", "git-lfs filter-process"),
];

/// In all repositories below: sets up and fetches, where the submodule uses it.
pub(crate) const IN_SUBMODULES: &str =
    "git lfs install --local --skip-repo --force && git lfs pull";

/// Where git-lfs is not here, settings of a person or of the machine that name it do not hold: git
/// would fail at the first pointer.
const OFF: [(&str, &str); 4] = [
    ("filter.lfs.clean", ""),
    ("filter.lfs.smudge", ""),
    ("filter.lfs.process", ""),
    ("filter.lfs.required", "false"),
];

const ATTRIBUTES: &str = ".gitattributes";

/// A `.gitattributes` file is small; more than this of one is not read.
const MOST_ATTRIBUTES: u64 = 1024 * 1024;

/// Whether files in this list of git's (`-z`) say that large files are to be fetched. Where
/// git-lfs is not here, a warning says what that means: their pointers are there in their place.
/// `whose` names the repository.
pub(crate) fn is_wanted(folder: &Path, listed: &[u8], whose: &str) -> bool {
    let listed = String::from_utf8_lossy(listed);
    let is_attributes = |file: &&str| *file == ATTRIBUTES || file.ends_with("/.gitattributes");
    let mut files = listed.split_terminator('\0').filter(is_attributes);
    if !files.any(|file| names_the_filter(&folder.join(file))) {
        return false;
    }
    let is_here = is_installed();
    if !is_here {
        tracing::warn!(
            "{whose} keeps files with Git LFS, and git-lfs is not installed here: \
             pointers of three lines are in their place"
        );
    }
    is_here
}

/// Git that writes pointers where git-lfs is not here, whatever it is set up for.
pub(crate) fn off_unless_installed(git: Git) -> Git {
    if is_installed() {
        return git;
    }
    let off = OFF.into_iter();
    off.fold(git, |git, (key, value)| git.config(key, value))
}

/// Whether git-lfs has been set up in the repository. Git is asked only where it may have been.
pub(crate) async fn is_set_up(git: &Git, stop: &Stop) -> Result<bool> {
    let (key, value) = SETTINGS[2];
    let file = fs::read_to_string(git.folder().join(".git/config")).unwrap_or_default();
    if !file.contains(value) {
        return Ok(false);
    }
    let args = ["config", "--local", "--get", key];
    let finished = git.run(args, stop).await?;
    Ok(finished.stdout.trim_ascii() == value.as_bytes())
}

fn names_the_filter(file: &Path) -> bool {
    let mut text = Vec::new();
    let is_file = file
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_file());
    let read = is_file
        && File::open(file)
            .and_then(|file| file.take(MOST_ATTRIBUTES).read_to_end(&mut text))
            .is_ok();
    let text = String::from_utf8_lossy(&text);
    let mut lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    read && lines.any(|line| line.split_whitespace().any(|word| word == "filter=lfs"))
}

/// Whether git finds it.
pub(crate) fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("git-lfs").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_that_name_the_filter() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".gitattributes");
        for (text, is_used) in [
            ("*.bin filter=lfs diff=lfs merge=lfs -text\n", true),
            ("# *.bin filter=lfs\n", false),
            ("*.bin filter=lfsx\n*.lfs text\n", false),
            ("", false),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(names_the_filter(&file), is_used, "{text}");
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        assert!(!names_the_filter(&link));
    }
}
