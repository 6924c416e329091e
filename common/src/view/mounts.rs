//! The mounts that a view is made of.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::statvfs;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount_bind, mount_bind_recursive,
    mount_change, mount_remount, unmount,
};
use rustix::process::{getegid, geteuid, pivot_root};
use rustix::thread::UnshareFlags;

use super::Bind;
use crate::{Result, ResultExt};

/// Gives a folder the owner and mode of another one: a step of root's may well have children
/// of other users, which write to /tmp too. Only root can give it another owner, and this
/// user must be able to write there whatever the mode.
pub(super) fn look_alike(real: &Path, inside: &Path) -> io::Result<()> {
    const OWNER: u32 = 0o700;
    let like = fs::metadata(real)?;
    let _ = std::os::unix::fs::chown(inside, Some(like.uid()), Some(like.gid()));
    let mode = like.permissions().mode() & 0o7777 | OWNER;
    fs::set_permissions(inside, fs::Permissions::from_mode(mode))
}

/// Makes a folder a mount that no other bind takes along: else a folder that holds this
/// view's own would be bound with it into itself.
pub(super) fn set_apart(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    mount_bind(folder, folder)?;
    Ok(mount_change(folder, MountPropagationFlags::UNBINDABLE)?)
}

pub(super) fn bind_at(bind: &Bind, place: &Path) -> io::Result<()> {
    if bind.source.is_dir() {
        fs::create_dir_all(place)?;
    } else if !place.exists() {
        fs::create_dir_all(place.parent().unwrap_or(place))?;
        fs::write(place, "")?;
    }
    mount_bind_recursive(&bind.source, place)?;
    if bind.read_only {
        let flags = locked_flags(place)? | MountFlags::BIND | MountFlags::RDONLY;
        mount_remount(place, flags, "")?;
    }
    Ok(())
}

/// Flags of a mount that a user namespace may not take away again.
fn locked_flags(path: &Path) -> io::Result<MountFlags> {
    use rustix::fs::StatVfsMountFlags as Has;
    let has = statvfs(path)?.f_flag;
    let pairs = [
        (Has::NODEV, MountFlags::NODEV),
        (Has::NOEXEC, MountFlags::NOEXEC),
        (Has::NOSUID, MountFlags::NOSUID),
        (Has::NOATIME, MountFlags::NOATIME),
        (Has::NODIRATIME, MountFlags::NODIRATIME),
        (Has::RELATIME, MountFlags::RELATIME),
    ];
    Ok(pairs
        .into_iter()
        .filter(|(flag, _)| has.contains(*flag))
        .fold(MountFlags::empty(), |flags, (_, flag)| flags | flag))
}

/// Makes `root` the root; the old one is gone for this process and its children.
pub(super) fn pivot(root: &Path) -> io::Result<()> {
    std::env::set_current_dir(root)?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")
}

#[expect(
    deprecated,
    reason = "the successor is unsafe for the sake of CLONE_FILES, which is not among these flags"
)]
pub(super) fn unshare() -> Result<()> {
    let (user, group) = (geteuid(), getegid());
    if user.is_root() && rustix::thread::unshare(UnshareFlags::NEWNS).is_ok() {
        return Ok(());
    }
    rustix::thread::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)
        .or_failed(|| "make a user namespace")?;
    let map = |file: &str, content: String| {
        fs::write(format!("/proc/self/{file}"), content).or_failed(|| format!("write {file}"))
    };
    map("setgroups", "deny".to_owned())?;
    map("uid_map", format!("{user} {user} 1", user = user.as_raw()))?;
    map(
        "gid_map",
        format!("{group} {group} 1", group = group.as_raw()),
    )
}
