//! The `file://` bucket: a folder of this machine, each object a file.

use std::ffi::OsString;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::rooted::{Missing, Rooted};
use super::{Object, ObjectName, Present};

/// Starts the name of a file that is still being written; such files are no objects.
pub(super) const TEMPORARY: &str = ".being-written-";

/// How much is copied before somebody looks whether the copy is still wanted.
const CHUNK: u64 = 1024 * 1024;

/// How much is compared at once.
const BLOCK: usize = 64 * 1024;

/// A bucket's folder; made when the first object is written.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Folder { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn write(&self, name: &ObjectName, content: &[u8]) -> io::Result<()> {
        self.put(name, |mut file| {
            file.write_all(content)?;
            // These are the records that a verdict hangs on: they survive a power cut.
            file.sync_data()
        })
    }

    /// Writes what the file holds now, at most its present size: one that grows as fast as it
    /// is copied must not hold the copy up for ever.
    pub(super) fn upload(
        &self,
        name: &ObjectName,
        source: &File,
        sent: &AtomicU64,
        given_up: &AtomicBool,
    ) -> io::Result<u64> {
        let size = source.metadata()?.len();
        self.put(name, |file| {
            let mut copied = 0;
            while copied < size {
                check(given_up)?;
                let mut piece = source.take(CHUNK.min(size - copied));
                let now = io::copy(&mut piece, &mut &*file)?;
                if now == 0 {
                    break;
                }
                copied += now;
                sent.fetch_add(now, Ordering::Relaxed);
            }
            if is_on_nfs(file)? {
                // NFS tells of a full disk at close, which nobody hears. It costs nothing
                // more: close would wait for the same writes.
                file.sync_data()?;
            }
            Ok(copied)
        })
    }

    /// Whether the object has exactly the content of this file.
    pub(super) fn holds(
        &self,
        name: &ObjectName,
        source: &File,
        given_up: &AtomicBool,
    ) -> io::Result<bool> {
        let Some(object) = self.open(name)? else {
            return Ok(false);
        };
        let size = source.metadata()?.len();
        if object.metadata()?.len() != size {
            return Ok(false);
        }
        let (mut ours, mut theirs) = (vec![0; BLOCK], vec![0; BLOCK]);
        let mut offset = 0;
        while offset < size {
            check(given_up)?;
            let ours = read_block(source, &mut ours, offset)?;
            let theirs = read_block(&object, &mut theirs, offset)?;
            if ours != theirs || ours.is_empty() {
                return Ok(false);
            }
            offset += ours.len() as u64;
        }
        Ok(true)
    }

    /// Opens an object; `None` if it is not there.
    pub(super) fn open(&self, name: &ObjectName) -> io::Result<Option<File>> {
        let opened =
            Rooted::open(&self.root).and_then(|root| root.open_file(Path::new(name.as_str())));
        absent(opened)
    }

    /// All objects in a folder and the folders below it, sorted by name.
    pub(super) fn list(&self, folder: &ObjectName) -> io::Result<Vec<Object>> {
        let mut objects = self.find(folder)?.objects;
        objects.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(objects)
    }

    /// The names in a folder and the folders below it; contents are compared when it comes to it.
    pub(super) fn present(&self, folder: &ObjectName) -> io::Result<Present> {
        let found = self.find(folder)?;
        let mut present = Present::default();
        for object in found.objects {
            present.insert(object.name.as_str().to_owned(), None);
        }
        for (name, modified) in found.being_written {
            present.being_written(name.as_str(), None, modified);
        }
        Ok(present)
    }

    fn find(&self, folder: &ObjectName) -> io::Result<Found> {
        let mut found = Found::default();
        let Some(root) = absent(Rooted::open(&self.root))? else {
            return Ok(found);
        };
        found.folders.push(folder.clone());
        while let Some(folder) = found.folders.pop() {
            let opened = root.folder(Path::new(folder.as_str()), Missing::Fail);
            if let Some(opened) = absent(opened)? {
                found.add(&opened, &folder)?;
            }
        }
        Ok(found)
    }

    /// Removes an object; one that is not there is removed already.
    pub(super) fn remove(&self, name: &ObjectName) -> io::Result<()> {
        let root = Rooted::open(&self.root)?;
        let (folder, last) = root.parent(Path::new(name.as_str()), Missing::Fail)?;
        match unlinkat(&folder, last, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            removed => Ok(removed?),
        }
    }

    /// Makes an object at once: readers see the old content or the new, never a part.
    fn put<T>(
        &self,
        name: &ObjectName,
        write: impl FnOnce(&File) -> io::Result<T>,
    ) -> io::Result<T> {
        if name
            .segments()
            .any(|segment| segment.starts_with(TEMPORARY))
        {
            let what = format!("names that start with {TEMPORARY} are for files being written");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        std::fs::create_dir_all(&self.root)?;
        let root = Rooted::open(&self.root)?;
        let (folder, last) = root.parent(Path::new(name.as_str()), Missing::Make)?;
        let (file, mut temporary) = Temporary::make(&folder)?;
        let written = write(&file)?;
        renameat(&folder, &temporary.name, &folder, last)?;
        temporary.gone = true;
        Ok(written)
    }
}

