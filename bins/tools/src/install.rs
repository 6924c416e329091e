//! Copies programs so that each is there whole or not at all, whoever else does the same.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use common::app::Stop;
use common::{Result, ResultExt, whole_file};

use crate::plan::{Entry, Plan};

/// Makes the folder what the plan says. What else is in it stays.
pub(crate) async fn install(plan: &Plan, stop: &Stop) -> Result<()> {
    let folder = &plan.folder;
    fs::create_dir_all(folder).or_failed(|| format!("make the folder {}", folder.display()))?;
    let mut copied = 0;
    for (name, entry) in &plan.entries {
        // A signal that came meanwhile is heard.
        tokio::task::yield_now().await;
        stop.check("before all programs were copied")?;
        let place = folder.join(name);
        let changed = match entry {
            Entry::Program(from) => copy(from, &place),
            Entry::Link(target) => link(target, &place),
        };
        copied += usize::from(changed.or_failed(|| format!("write {}", place.display()))?);
    }
    let all = plan.entries.len();
    tracing::info!("{}: {all} programs, {copied} of them new", folder.display());
    Ok(())
}

/// Gives whether the program had to be copied. One that runs is not written to: its file is
/// replaced.
fn copy(from: &Path, to: &Path) -> io::Result<bool> {
    if is_same(from, to) {
        return Ok(false);
    }
    whole_file::replace(to, |file| {
        io::copy(&mut File::open(from)?, &mut &*file)?;
        // Whatever the umask says: the step may run as another user.
        file.set_permissions(fs::Permissions::from_mode(0o755))
    })?;
    Ok(true)
}

fn link(target: &str, to: &Path) -> io::Result<bool> {
    if fs::read_link(to).is_ok_and(|there| there == Path::new(target)) {
        return Ok(false);
    }
    // Another process may be at the same name: each has a place of its own until the link is made.
    let aside = PathBuf::from(format!("{}.{}", to.display(), std::process::id()));
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(target, &aside)?;
    fs::rename(&aside, to).inspect_err(|_| {
        let _ = fs::remove_file(&aside);
    })?;
    Ok(true)
}

/// Whether a plain file with this content and the right mode is there.
fn is_same(from: &Path, to: &Path) -> bool {
    let Ok(there) = fs::symlink_metadata(to) else {
        return false;
    };
    let same_size = fs::metadata(from).is_ok_and(|metadata| metadata.len() == there.len());
    there.is_file()
        && same_size
        && there.permissions().mode() & 0o777 == 0o755
        && same_content(from, to).unwrap_or(false)
}

fn same_content(one: &Path, other: &Path) -> io::Result<bool> {
    const PIECE: usize = 256 * 1024;
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut here, mut there) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        let read = one.read(&mut here)?;
        if read == 0 {
            return Ok(other.read(&mut there)? == 0);
        }
        other.read_exact(&mut there[..read])?;
        if here[..read] != there[..read] {
            return Ok(false);
        }
    }
}
