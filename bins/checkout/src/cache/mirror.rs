//! One repository's mirror: a bare repository of packs and packed refs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use common::git::Git;
use common::whole_file::unless_absent;
use common::{Result, ResultExt, whole_file};

use super::{files_ending, open};
use crate::plan::Repository;
use crate::runner::Runner;

/// With more packs than this, git joins them.
const MOST_PACKS: usize = 16;

/// What comes with a pack, in the order in which it is put into place: a pack exists for git
/// once its index does.
pub(super) const PARTS: [&str; 3] = ["promisor", "pack", "idx"];

/// How a line of the note begins that names a pack which is a part only.
const PROMISED: &str = "promised ";

/// A mirror, which may not be there yet.
pub(super) struct Mirror {
    name: String,
    folder: PathBuf,
    url: String,
}

impl Mirror {
    pub(super) fn new(cache: &Path, name: &str, url: &str) -> Mirror {
        Mirror {
            name: name.to_owned(),
            folder: cache.join(format!("{name}.git")),
            url: url.to_owned(),
        }
    }

    /// What its lock is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where its packs are.
    pub(super) fn packs(&self) -> PathBuf {
        self.folder.join("objects/pack")
    }

    /// What it says of itself: its packs and its refs.
    fn note_file(&self) -> PathBuf {
        self.folder.join("test-worker-mirror")
    }

    /// Notes that it is in use, so that it is not removed as the oldest.
    pub(super) fn touch(&self) -> io::Result<()> {
        File::open(&self.folder)?.set_modified(SystemTime::now())
    }

    /// Removes it, or what is in its place.
    pub(super) fn remove(&self) -> Result<()> {
        let is_other = fs::symlink_metadata(&self.folder).is_ok_and(|found| !found.is_dir());
        let removed = if is_other {
            fs::remove_file(&self.folder)
        } else {
            fs::remove_dir_all(&self.folder)
        };
        unless_absent(removed).or_failed(|| format!("remove {}", self.folder.display()))
    }

    /// Adds what a checkout has and the mirror has not.
    pub(super) async fn store(&self, repository: &Repository, runner: &Runner<'_>) -> Result<()> {
        let git = self.git(repository);
        let found = |path: &Path| fs::symlink_metadata(path).ok();
        let note = found(&self.note_file());
        let is_other = found(&self.folder).is_some_and(|folder| !folder.is_dir())
            || note.as_ref().is_some_and(|note| !note.is_file());
        if is_other {
            let (name, folder) = (repository.name(), self.folder.display());
            tracing::warn!("{name}: {folder} in the cache is no mirror and is replaced");
        }
        if is_other || note.is_none() {
            // What is there without a note is what a killed checkout left.
            self.remove()?;
            self.make(&git, repository, runner).await?;
        }
        let what = || format!("add to {}", self.folder.display());
        let from = repository.folder.join(".git/objects/pack");
        let mut new = 0;
        for pack in files_ending(&from, "idx").or_failed(what)? {
            new += usize::from(self.add(&pack).or_failed(what)?);
        }
        self.note(runner).await?;
        if new > 0 && files_ending(&self.packs(), "idx").or_failed(what)?.len() > MOST_PACKS {
            runner
                .ask_by(&git, &["repack", "-a", "-d", "--quiet"])
                .await?;
            self.note(runner).await?;
        }
        self.touch().or_failed(what)
    }

    async fn make(&self, git: &Git, repository: &Repository, runner: &Runner<'_>) -> Result<()> {
        fs::create_dir_all(&self.folder).or_failed(|| format!("make {}", self.folder.display()))?;
        let init = ["init", "--quiet", "--bare", "--template="];
        runner.ask_by(git, &init).await?;
        let mut settings = vec![("remote.origin.url", self.url.as_str())];
        if let Some(filter) = repository.filter() {
            settings.extend([
                ("core.repositoryFormatVersion", "1"),
                ("extensions.partialClone", "origin"),
                ("remote.origin.promisor", "true"),
                ("remote.origin.partialCloneFilter", filter),
            ]);
        }
        for (key, value) in settings {
            runner.ask_by(git, &["config", key, value]).await?;
        }
        Ok(())
    }

    /// Git in the mirror. What it writes waits for the disk: others rely on it.
    fn git(&self, repository: &Repository) -> Git {
        let git = repository.git_at(&self.folder);
        git.config("core.fsync", "committed")
    }

    /// Copies a pack unless it is there: its name is its content's.
    fn add(&self, index: &Path) -> io::Result<bool> {
        let Some(name) = index.file_name() else {
            return Ok(false);
        };
        let target = self.packs().join(name);
        if target.exists() {
            return Ok(false);
        }
        fs::create_dir_all(self.packs())?;
        for part in PARTS {
            let from = index.with_extension(part);
            if part == "promisor" && !from.exists() {
                continue;
            }
            let new = target.with_extension("new");
            // Not through a link that somebody put there.
            unless_absent(fs::remove_file(&new))?;
            io::copy(&mut File::open(from)?, &mut File::create_new(&new)?)?;
            File::open(&new)?.sync_all()?;
            fs::rename(&new, target.with_extension(part))?;
        }
        Ok(true)
    }