/// The file that becomes an object; removed when it does not.
struct Temporary<'a> {
    folder: &'a OwnedFd,
    name: OsString,
    gone: bool,
}

impl<'a> Temporary<'a> {
    fn make(folder: &'a OwnedFd) -> io::Result<(File, Self)> {
        loop {
            // Writers on several machines may share the folder: no process id will do.
            let number = RandomState::new().hash_one(std::process::id());
            let name = OsString::from(format!("{TEMPORARY}{number:016x}"));
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            match openat(folder, &name, flags, Mode::from_raw_mode(0o666)) {
                Ok(file) => {
                    let gone = false;
                    return Ok((file.into(), Temporary { folder, name, gone }));
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.gone {
            // An error is on its way already.
            let _ = unlinkat(self.folder, &self.name, AtFlags::empty());
        }
    }
}

/// What lies in a folder.
#[derive(Default)]
struct Found {
    objects: Vec<Object>,
    /// Files being written, and when something was written last.
    being_written: Vec<(ObjectName, Option<SystemTime>)>,
    /// Folders that have not been looked into yet.
    folders: Vec<ObjectName>,
}

impl Found {
    /// Adds what lies in one folder. Links and files that cannot be objects are passed over, as
    /// an object store has none.
    fn add(&mut self, opened: &OwnedFd, folder: &ObjectName) -> io::Result<()> {
        // The folder was opened to find what lies in it, which does not allow listing it.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listing = openat(opened, ".", flags, Mode::empty())?;
        for entry in Dir::new(listing)? {
            let entry = entry?;
            let file = std::ffi::OsStr::from_bytes(entry.file_name().to_bytes());
            // `.` and `..` are no names either.
            let Some(Ok(name)) = file.to_str().map(|name| folder.join(name)) else {
                continue;
            };
            let status = match statat(opened.as_fd(), file, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                status => status?,
            };
            let is_object = !name.file_name().starts_with(TEMPORARY);
            match FileType::from_raw_mode(status.st_mode) {
                FileType::Directory if is_object => self.folders.push(name),
                FileType::RegularFile if is_object => self.objects.push(Object {
                    name,
                    size: u64::try_from(status.st_size).unwrap_or_default(),
                }),
                FileType::RegularFile => {
                    let seconds = u64::try_from(status.st_mtime).unwrap_or_default();
                    let modified = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
                    self.being_written.push((name, modified));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn check(given_up: &AtomicBool) -> io::Result<()> {
    if given_up.load(Ordering::Relaxed) {
        return Err(io::Error::other("given up"));
    }
    Ok(())
}

/// Reads until the block is full or the file ends.
pub(super) fn read_block<'a>(
    file: &File,
    block: &'a mut [u8],
    offset: u64,
) -> io::Result<&'a [u8]> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read_at(&mut block[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(&block[..filled])
}

fn is_on_nfs(file: &File) -> io::Result<bool> {
    Ok(rustix::fs::fstatfs(file)?.f_type == rustix::fs::NFS_SUPER_MAGIC)
}
