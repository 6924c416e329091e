//! The folder that is copied, and what is found in it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::bucket::Rooted;
use common::{Error, Result, ResultExt};
use tokio::sync::mpsc;
use walkdir::{DirEntry, WalkDir};

/// How far the search may be ahead of the copying, in files.
const AHEAD: usize = 64;

/// A folder to copy from.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path without links, to tell links that stay in it from those that leave it.
    root: PathBuf,
    rooted: Rooted,
}

/// What is found in the folder; paths are below it.
#[derive(Debug)]
pub(crate) enum Found {
    /// A file to copy.
    File {
        /// Its path, which gives the object its name.
        path: PathBuf,
        /// Where it is: for a link, what it points to.
        real: PathBuf,
    },
    /// Something that is not copied.
    Skipped {
        /// Its path.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Something that was there a moment ago.
    Vanished(PathBuf),
    /// Something that cannot be looked at.
    Failed {
        /// Its path.
        path: PathBuf,
        /// Why not.
        error: Error,
    },
}

impl Source {
    /// Opens the folder. One that is not there is wrong usage: a typo must not read as
    /// success.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let shown = folder.display();
        let root = match fs::canonicalize(folder) {
            Ok(root) if root.is_dir() => root,
            Ok(_) => {
                return Err(Error::usage(format!("{shown} is not a folder"))
                    .hint("--artifacts-dir names the folder whose files are copied"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::usage(format!("the folder {shown} does not exist"))
                    .hint("make it before the tests run, or correct --artifacts-dir"));
            }
            Err(error) => return Err(Error::unavailable(format!("read {shown}")).because(error)),
        };
        let rooted = Rooted::open(&root).or_unavailable(|| format!("read {shown}"))?;
        Ok(Source { root, rooted })
    }

    /// Its path without links.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a file, unless it has become something else since it was found.
    pub(crate) fn open_file(&self, real: &Path) -> io::Result<File> {
        self.rooted.open_file(real)
    }

    /// Whether something lies at a path.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.root.join(path).symlink_metadata().is_ok()
    }

    /// Whether a file starts as gzip does. One that only has the name would be unreadable to
    /// whoever is told that it is.
    pub(crate) fn is_gzip(&self, real: &Path) -> bool {
        let mut magic = [0; 2];
        let opened = self.open_file(real);
        let filled = opened.and_then(|file| file.read_exact_at(&mut magic, 0));
        filled.is_ok() && magic == [0x1f, 0x8b]
    }

    /// Searches the folder in the background. The search waits while nobody takes what it
    /// finds, and ends when the receiver is gone.
    pub(crate) fn search(self: &Arc<Self>) -> mpsc::Receiver<Found> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let source = self.clone();
        tokio::task::spawn_blocking(move || {
            for entry in WalkDir::new(&source.root).min_depth(1) {
                if let Some(found) = source.look(entry)
                    && sender.blocking_send(found).is_err()
                {
                    break;
                }
            }
        });
        receiver
    }

    fn look(&self, entry: walkdir::Result<DirEntry>) -> Option<Found> {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Some(self.unreadable(error)),
        };
        let path = self.below(entry.path());
        let kind = entry.file_type();
        if kind.is_dir() {
            None
        } else if kind.is_file() {
            let real = path.clone();
            Some(Found::File { path, real })
        } else if kind.is_symlink() {
            Some(self.follow(entry.path(), path))
        } else {
            let reason = "it is a device, a socket or a FIFO".to_owned();
            Some(Found::Skipped { path, reason })
        }
    }

    /// A link is followed to a file of this folder. A folder that a link points to is copied
    /// where it is, if it is one of this folder.
    fn follow(&self, link: &Path, path: PathBuf) -> Found {
        let reason = match fs::canonicalize(link) {
            Ok(target) => match target.strip_prefix(&self.root) {
                Ok(real) if target.is_file() => {
                    let real = real.to_owned();
                    return Found::File { path, real };
                }
                Ok(_) => "it is a symbolic link, and not to a file".to_owned(),
                Err(_) => "it is a symbolic link that leaves the folder".to_owned(),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                "it is a symbolic link to nothing".to_owned()
            }
            Err(error) => format!("it is a symbolic link that cannot be followed: {error}"),
        };
        Found::Skipped { path, reason }
    }

    fn unreadable(&self, error: walkdir::Error) -> Found {
        let path = self.below(error.path().unwrap_or(&self.root));
        // walkdir's own message names the path once more.
        let cause = match error.io_error().and_then(io::Error::raw_os_error) {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::from(error),
        };
        if cause.kind() == io::ErrorKind::NotFound {
            return Found::Vanished(path);
        }
        let error = Error::failed("read it").because(cause);
        Found::Failed { path, error }
    }

    fn below(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.root) {
            Ok(below) if below.as_os_str().is_empty() => PathBuf::from("."),
            Ok(below) => below.to_owned(),
            Err(_) => path.to_owned(),
        }
    }
}
