//! What a step sees of the file system: this machine's, with the volumes at the very paths
//! that the manifest says, and a `/tmp` of its own.
//!
//! A step runs in a private mount namespace, entered by this program calling itself: no root
//! is needed where the kernel allows user namespaces. A folder is *opened* where something
//! has to appear in it that is not there, a mount point for example: a folder of the step's
//! own, with the real one's entries bound into it, takes its place.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use common::{Error, Result, ResultExt};
use rustix::fs::statvfs;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount_bind, mount_bind_recursive,
    mount_change, mount_move, mount_remount, unmount,
};
use rustix::process::{Signal, getegid, geteuid, pivot_root};
use rustix::thread::UnshareFlags;
use serde::{Deserialize, Serialize};

/// First argument of this program when it calls itself to enter a view.
const ENTER: &str = "__enter-view";

/// The folder that is always the step's own.
const TMP: &str = "/tmp";

/// A folder or file at another path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bind {
    /// Absolute path on this machine.
    pub(crate) source: PathBuf,
    /// Absolute path as the step sees it.
    pub(crate) target: PathBuf,
    pub(crate) read_only: bool,
}

/// What a step sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct View {
    /// A folder of the step's own, in which the opened folders have their places.
    pub(crate) root: PathBuf,
    /// Parents before children.
    pub(crate) binds: Vec<Bind>,
    /// Files that the step will write and that are to be read afterwards.
    pub(crate) outputs: Vec<PathBuf>,
}

impl View {
    /// The command that runs `program` in this view, in a folder of it.
    pub(crate) fn command(
        &self,
        own: &Path,
        folder: &Path,
        program: &str,
    ) -> Result<common::exec::Command> {
        let view = serde_json::to_string(self).or_failed(|| "write the view")?;
        let command = common::exec::Command::new(own).args([ENTER, &view]);
        Ok(command.arg(folder).arg(program))
    }

    /// Where on this machine a path of the step's is.
    pub(crate) fn real_path(&self, path: &Path) -> PathBuf {
        let bind = self
            .binds
            .iter()
            .rev()
            .find(|bind| path.starts_with(&bind.target));
        if let Some(bind) = bind {
            let rest = path.strip_prefix(&bind.target).unwrap_or(path);
            return join(&bind.source, rest);
        }
        // In an opened folder what is new is the step's own; the rest is this machine's.
        let own = self.inside(path);
        let opened = self.opened();
        if path.parent().is_some_and(|parent| opened.contains(parent)) || own.exists() {
            own
        } else {
            path.to_owned()
        }
    }

    /// The folders that become the step's own, parents first.
    fn opened(&self) -> BTreeSet<PathBuf> {
        let mut opened = BTreeSet::from([PathBuf::from(TMP)]);
        let targets = self.binds.iter().map(|bind| &bind.target);
        let absent = targets.filter(|target| !target.exists());
        for path in absent.chain(&self.outputs) {
            if self
                .binds
                .iter()
                .any(|bind| path.starts_with(&bind.target) && path != &bind.target)
            {
                continue;
            }
            // Up to the nearest folder that exists: that one, too, gets a new entry.
            for folder in path.ancestors().skip(1) {
                opened.insert(folder.to_owned());
                if folder.is_dir() {
                    break;
                }
            }
        }
        // What stands between two of them, too: else the inner one would be this machine's own,
        // bound there with an entry of the outer one.
        let between = opened.iter().flat_map(|folder| {
            let above = folder.ancestors().filter(|above| opened.contains(*above));
            let top = above.last().unwrap_or(folder);
            folder.ancestors().take_while(move |above| *above != top)
        });
        let between: Vec<PathBuf> = between.map(Path::to_owned).collect();
        opened.extend(between);
        opened
    }

    fn build(&self) -> Result<()> {
        mount_change(
            "/",
            MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
        )
        .or_failed(|| "make the mounts private")?;
        let opened = self.opened();
        let mut tops: Vec<&Path> = opened
            .iter()
            .map(PathBuf::as_path)
            .filter(|folder| {
                !folder
                    .ancestors()
                    .skip(1)
                    .any(|above| opened.contains(above))
            })
            .collect();
        for top in &tops {
            set_apart(&self.inside(top))
                .or_failed(|| format!("make a folder for {}", top.display()))?;
        }
        for folder in &opened {
            self.open(folder, &opened)
                .or_failed(|| format!("open {} for the step", folder.display()))?;
        }
        for bind in &self.binds {
            let within = opened.iter().any(|folder| bind.target.starts_with(folder));
            let place = if within {
                self.inside(&bind.target)
            } else {
                bind.target.clone()
            };
            bind_at(bind, &place).or_failed(|| {
                format!(
                    "mount {} at {}",
                    bind.source.display(),
                    bind.target.display()
                )
            })?;
        }
        // The one that hides this view's own folder comes last: the others lie in there.
        tops.sort_by_key(|top| self.root.starts_with(top));
        for top in tops {
            let place = self.inside(top);
            let put = if top == Path::new("/") {
                pivot(&place)
            } else {
                mount_move(&place, top).map_err(io::Error::from)
            };
            put.or_failed(|| format!("put the step's own folder in place of {}", top.display()))?;
        }
        Ok(())
    }

