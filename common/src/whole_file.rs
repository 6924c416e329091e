//! Files that a reader sees whole or not at all.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes a file beside its place and then puts it there; where that fails the old one stays,
/// and nothing else is left. The folder has to exist.
pub fn replace(path: &Path, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    // Others read it: as open as any new file.
    replace_with(path, 0o666, write)
}

/// As [`replace`], for a file that its owner alone may read.
pub fn replace_private(path: &Path, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    replace_with(path, 0o600, write)
}

fn replace_with(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    refuse_special(path)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let file = tempfile::Builder::new()
        .prefix(".being-written-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    write(file.as_file())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// What comes of a removal: what is not there need not be removed.
pub fn unless_absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Refuses to put a file in the place of a device, pipe or socket: as root that would take
/// `/dev/null` from the whole machine.
pub fn refuse_special(path: &Path) -> io::Result<()> {
    let of_kernel = path.parent() == Some(Path::new("/dev"))
        || path.starts_with("/dev/fd")
        || path.starts_with("/proc");
    let special = std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    if of_kernel || special {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a device, pipe or socket, and a file is wanted",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_device_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        // Asked first, not tried: a fault here would cost the machine its devices.
        for path in [Path::new("/dev/null"), Path::new("/dev/stdout"), &link] {
            let error = refuse_special(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
        assert!(replace(&link, |_| Ok(())).is_err());
        assert!(link.is_symlink());
        refuse_special(&folder.path().join("new")).unwrap();
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, |mut file| file.write_all(b"old")).unwrap();
        let failed = replace(&path, |mut file| {
            file.write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "the disk is full");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
