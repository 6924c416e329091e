//! What a source holds, in an order that depends on names alone.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::rules::{Rules, Verdict};

/// Something that a source holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Relative to the source's folder.
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    /// The permissions, twelve bits.
    pub(crate) mode: u32,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    /// A regular file of this size in bytes.
    File(u64),
    /// A symbolic link, and what it says.
    Link(PathBuf),
    /// A socket, pipe or device, which no source can hold.
    Special,
}

/// All entries of a folder, each folder before what is in it, names sorted by their bytes.
/// Symbolic links are not followed.
pub(crate) struct Walk {
    root: PathBuf,
    rules: Arc<Rules>,
    /// For each open folder the names that are still to come, the next one last.
    open: Vec<(PathBuf, Vec<OsString>)>,
    /// Folders that are there only for what is in them.
    pending: Vec<Entry>,
    /// Entries that are found and not given yet, the next one last.
    ready: Vec<Entry>,
}

impl Walk {
    /// Of the entries below `root` those that the rules keep.
    pub(crate) fn new(root: &Path, rules: Arc<Rules>) -> io::Result<Self> {
        let names = names(root)?;
        Ok(Walk {
            root: root.to_owned(),
            rules,
            open: vec![(PathBuf::new(), names)],
            pending: Vec::new(),
            ready: Vec::new(),
        })
    }

    /// The next entry that is kept, found on the disk.
    fn find(&mut self) -> io::Result<Option<()>> {
        while let Some((folder, names)) = self.open.last_mut() {
            let Some(name) = names.pop() else {
                let (folder, _) = self.open.pop().unwrap_or_default();
                // Nothing in it was kept.
                self.pending.retain(|entry| entry.path != folder);
                continue;
            };
            let path = folder.join(name);
            let whole = self.root.join(&path);
            let at = |error: io::Error| {
                io::Error::new(error.kind(), format!("{}: {error}", whole.display()))
            };
            let found = fs::symlink_metadata(&whole).map_err(at)?;
            // As gcloud: a link to a folder matches patterns for folders.
            let is_folder = found.is_dir() || (found.is_symlink() && whole.is_dir());
            let verdict = self.rules.verdict(&path, is_folder);
            if verdict == Verdict::LeaveOut {
                continue;
            }
            let entry = entry(path, &whole, &found).map_err(at)?;
            if entry.kind == Kind::Folder {
                let names = self::names(&whole).map_err(at)?;
                self.open.push((entry.path.clone(), names));
            }
            if verdict == Verdict::Keep {
                self.ready.push(entry);
                self.ready.extend(self.pending.drain(..).rev());
                return Ok(Some(()));
            }
            if entry.kind == Kind::Folder {
                self.pending.push(entry);
            }
        }
        Ok(None)
    }
}

impl Iterator for Walk {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<io::Result<Entry>> {
        if self.ready.is_empty()
            && let Err(error) = self.find()
        {
            return Some(Err(error));
        }
        self.ready.pop().map(Ok)
    }
}

/// The names in a folder, sorted, the first one last.
fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort_unstable_by(|one, other| other.as_bytes().cmp(one.as_bytes()));
    Ok(names)
}

fn entry(path: PathBuf, whole: &Path, found: &Metadata) -> io::Result<Entry> {
    let kind = if found.is_dir() {
        Kind::Folder
    } else if found.is_file() {
        Kind::File(found.len())
    } else if found.is_symlink() {
        Kind::Link(fs::read_link(whole)?)
    } else {
        Kind::Special
    };
    let mode = found.mode() & 0o7777;
    Ok(Entry { path, kind, mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(folder: &Path, docker: &str) -> Vec<String> {
        fs::write(folder.join(".dockerignore"), docker).unwrap();
        let rules = Rules::of_cloud(folder, None)
            .unwrap()
            .and_of_docker(folder, Path::new("Dockerfile"))
            .unwrap();
        let entries = Walk::new(folder, Arc::new(rules)).unwrap();
        entries
            .map(|entry| entry.unwrap().path.display().to_string())
            .collect()
    }

    #[test]
    fn entries_come_sorted_and_folders_before_what_is_in_them() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/x", "a/y/z", "a-b", "a/b", "Z"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
        assert_eq!(
            walk(folder.path(), ""),
            [
                ".dockerignore",
                "Z",
                "a",
                "a/b",
                "a/y",
                "a/y/z",
                "a-b",
                "b",
                "b/x",
                "link"
            ]
        );
        // Folders come with what is kept in them, and not without.
        assert_eq!(
            walk(folder.path(), "*\n!a/y/z\n!link\n"),
            [".dockerignore", "a", "a/y", "a/y/z", "link"]
        );
    }
}
