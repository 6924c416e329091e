//! The way from the folder of the sources to a repository's own. A link on it leads to what is
//! another repository's or a person's, which a checkout would change and `--clean` remove.

use std::fs;
use std::io;
use std::path::Path;

use common::{Error, Result, ResultExt};

/// Refuses a way on which is anything but folders. The sources themselves may be behind a link; what
/// is at the end of the way is only looked at for being one.
pub(crate) fn check(src_dir: &Path, folder: &Path) -> Result<()> {
    let mut place = src_dir.to_owned();
    for part in folder.strip_prefix(src_dir).unwrap_or(folder).components() {
        place.push(part);
        let found = match fs::symlink_metadata(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.or_failed(|| format!("look at {}", place.display()))?,
        };
        if found.is_symlink() {
            return Err(link(&place, folder));
        }
        if !found.is_dir() && place != folder {
            return Err(Error::usage(format!(
                "{} cannot be a folder: {} is none",
                folder.display(),
                place.display()
            ))
            .hint("move it away, or give another --src-dir"));
        }
    }
    Ok(())
}

fn link(place: &Path, folder: &Path) -> Error {
    let to = fs::read_link(place).unwrap_or_default();
    let is = if place == folder {
        "is a link"
    } else {
        "is behind a link"
    };
    Error::usage(format!(
        "{} {is}: {} leads to {}, and what is there is not checkout's to change",
        folder.display(),
        place.display(),
        to.display()
    ))
    .hint("remove the link (an earlier --links may have made it), or give another --src-dir")
}
