//! How the files were when a checkout ended, so that the next one sees at a glance that nobody has
//! touched them. Git compares whole seconds, and so has to read every file that is as young as its
//! index, which after a checkout all of them are.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use common::{Result, ResultExt, whole_file};

use crate::folder::Folder;

fn file(folder: &Path) -> PathBuf {
    folder.join(".git/test-worker-stamp")
}

/// Notes how the files of a list of git's (`-z`) are, and the index that lists them. What is below
/// a submodule is not in the list: then nothing is noted.
pub(crate) fn write(folder: &Path, listed: &[u8]) -> Result<()> {
    let file = file(folder);
    let what = || format!("note how the files in {} are", folder.display());
    if Folder::at(folder).has_submodules() {
        return whole_file::unless_absent(fs::remove_file(file)).or_failed(what);
    }
    let stamp = stamp(folder, listed).or_failed(what)?;
    whole_file::replace(&file, |mut file| {
        io::Write::write_all(&mut file, stamp.as_bytes())
    })
    .or_failed(what)
}

/// Whether there is a note. The list of files is worth asking for then.
pub(crate) fn is_there(folder: &Path) -> bool {
    file(folder).exists()
}

/// Whether the files, and the index that lists them, are as they were noted.
pub(crate) fn holds(folder: &Path, listed: &[u8]) -> bool {
    let noted = fs::read_to_string(file(folder));
    noted.is_ok_and(|noted| stamp(folder, listed).is_ok_and(|now| now == noted))
}

fn stamp(folder: &Path, listed: &[u8]) -> io::Result<String> {
    let mut hasher = DefaultHasher::new();
    let names = listed.split(|byte| *byte == 0);
    for name in names.chain([b".git/index".as_slice()]) {
        name.hash(&mut hasher);
        match fs::symlink_metadata(folder.join(OsStr::from_bytes(name))) {
            Ok(file) => {
                // A change within one tick of the kernel's clock is over before checkout ends.
                [
                    file.mtime(),
                    file.mtime_nsec(),
                    file.ctime(),
                    file.ctime_nsec(),
                ]
                .hash(&mut hasher);
                (file.ino(), file.size(), file.mode()).hash(&mut hasher);
            }
            // Outside of a sparse checkout.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0.hash(&mut hasher),
            Err(error) => return Err(error),
        }
    }
    Ok(format!("{:016x}\n", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_touched_is_seen_whatever_its_size_and_time_in_seconds() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path(".git")).unwrap();
        for name in ["a", "b", ".git/index"] {
            fs::write(path(name), name).unwrap();
        }
        let listed = b"a\0b\0outside\0";
        write(folder.path(), listed).unwrap();
        assert!(holds(folder.path(), listed));
        assert!(!holds(folder.path(), b"a\0outside\0"));
        for name in ["a", ".git/index"] {
            let time = fs::metadata(path(name)).unwrap().modified().unwrap();
            fs::write(path(name), name.replace('a', "c")).unwrap();
            let file = fs::File::options().write(true).open(path(name)).unwrap();
            file.set_modified(time + std::time::Duration::from_millis(4))
                .unwrap();
            assert!(!holds(folder.path(), listed), "{name}");
            write(folder.path(), listed).unwrap();
        }
        fs::write(path("outside"), "").unwrap();
        assert!(!holds(folder.path(), listed));
        fs::write(path(".gitmodules"), "").unwrap();
        write(folder.path(), listed).unwrap();
        assert!(!is_there(folder.path()));
    }
}
