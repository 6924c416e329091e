//! A folder whose files are reached step by step, so that no symbolic link below it leads out.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::Errno;

/// Only to find what lies in it: needs no right to list the folder.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A folder, held open. Links in its own path are followed, links below it are not: whoever
/// can write below it cannot make it mean another place.
#[derive(Debug)]
pub struct Rooted {
    root: OwnedFd,
    path: PathBuf,
}

/// What to do about folders that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Fail,
    Make,
}

impl Rooted {
    /// Opens a folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Rooted {
            root: openat(CWD, path, FOLDER, Mode::empty())?,
            path: path.to_owned(),
        })
    }

    /// Opens a regular file for reading, by its path below the folder. A FIFO, a socket or a
    /// device is an error of kind `InvalidInput`, and never waits for its other end.
    pub fn open_file(&self, path: &Path) -> io::Result<File> {
        let (folder, name) = self.parent(path, Missing::Fail)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&folder, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(error) => return Err(explain(error, folder.as_fd(), name, &self.path.join(path))),
        };
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            let shown = self.path.join(path);
            let what = format!("{} is not a regular file", shown.display());
            Err(io::Error::new(io::ErrorKind::InvalidInput, what))
        }
    }

    /// Opens the folder that a path lies in; gives it with the path's last part.
    pub(super) fn parent<'a>(
        &self,
        path: &'a Path,
        missing: Missing,
    ) -> io::Result<(OwnedFd, &'a OsStr)> {
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "the path leaves its folder");
        let name = path.file_name().ok_or_else(outside)?;
        let folder = self.folder(path.parent().unwrap_or(Path::new("")), missing)?;
        Ok((folder, name))
    }

    /// Opens a folder below this one; the empty path is the folder itself.
    pub(super) fn folder(&self, path: &Path, missing: Missing) -> io::Result<OwnedFd> {
        let mut folder = self.root.try_clone()?;
        let mut shown = self.path.clone();
        for component in path.components() {
            let Component::Normal(name) = component else {
                let what = "the path leaves its folder";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            };
            shown.push(name);
            folder = step(folder.as_fd(), name, &shown, missing)?;
        }
        Ok(folder)
    }
}

fn step(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    shown: &Path,
    missing: Missing,
) -> io::Result<OwnedFd> {
    let open = || openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
    let opened = match open() {
        Err(Errno::NOENT) if missing == Missing::Make => {
            match mkdirat(folder, name, Mode::from_raw_mode(0o777)) {
                // Another writer may have been faster.
                Ok(()) | Err(Errno::EXIST) => open(),
                Err(error) => Err(error),
            }
        }
        opened => opened,
    };
    opened.map_err(|error| explain(error, folder, name, shown))
}

/// Names what is in the way, where the kernel only says that something is.
fn explain(error: Errno, folder: BorrowedFd<'_>, name: &OsStr, shown: &Path) -> io::Error {
    let source = io::Error::from(error);
    if !matches!(error, Errno::NOTDIR | Errno::LOOP) {
        return source;
    }
    let kind = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .map(|status| FileType::from_raw_mode(status.st_mode));
    match kind {
        Ok(FileType::Symlink) => io::Error::new(
            source.kind(),
            format!(
                "{} is a symbolic link, which is not followed here",
                shown.display()
            ),
        ),
        Ok(_) => io::Error::new(
            source.kind(),
            format!("{} is a file where a folder is needed", shown.display()),
        ),
        Err(_) => source,
    }
}
