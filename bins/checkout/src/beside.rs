//! Repositories beside the checkout's own, within its `.git`: work in them disturbs nothing and
//! needs no clean-up where it is cut short.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use common::git::Git;
use common::whole_file::unless_absent;
use common::{Result, ResultExt};

use crate::plan::Repository;
use crate::runner::Runner;
use crate::step::Step;

/// More paths are handed to git in several turns.
const PATHS_AT_ONCE: usize = 200;

/// A repository for the files of a few commits, which come while the history is on its way. Both
/// in one repository would see each other's half: the one is shallow and the other is not.
pub(crate) struct Files<'a> {
    runner: &'a Runner<'a>,
    folder: PathBuf,
    git: Git,
    objects: PathBuf,
}

/// Where that repository is.
pub(crate) fn files_folder(repository: &Repository) -> PathBuf {
    repository.folder.join(".git/test-worker-files")
}

impl<'a> Files<'a> {
    /// One that is not there yet.
    pub(crate) fn new(repository: &Repository, runner: &'a Runner<'a>) -> Files<'a> {
        let git = repository.folder.join(".git");
        let folder = files_folder(repository);
        Files {
            git: repository
                .git_at(&folder)
                .config("remote.origin.url", repository.url.as_str())
                .config("remote.origin.promisor", "true"),
            runner,
            folder,
            objects: git.join("objects"),
        }
    }

    /// Fetches, once and whatever comes of it: where it fails, so does the history that is
    /// fetched at the same time, and it is for that one to say so and to try again.
    pub(crate) async fn fetch(&self, step: &Step) -> Result<bool> {
        clear(&self.folder)?;
        let folder = &self.folder;
        // All that a repository needs, see gitrepository-layout(5); git would take a process.
        ["objects", "refs"]
            .iter()
            .try_for_each(|name| fs::create_dir_all(folder.join(name)))
            .and_then(|()| fs::write(folder.join("HEAD"), "ref: refs/heads/main\n"))
            .or_failed(|| format!("make {}", folder.display()))?;
        Ok(self.runner.once(&self.git, step).await?.success())
    }

    /// Fetches again, as often as may help, now that the history has come. What does not come
    /// now either, git asks for when it needs it.
    pub(crate) async fn fetch_again(&self, step: &Step) -> Result<bool> {
        Ok(self.runner.tried(&self.git, step).await?.success())
    }

    /// Removes it with what was fetched.
    pub(crate) fn remove(self) -> Result<()> {
        clear(&self.folder)
    }

    /// Moves what was fetched into the checkout's own repository.
    pub(crate) fn adopt(self) -> Result<()> {
        let what = || format!("move packs out of {}", self.folder.display());
        let to = self.objects.join("pack");
        fs::create_dir_all(&to).or_failed(what)?;
        let from = self.folder.join("objects/pack");
        let mut packs = Vec::new();
        for entry in fs::read_dir(from).or_failed(what)? {
            packs.push(entry.or_failed(what)?.path());
        }
        // A pack exists for git once its index does.
        packs.sort_by_key(|path| path.extension() == Some(OsStr::new("idx")));
        for pack in packs {
            if let Some(name) = pack.file_name() {
                fs::rename(&pack, to.join(name)).or_failed(what)?;
            }
        }
        clear(&self.folder)
    }
}

/// A work tree for a merge, with nothing in it but the `.gitattributes` of the commit that is
/// merged into: they say how files are merged, and git reads them from the work tree.
pub(crate) struct MergeTree {
    folder: PathBuf,
    git: Git,
}

impl MergeTree {
    /// Writes the attributes of a commit.
    pub(crate) async fn of(
        repository: &Repository,
        runner: &Runner<'_>,
        commit: &str,
    ) -> Result<MergeTree> {
        let git_dir = repository.folder.join(".git");
        let folder = git_dir.join("test-worker-merge");
        clear(&folder)?;
        let tree = folder.join("tree");
        fs::create_dir_all(&tree).or_failed(|| format!("make {}", tree.display()))?;
        let git = repository
            .git_at(&tree)
            .env("GIT_DIR", git_dir)
            .env("GIT_INDEX_FILE", folder.join("index"))
            .env("GIT_WORK_TREE", &tree);
        let merge = MergeTree { folder, git };
        let list = ["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit];
        let files = runner.names_by(&merge.git, &list).await?;
        let is_attributes = |file: &&String| Path::new(file).ends_with(".gitattributes");
        let attributes: Vec<&str> = files
            .iter()
            .filter(is_attributes)
            .map(String::as_str)
            .collect();
        if !attributes.is_empty() {
            runner.ask_by(&merge.git, &["read-tree", commit]).await?;
        }
        for paths in attributes.chunks(PATHS_AT_ONCE) {
            let args = [&["checkout-index", "--quiet", "--"], paths].concat();
            runner.ask_by(&merge.git, &args).await?;
        }
        Ok(merge)
    }

    /// Git in this work tree.
    pub(crate) fn git(&self) -> &Git {
        &self.git
    }

    /// Removes it.
    pub(crate) fn remove(self) -> Result<()> {
        clear(&self.folder)
    }
}

/// Removes what this run or a killed one left of a folder.
fn clear(folder: &Path) -> Result<()> {
    let removed = fs::remove_dir_all(folder);
    unless_absent(removed).or_failed(|| format!("remove {}", folder.display()))
}
