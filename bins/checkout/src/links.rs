//! `--links`: other names for what was checked out, so that a fork stands where scripts look for
//! the original.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use common::exec::quote;
use common::job::check_segment;
use common::{Error, Result, ResultExt};

/// A symbolic link in the folder of the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// The folder of the sources: absolute.
    src_dir: PathBuf,
    /// Where the link is, from there.
    name: PathBuf,
    /// Where it leads to, from there.
    target: PathBuf,
}

/// Reads `TARGET=NAME,TARGET=NAME`. A link in a repository's folder would be a change to it.
pub(crate) fn parse(list: Option<&str>, src_dir: &Path, folders: &[&Path]) -> Result<Vec<Link>> {
    let entries = list.unwrap_or_default().split(',').map(str::trim);
    let entries = entries.filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let (target, name) = entry
                .split_once('=')
                .ok_or_else(|| Error::usage(format!("--links {entry:?}: write ORG/NAME=LINK")))?;
            let link = Link {
                src_dir: src_dir.to_owned(),
                name: inside(entry, name)?,
                target: inside(entry, target)?,
            };
            let place = link.place();
            let clash = |folder: &&&Path| folder.starts_with(&place) || place.starts_with(folder);
            match folders.iter().find(clash) {
                Some(folder) => Err(Error::usage(format!(
                    "--links {entry:?}: {} is checked out there",
                    folder.display()
                ))),
                None => Ok(link),
            }
        })
        .collect()
}

/// A path that stays in the folder of the sources.
fn inside(entry: &str, path: &str) -> Result<PathBuf> {
    for part in path.split('/') {
        check_segment("path", part).or_usage(|| format!("--links {entry:?}"))?;
    }
    Ok(PathBuf::from(path))
}

impl Link {
    fn place(&self) -> PathBuf {
        self.src_dir.join(&self.name)
    }

    /// Relative, so that it holds wherever the folder is mounted.
    fn content(&self) -> PathBuf {
        let up = self.name.components().skip(1).map(|_| Component::ParentDir);
        up.collect::<PathBuf>().join(&self.target)
    }

    /// Makes the link. An older link gives way, as for `ln -sf`; a file or folder does not.
    pub(crate) fn make(&self) -> Result<()> {
        let what = || format!("make the link {}", self.place().display());
        let place = self.place();
        self.make_folders()?;
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_symlink() => {
                if fs::read_link(&place).or_failed(what)? == self.content() {
                    return Ok(());
                }
                fs::remove_file(&place).or_failed(what)?;
            }
            Ok(_) => {
                return Err(Error::failed(what())
                    .because("something is there that checkout did not make")
                    .hint("move it away, or give the link another name"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).or_failed(what),
        }
        symlink(self.content(), &place).or_failed(what)
    }

    /// A link on the way would lead out of the folder.
    fn make_folders(&self) -> Result<()> {
        let what = || format!("make the link {}", self.place().display());
        fs::create_dir_all(&self.src_dir).or_failed(what)?;
        let mut folder = self.src_dir.clone();
        for part in self.name.parent().into_iter().flatten() {
            folder.push(part);
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(error).or_failed(what);
                }
                _ => {}
            }
            if !fs::symlink_metadata(&folder).or_failed(what)?.is_dir() {
                let why = format!("{} is no folder", folder.display());
                return Err(Error::failed(what()).because(why));
            }
        }
        Ok(())
    }
}

/// As a shell command.
impl fmt::Display for Link {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = self.content();
        let word = |path: &Path| quote(&path.display().to_string());
        write!(out, "ln -sfn {} {}", word(&content), word(&self.place()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(list: &str) -> Result<Vec<Link>> {
        parse(Some(list), Path::new("/s"), &[Path::new("/s/me/fork")])
    }

    #[test]
    fn links_are_relative() {
        let shown: Vec<String> = links("me/fork=o/r, me/fork=r,me/fork/sub=a/b/c,")
            .unwrap()
            .iter()
            .map(Link::to_string)
            .collect();
        assert_eq!(
            shown,
            [
                "ln -sfn ../me/fork /s/o/r",
                "ln -sfn me/fork /s/r",
                "ln -sfn ../../me/fork/sub /s/a/b/c"
            ]
        );
    }

    #[test]
    fn links_that_leave_the_folder_or_change_a_repository_are_refused() {
        for list in [
            "me/fork",
            "me/fork=",
            "=o/r",
            "me/fork=/etc/x",
            "/etc=x",
            "me/fork=../x",
            "../x=o/r",
            "me/fork=o//r",
            "me/fork=-x",
            "me/fork=me",
            "o/r=me/fork/x",
        ] {
            assert_eq!(
                links(list).unwrap_err().exit(),
                common::Exit::Usage,
                "{list}"
            );
        }
    }
}
