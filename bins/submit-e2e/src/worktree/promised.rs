//! A partial clone: what the person's repository has left on its server, as far as steps will
//! check it out, is fetched into the snapshot.

use common::app::Stop;
use common::git::{Git, mask};
use common::{Error, Result, ResultExt};

use super::WorkingTree;

/// More objects are asked for in several turns: their ids are arguments of git.
const OBJECTS_AT_ONCE: usize = 2000;

/// The remote that has what a partial clone lacks.
#[derive(Debug)]
pub(super) struct Promisor {
    name: String,
    url: String,
}

impl Promisor {
    /// The promisor of a partial clone; `None` for a whole one.
    pub(super) async fn find(git: &Git, stop: &Stop) -> Result<Option<Promisor>> {
        let list = [
            "config",
            "--type=bool",
            "--get-regexp",
            r"^remote\..*\.promisor$",
        ];
        let listed = git.run(list, stop).await?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let name = listed
            .lines()
            .filter_map(|line| line.strip_suffix(" true"))
            .filter_map(|key| key.strip_prefix("remote.")?.strip_suffix(".promisor"))
            // It stands where git expects options as well.
            .find(|name| !name.starts_with('-'));
        let Some(name) = name.map(str::to_owned) else {
            return Ok(None);
        };
        let url = git.text(["remote", "get-url", &name], stop).await?;
        Ok(Some(Promisor { name, url }))
    }

    /// Brings all trees of the history, and the files of the base, of the pull request and of what they
    /// come from into the snapshot, and has that ask the same server for what else somebody looks at.
    pub(super) async fn complete(&self, tree: &WorkingTree, stop: &Stop) -> Result<()> {
        let snapshot = &tree.repository;
        for (key, value) in self.settings() {
            snapshot.text(["config", key, value], stop).await?;
        }
        // The person's settings, credentials among them; what comes goes elsewhere.
        let objects = snapshot.folder().join("objects");
        let git = Git::at(&tree.root).env("GIT_OBJECT_DIRECTORY", objects);
        let refs = tree.job.refs.as_ref();
        let base = refs.map_or("", |refs| &refs.base_sha);
        let head = tree.head.as_str();
        let start = git.run(["merge-base", "--all", base, head], stop).await?;
        let start = String::from_utf8_lossy(&start.stdout).into_owned();
        let commits: Vec<&str> = start.lines().chain([base, head]).collect();
        self.fetch_all(&git, &commits, stop).await
    }

    /// None where they would write down a password.
    fn settings(&self) -> Vec<(&'static str, &str)> {
        if mask(&self.url) != self.url {
            return Vec::new();
        }
        vec![
            ("core.repositoryFormatVersion", "1"),
            ("extensions.partialClone", "origin"),
            ("remote.origin.url", &self.url),
            ("remote.origin.promisor", "true"),
            ("remote.origin.partialCloneFilter", "blob:none"),
        ]
    }

    async fn fetch_all(&self, git: &Git, commits: &[&str], stop: &Stop) -> Result<()> {
        // A server looks at the tree of each commit that it gives, even where no tree was asked for;
        // and git lets none ask its own server meanwhile.
        let trees = ["--filter=tree:1"];
        let files = ["--no-walk"];
        for which in [trees, files] {
            let mut asked = Vec::new();
            loop {
                let missing = missing(git, &which, commits, stop).await?;
                if missing.is_empty() {
                    break;
                }
                // A tree comes with all trees below it, and then their files can be seen.
                if missing == asked {
                    let number = missing.len();
                    let what = format!("{number} objects are not to be had from {}", self.name);
                    return Err(Error::failed(what));
                }
                for ids in missing.chunks(OBJECTS_AT_ONCE) {
                    self.fetch(git, ids, stop).await?;
                }
                asked = missing;
            }
        }
        Ok(())
    }

    async fn fetch(&self, git: &Git, ids: &[String], stop: &Stop) -> Result<()> {
        // Of single objects there is no history to negotiate about. The filter is not an option,
        // as git would write that down as the clone's own.
        let filter = format!("remote.{}.partialCloneFilter", self.name);
        let git = git
            .clone()
            .config("fetch.negotiationAlgorithm", "noop")
            .config(filter, "blob:none");
        let options = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"];
        let remote = self.name.as_str();
        let args = options.into_iter().chain([remote]);
        let args = args.chain(ids.iter().map(String::as_str));
        let what = || {
            format!(
                "fetch what the partial clone lacks from {}",
                mask(&self.url)
            )
        };
        git.text(args, stop).await.map(drop).or_failed(what)
    }
}

/// The objects of some commits that are not here, as far as can be seen: what is in a tree that
/// is not here is not known yet. Asking fetches nothing.
async fn missing(git: &Git, which: &[&str], commits: &[&str], stop: &Stop) -> Result<Vec<String>> {
    let list = [
        "rev-list",
        "--objects",
        "--no-object-names",
        "--missing=print",
    ];
    let listed = git.text([&list, which, commits].concat(), stop).await?;
    let missing = listed.lines().filter_map(|line| line.strip_prefix('?'));
    Ok(missing.map(str::to_owned).collect())
}