    /// Notes the branches and tags that the checkout has, those of other branches, and the packs
    /// that all of it is in: with these packs, and no fewer, the history is complete.
    async fn note(&self, runner: &Runner<'_>) -> Result<()> {
        let list = [
            "for-each-ref",
            "--format=%(objectname) %(refname)",
            "refs/remotes/origin",
            "refs/tags",
        ];
        let listed = runner.ask(&list).await?;
        let before = self.content();
        let mut refs: BTreeMap<String, String> = before.refs.into_iter().collect();
        // The server's tags as of now, and no older ones.
        refs.retain(|name, _| !name.starts_with("refs/tags/"));
        let own = listed.lines().filter_map(parse_ref);
        refs.extend(own.map(|(id, name)| (name.to_owned(), id.to_owned())));
        let what = || format!("look at {}", self.folder.display());
        let packs = files_ending(&self.packs(), "idx").or_failed(what)?;
        let packs: Vec<&str> = packs
            .iter()
            .filter_map(|pack| pack.file_stem()?.to_str())
            .collect();
        // Of one that was so before, the mark has got lost.
        let is_promised = |name: &&str| {
            let mark = self.packs().join(name).with_extension("promisor");
            before.promised.iter().any(|old| old == name) || mark.exists()
        };
        let promised = packs.iter().copied().filter(is_promised);
        let promised = promised.map(|name| format!("{PROMISED}{name}"));
        let refs: Vec<String> = refs
            .iter()
            .map(|(name, id)| format!("{id} {name}"))
            .collect();
        // The same for people, who may look into it with git.
        let for_git = format!("# pack-refs with: sorted \n{}\n", refs.join("\n"));
        let names = packs.iter().copied().map(str::to_owned);
        let lines: Vec<String> = names.chain(promised).chain(refs).collect();
        for (file, text) in [
            (self.folder.join("packed-refs"), for_git),
            (self.note_file(), lines.join("\n") + "\n"),
        ] {
            if read(&file).is_ok_and(|old| old == text) {
                continue;
            }
            whole_file::replace(&file, |mut file| file.write_all(text.as_bytes()))
                .or_failed(|| format!("write {}", file.display()))?;
        }
        Ok(())
    }

    /// What it says of itself; nothing where it is not there.
    pub(super) fn content(&self) -> Content {
        let text = read(&self.note_file()).unwrap_or_default();
        let refs = text.lines().filter_map(parse_ref);
        Content {
            packs: text
                .lines()
                .filter(|name| is_pack(name))
                .map(str::to_owned)
                .collect(),
            promised: text
                .lines()
                .filter_map(|line| line.strip_prefix(PROMISED))
                .filter(|name| is_pack(name))
                .map(str::to_owned)
                .collect(),
            refs: refs
                .map(|(id, name)| (name.to_owned(), id.to_owned()))
                .collect(),
        }
    }
}

/// What a mirror has.
pub(super) struct Content {
    /// Names of packs, without an ending.
    pub(super) packs: Vec<String>,
    /// Those of them which are parts only: the server has promised the rest. Git knows by a file
    /// beside the pack, without which the rest is taken for lost.
    pub(super) promised: Vec<String>,
    /// Name and id of each ref that a checkout may have.
    pub(super) refs: Vec<(String, String)>,
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(file)?.read_to_string(&mut text)?;
    Ok(text)
}

/// A pack's name says what its content is.
fn is_pack(name: &str) -> bool {
    name.strip_prefix("pack-")
        .is_some_and(crate::sequence::is_full_id)
}

/// Branches and tags; pull requests are many and seldom wanted twice.
fn parse_ref(line: &str) -> Option<(&str, &str)> {
    let (id, name) = line.split_once(' ')?;
    let is_wanted = name.starts_with("refs/tags/")
        || (name.starts_with("refs/remotes/origin/")
            && !name.starts_with("refs/remotes/origin/pull/")
            && name != "refs/remotes/origin/HEAD");
    let is_safe = common::job::check_ref("ref", name).is_ok();
    (crate::sequence::is_full_id(id) && is_wanted && is_safe).then_some((id, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_branches_and_tags_are_taken_from_a_mirror() {
        let id = "1111111111111111111111111111111111111111";
        for (name, taken) in [
            ("refs/tags/v1", true),
            ("refs/remotes/origin/release/1", true),
            ("refs/remotes/origin/pull/1/head", false),
            ("refs/heads/main", false),
            ("refs/tags/../../config", false),
            ("HEAD", false),
        ] {
            let line = format!("{id} {name}");
            assert_eq!(parse_ref(&line).is_some(), taken, "{name}");
        }
        assert_eq!(parse_ref("11 refs/tags/v1"), None);
        assert_eq!(parse_ref("# pack-refs with: sorted "), None);
    }
}
