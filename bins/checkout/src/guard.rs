//! The settings of a repository that was there before. Whoever can write to the run folder can
//! write them, a test of an earlier step for one; and we tell git to work in folders of any
//! owner. So nothing in them may name a program, or lead git to another place.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use common::app::Stop;
use common::git::Git;
use common::{Error, Result};
use walkdir::{DirEntry, WalkDir};

use crate::lfs;
use crate::sequence::Setting;
use crate::settings;

/// Settings that do so: the section, and the last part of the name, `""` for any. What
/// `common::git` sets itself wins over the repository and is not here.
const REFUSED: [(&str, &str); 22] = [
    ("include", ""),
    ("includeif", ""),
    ("protocol", ""),
    ("url", ""),
    ("core", "sshcommand"),
    ("core", "gitproxy"),
    ("core", "askpass"),
    ("core", "alternaterefscommand"),
    ("core", "worktree"),
    ("credential", "helper"),
    ("filter", "clean"),
    ("filter", "smudge"),
    ("filter", "process"),
    ("diff", "command"),
    ("diff", "textconv"),
    ("diff", "external"),
    ("fetch", "bundleuri"),
    ("http", ""),
    ("merge", "driver"),
    ("remote", "uploadpack"),
    ("remote", "proxy"),
    ("remote", "vcs"),
];

/// Files of a `.git` folder that change how commits are merged, and what they are made of.
const INFO: [&str; 2] = ["info/attributes", "info/grafts"];

/// Refuses to let git work in a folder whose settings are not safe. Reading them runs nothing.
/// `own` is what checkout writes: of a file with nothing else git is not asked.
pub(crate) async fn check(git: &Git, own: &[Setting], stop: &Stop) -> Result<()> {
    let root = git.folder();
    for path in git_files(root) {
        match path.file_name().and_then(OsStr::to_str) {
            Some(".git") if leads_away(root, &path) => {
                return Err(refuse(&path, "the place of another repository"));
            }
            Some("commondir") => return Err(refuse(&path, "the place of another repository")),
            Some("attributes" | "grafts") if is_empty(&path) => {}
            Some("attributes" | "grafts") => return Err(refuse(&path, "lines")),
            Some("config" | "config.worktree") if has_only(&path, own) => {}
            Some("config" | "config.worktree") => check_settings(git, &path, stop).await?,
            _ => {}
        }
    }
    Ok(())
}

/// Whether a submodule's `.git` file names a folder that is not in the repository's own `.git`.
fn leads_away(root: &Path, file: &Path) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    let named = text.strip_prefix("gitdir: ").unwrap_or_default().trim_end();
    let named = file.with_file_name(named).canonicalize();
    !named.is_ok_and(|named| is_below(&root.join(".git/modules"), &named))
}

fn is_below(folder: &Path, path: &Path) -> bool {
    folder
        .canonicalize()
        .is_ok_and(|folder| path != folder && path.starts_with(folder))
}

fn is_empty(file: &Path) -> bool {
    fs::symlink_metadata(file).is_ok_and(|file| file.is_file() && file.len() == 0)
}

fn has_only(file: &Path, own: &[Setting]) -> bool {
    let is_plain = fs::symlink_metadata(file).is_ok_and(|file| file.is_file());
    is_plain && fs::read_to_string(file).is_ok_and(|text| settings::are_own(&text, own))
}

async fn check_settings(git: &Git, file: &Path, stop: &Stop) -> Result<()> {
    let path = file.to_string_lossy();
    let args = [
        "config",
        "--file",
        &path,
        "--no-includes",
        "--null",
        "--list",
    ];
    let listed = git.bytes(args, stop).await?;
    for setting in String::from_utf8_lossy(&listed).split_terminator('\0') {
        let (name, value) = setting.split_once('\n').unwrap_or((setting, ""));
        let is_own_place = name == "core.worktree" && is_submodules(git.folder(), file, value);
        if is_refused(name, value) && !is_own_place {
            return Err(refuse(file, &format!("the setting {name:?}")));
        }
    }
    Ok(())
}

/// Git itself says with `core.worktree` where a submodule's files are.
fn is_submodules(root: &Path, file: &Path, worktree: &str) -> bool {
    file.starts_with(root.join(".git/modules"))
        && match file.with_file_name(worktree).canonicalize() {
            Ok(worktree) => is_below(root, &worktree),
            // Git cannot go there either.
            Err(_) => true,
        }
}

/// The files of all `.git` folders, without objects, and the `.git` files of submodules. A
/// submodule's may be where only the next commit has the submodule.
fn git_files(root: &Path) -> impl Iterator<Item = PathBuf> {
    let is_objects = |entry: &DirEntry| {
        entry.file_name() == "objects" && entry.path().with_file_name("HEAD").exists()
    };
    let in_git = |entry: &DirEntry| {
        let mut parts = entry.path().components().rev().take(entry.depth());
        parts.any(|part| part.as_os_str() == ".git")
    };
    WalkDir::new(root)
        .into_iter()
        .filter_entry(move |entry| !is_objects(entry))
        .filter_map(std::result::Result::ok)
        .filter(move |entry| !entry.file_type().is_dir() && in_git(entry))
        .map(DirEntry::into_path)
        .filter(|path| {
            path.ends_with(".git")
                || path.with_file_name("HEAD").exists()
                || INFO.iter().any(|file| path.ends_with(file))
        })
}

fn is_refused(name: &str, value: &str) -> bool {
    let section = name.split('.').next().unwrap_or_default();
    let last = name.rsplit('.').next().unwrap_or_default();
    let is = |refused: &(&str, &str)| {
        refused.0 == section && (refused.1.is_empty() || refused.1 == last)
    };
    match (section, last) {
        _ if lfs::SETTINGS.contains(&(name, value)) => false,
        ("submodule", "update") => value.trim_start().starts_with('!'),
        _ => REFUSED.iter().any(is),
    }
}

fn refuse(file: &Path, what: &str) -> Error {
    Error::usage(format!(
        "{} has {what}, which may run a program, lead git elsewhere or change what it makes",
        file.display()
    ))
    .hint("remove it, or put it into your own ~/.gitconfig, or give another --src-dir")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_and_checkout_write_is_no_danger() {
        for name in [
            "core.bare",
            "remote.origin.url",
            "remote.origin.fetch",
            "branch.main.merge",
            "submodule.x.url",
            "submodule.update.url",
            "testworker.madebycheckout",
            "extensions.objectformat",
            "lfs.repositoryformatversion",
        ] {
            assert!(!is_refused(name, "x"), "{name}");
        }
        for (name, value) in lfs::SETTINGS {
            assert!(!is_refused(name, value), "{name}");
            assert!(is_refused(name, "x"), "{name}");
        }
        assert!(is_refused("http.proxy", "x"));
        assert!(is_refused("http.https://h/.sslverify", "false"));
        assert!(!is_refused("submodule.x.update", "rebase"));
        assert!(is_refused("submodule.x.update", "!id"));
    }
}
