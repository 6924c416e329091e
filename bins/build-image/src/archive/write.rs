//! A source as a tar archive that depends on nothing but its files: no times, no owners.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use tar::{Builder, EntryType, Header};

use super::walk::{Entry, Kind};

/// The time of every entry, in seconds: 1980, the first year that a zip file, hence a Python
/// wheel, can hold.
const TIME: u64 = 315_532_800;

/// How much of a file is read at once.
const BLOCK: usize = 128 * 1024;

/// tar's unit.
const RECORD: u64 = 512;

/// An archive that is being written.
pub(crate) struct Writer<W: Write> {
    tar: Builder<W>,
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W) -> Self {
        Writer {
            tar: Builder::new(out),
            block: vec![0; BLOCK],
        }
    }

    /// Adds an entry of the source at `root`.
    pub(crate) fn add(&mut self, root: &Path, entry: &Entry) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root")?;
        header.set_groupname("root")?;
        header.set_mtime(TIME);
        header.set_size(0);
        match &entry.kind {
            Kind::Folder => {
                header.set_entry_type(EntryType::Directory);
                let mut path = entry.path.as_os_str().to_owned();
                path.push("/");
                self.tar.append_data(&mut header, path, io::empty())
            }
            Kind::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                self.tar.append_link(&mut header, &entry.path, target)
            }
            Kind::File(_) => self.add_file(header, &root.join(&entry.path), &entry.path),
            Kind::Special => Ok(()),
        }
    }

    fn add_file(&mut self, mut header: Header, whole: &Path, path: &Path) -> io::Result<()> {
        let at = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", whole.display()))
        };
        // Whatever it has become since it was found.
        let mut file = open(whole).map_err(at)?;
        let size = file.metadata().map_err(at)?.len();
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        self.tar.append_data(&mut header, path, io::empty())?;
        let mut left = size;
        while left > 0 {
            let wanted = usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK));
            let read = match file.read(&mut self.block[..wanted]) {
                Ok(0) => return Err(at(io::Error::other("it became shorter while it was read"))),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(at(error)),
            };
            self.tar.get_mut().write_all(&self.block[..read])?;
            left -= read as u64;
        }
        let padding = (RECORD - size % RECORD) % RECORD;
        #[expect(clippy::cast_possible_truncation, reason = "less than a record")]
        self.tar
            .get_mut()
            .write_all(&[0; RECORD as usize][..padding as usize])
    }

    /// Ends the archive.
    pub(crate) fn end(self) -> io::Result<W> {
        self.tar.into_inner()
    }
}

/// Opens a regular file, and nothing that a link leads to or that waits for another end.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no regular file any more"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::archive::walk::Walk;
    use crate::rules::Rules;

    fn archive(root: &Path) -> io::Result<Vec<u8>> {
        let rules = Arc::new(Rules::of_cloud(root, None).unwrap());
        let mut writer = Writer::new(Vec::new());
        for entry in Walk::new(root, rules)? {
            writer.add(root, &entry?)?;
        }
        writer.end()
    }

    /// What GNU tar makes of it: an archive for it is an archive for everybody.
    fn unpack(archive: &[u8], to: &Path) {
        let file = to.join("archive.tar");
        fs::write(&file, archive).unwrap();
        let status = std::process::Command::new("tar")
            .args(["--extract", "--preserve-permissions", "--file"])
            .arg(&file)
            .arg("--directory")
            .arg(to)
            .status();
        assert!(status.unwrap().success());
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn names_modes_links_and_sizes_survive() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let long = "a-folder-with-a-name/".repeat(12) + &"n".repeat(200);
        let hostile = std::ffi::OsStr::from_bytes(b"-rf \n\xff\x1b[31m");
        let files: [(&Path, usize); 5] = [
            (Path::new("empty"), 0),
            (Path::new("record"), 512),
            (Path::new("large"), 300_001),
            (Path::new(&long), 3),
            (Path::new(hostile), 4),
        ];
        for (name, size) in files {
            let path = from.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, vec![b'x'; size]).unwrap();
        }
        let run = from.path().join("record");
        fs::set_permissions(&run, fs::Permissions::from_mode(0o4751)).unwrap();
        fs::create_dir(from.path().join("folder")).unwrap();
        for target in ["/etc/passwd", "../..", &"t/".repeat(150)] {
            let name = format!("link{}", target.len());
            symlink(target, from.path().join(name)).unwrap();
        }
        unpack(&archive(from.path()).unwrap(), to.path());
        for (name, size) in files {
            let found = fs::symlink_metadata(to.path().join(name)).unwrap();
            assert_eq!(found.len(), size as u64, "{}", name.display());
        }
        let mode = fs::metadata(to.path().join("record"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o7777, 0o4751);
        assert!(to.path().join("folder").is_dir());
        let target = |name: &str| fs::read_link(to.path().join(name)).unwrap();
        assert_eq!(target("link11"), PathBuf::from("/etc/passwd"));
        assert_eq!(target("link5"), PathBuf::from("../.."));
        assert_eq!(target("link300"), PathBuf::from("t/".repeat(150)));
    }

    #[test]
    fn the_same_tree_gives_the_same_bytes() {
        let make = |order: [&str; 3]| {
            let folder = tempfile::tempdir().unwrap();
            for name in order {
                fs::write(folder.path().join(name), name).unwrap();
            }
            archive(folder.path()).unwrap()
        };
        let one = make(["a", "b", "c"]);
        // Another folder, another order, another time.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        assert!(one == make(["c", "a", "b"]));
    }

    #[test]
    fn a_pipe_does_not_hold_the_archive_up() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let status = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(status.unwrap().success());
        assert_eq!(archive(folder.path()).unwrap().len(), 1024);
        assert!(open(&pipe).is_err());
    }
}