    /// The place, in this view's folder, of what the step will see at `path`.
    fn inside(&self, path: &Path) -> PathBuf {
        join(&self.root, path.strip_prefix("/").unwrap_or(path))
    }

    fn open(&self, folder: &Path, opened: &BTreeSet<PathBuf>) -> io::Result<()> {
        let inside = self.inside(folder);
        fs::create_dir_all(&inside)?;
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        look_alike(folder, &inside)?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if !opened.contains(&path) {
                self.bring(&path, entry.file_type()?, folder == Path::new(TMP))?;
            }
        }
        Ok(())
    }

    /// Binds an entry of an opened folder. Plain files of /tmp are left out: two steps that
    /// both write /tmp/result must not write the same file.
    fn bring(&self, path: &Path, kind: fs::FileType, is_tmp: bool) -> io::Result<()> {
        let inside = self.inside(path);
        if kind.is_symlink() {
            return match std::os::unix::fs::symlink(fs::read_link(path)?, &inside) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                other => other,
            };
        }
        if is_tmp && !kind.is_dir() && !kind.is_socket() {
            return Ok(());
        }
        if kind.is_dir() {
            fs::create_dir_all(&inside)?;
        } else {
            fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&inside)?;
        }
        match mount_bind_recursive(path, &inside) {
            // What this user may not even look at is no loss to the step.
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::NOENT) => Ok(()),
            other => Ok(other?),
        }
    }
}

/// Gives a folder the owner and mode of another one: a step of root's may well have children
/// of other users, which write to /tmp too. Only root can give it another owner, and this
/// user must be able to write there whatever the mode.
fn look_alike(real: &Path, inside: &Path) -> io::Result<()> {
    const OWNER: u32 = 0o700;
    let like = fs::metadata(real)?;
    let _ = std::os::unix::fs::chown(inside, Some(like.uid()), Some(like.gid()));
    let mode = like.permissions().mode() & 0o7777 | OWNER;
    fs::set_permissions(inside, fs::Permissions::from_mode(mode))
}

/// Joins without a slash at the end.
pub(super) fn join(folder: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() {
        folder.to_owned()
    } else {
        folder.join(rest)
    }
}

/// Makes a folder a mount that no other bind takes along: else a folder that holds this
/// view's own would be bound with it into itself.
fn set_apart(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    mount_bind(folder, folder)?;
    Ok(mount_change(folder, MountPropagationFlags::UNBINDABLE)?)
}

fn bind_at(bind: &Bind, place: &Path) -> io::Result<()> {
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
fn pivot(root: &Path) -> io::Result<()> {
    std::env::set_current_dir(root)?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")
}

#[expect(
    deprecated,
    reason = "the successor is unsafe for the sake of CLONE_FILES, which is not among these flags"
)]
fn unshare() -> Result<()> {
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

/// When this program has been called to enter a view: enters it and becomes the program that
/// the other arguments name. `None` in every other call.
pub fn enter() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != ENTER {
        return None;
    }
    let (view, folder) = (arguments.next()?, arguments.next()?);
    let command: Vec<OsString> = arguments.collect();
    Some(
        match enter_and_become(&view.to_string_lossy(), folder.as_ref(), &command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                use std::io::Write;
                // Logging is not set up in here; the text becomes the step's own last words.
                let _ = writeln!(io::stderr(), "run-local: {}", error.report());
                ExitCode::from(if error.exit() == common::Exit::Usage {
                    127
                } else {
                    126
                })
            }
        },
    )
}

fn enter_and_become(view: &str, folder: &Path, command: &[OsString]) -> Result<()> {
    let view: View = serde_json::from_str(view).or_failed(|| "read the view")?;
    unshare()?;
    view.build()?;
    // As a container's runtime does: a workingDir in a volume may be new.
    fs::create_dir_all(folder).or_failed(|| format!("make {}", folder.display()))?;
    std::env::set_current_dir(folder).or_failed(|| format!("change to {}", folder.display()))?;
    // After unshare: entering a user namespace clears it. The step must not outlive run-local.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .or_failed(|| "tie the step to this program")?;
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::failed("the step has no command"));
    };
    let error = std::process::Command::new(program).args(arguments).exec();
    let what = format!("run {}", Path::new(program).display());
    Err(if error.kind() == io::ErrorKind::NotFound {
        Error::usage(what)
            .because(error)
            .hint("run-local looks on the PATH of this machine")
    } else {
        Error::failed(what).because(error)
    })
}

/// Removes what building a view left in its root: empty folders and files, and links, the
/// step's own among them. What has content stays.
pub(crate) fn tidy(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let empty = entry.metadata().is_ok_and(|metadata| metadata.len() == 0);
        if kind.is_dir() {
            tidy(&path);
        } else if kind.is_symlink() || empty {
            let _ = fs::remove_file(&path);
        }
    }
    // Fails where something is left, which is right.
    let _ = fs::remove_dir(root);
}

/// An absolute path without `.`, `..` or repeated slashes; `None` for any other.
pub(crate) fn clean(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let plain = path
        .components()
        .all(|c| matches!(c, Component::RootDir | Component::Normal(_)));
    (path.is_absolute() && plain).then(|| path.components().collect())
}
