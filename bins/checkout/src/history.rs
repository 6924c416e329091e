//! Brings what a checkout needs from the server, in few requests: the commits, beside them the
//! files of the base, then the trees that a merge looks at. What else is wanted later, git
//! itself fetches on demand.

use std::cell::Cell;

use common::Result;

use crate::beside::Files;
use crate::cache;
use crate::explain;
use crate::plan::Repository;
use crate::runner::{Heads, Runner};
use crate::sequence::{Fetched, is_full_id, kept_pull_ref, pull_ref};
use crate::step::Step;

/// More trees are asked for in several turns.
const TREES_AT_ONCE: usize = 500;

/// The settings that make a clone a partial one.
const PARTIAL: [&str; 3] = [
    "extensions.partialClone",
    "remote.origin.promisor",
    "remote.origin.partialCloneFilter",
];

/// What a repository has before it is fetched into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Nothing yet.
    Nothing,
    /// What a mirror had.
    Mirror,
    /// What an earlier run, or somebody else, left.
    Something,
}

/// The history of one repository.
pub(crate) struct History<'a> {
    repository: &'a Repository,
    runner: &'a Runner<'a>,
    /// Whether something is left out.
    partial: Cell<bool>,
}

impl<'a> History<'a> {
    /// That of a repository which is new or was a partial clone, or of a whole one.
    pub(crate) fn new(repository: &'a Repository, runner: &'a Runner<'a>, partial: bool) -> Self {
        History {
            repository,
            runner,
            partial: Cell::new(partial && repository.filter().is_some()),
        }
    }

    /// Fetches everything, and gives the commits that it is about.
    pub(crate) async fn fetch(&self, holds: Holds) -> Result<Fetched> {
        let name = self.repository.name();
        tracing::info!("{name}: fetching from {}", self.repository.url);
        let step = self
            .repository
            .files_step()
            .filter(|_| holds == Holds::Nothing);
        let Some(step) = step else {
            let fetched = self.commits(holds).await?;
            self.trees(&fetched, true).await?;
            return Ok(fetched);
        };
        let files = Files::new(self.repository, self.runner);
        let history = async {
            let fetched = self.commits(holds).await?;
            self.trees(&fetched, false).await?;
            Ok(fetched)
        };
        let (fetched, came) = tokio::try_join!(history, files.fetch(&step))?;
        if self.partial.get() && (came || files.fetch_again(&step).await?) {
            files.adopt()?;
        } else {
            files.remove()?;
            self.trees(&fetched, true).await?;
        }
        Ok(fetched)
    }

    async fn commits(&self, holds: Holds) -> Result<Fetched> {
        let lacking = self.refs().await?;
        if holds != Holds::Something {
            // They may be there from a run that was killed.
            cache::forget_refs(self.repository)?;
        }
        // What refs lead to is here: git need not be asked of each commit.
        let heads = self.runner.heads().await?;
        for step in self.repository.commit_steps(self.filter()) {
            if !matches!(&step, Step::FetchCommit { id, .. } if heads.has(id)) {
                self.runner.step(&step).await?;
            }
        }
        let names = self.repository.fetched();
        let base = self.commit(&names.base, &heads).await?;
        let mut pulls = Vec::new();
        for (pull, name) in self.repository.refs.pulls.iter().zip(&names.pulls) {
            let commit = self.commit(name, &heads).await?;
            let head = kept_pull_ref(pull);
            if heads.of(&head) != Some(&commit)
                && !lacking.contains(&pull.number)
                && !self.runner.is_ancestor(&commit, &head).await?
            {
                return Err(explain::not_in_pull(self.repository, pull.number, &commit));
            }
            pulls.push(commit);
        }
        let time = heads.time(&base);
        let merge_bases = self.merge_bases(&base, &pulls).await?;
        Ok(Fetched {
            base,
            pulls,
            time,
            merge_bases,
        })
    }

    /// The common ancestors of each pull request and what it is merged into: the base and the
    /// pull requests before it. Not of a few commits, which may not reach back as far.
    async fn merge_bases(&self, base: &str, pulls: &[String]) -> Result<Vec<Vec<String>>> {
        let mut all = Vec::new();
        if self.repository.depth.is_some() || self.repository.checks_out_head() {
            return Ok(all);
        }
        let mut before = vec![base];
        for pull in pulls {
            let ask = [&["merge-base", "--all", pull.as_str()], &before[..]].concat();
            all.push(self.runner.lines_if_any(&ask).await?);
            before.push(pull);
        }
        Ok(all)
    }

    async fn commit(&self, name: &str, heads: &Heads) -> Result<String> {
        if let Some(id) = heads.of(name) {
            return Ok(id.clone());
        }
        if heads.has(name) {
            return Ok(name.to_owned());
        }
        let commit = self.runner.commit(name).await?;
        commit.ok_or_else(|| explain::no_commit(self.repository, name))
    }

    /// Fetches the refs; gives the pull requests that the server has no ref of, of which the
    /// commits may still be there.
    async fn refs(&self) -> Result<Vec<u64>> {
        let mut lacking = Vec::new();
        let mut odd = Vec::new();
        let mut removed = Vec::new();
        'again: loop {
            for step in self.repository.fetch_steps(self.filter(), &lacking) {
                let finished = self.runner.tried_here(&step).await?;
                if finished.success() {
                    self.notice_whole(&finished.stderr).await?;
                } else if let Some(number) = self.lacks(&finished.stderr, &lacking) {
                    self.warn_of(number);
                    lacking.push(number);
                    continue 'again;
                } else if self.filter().is_some() && refuses_filter(&finished.stderr) {
                    self.be_whole().await?;
                    continue 'again;
                } else if let Some(name) = in_the_way(&finished.stderr, &removed) {
                    self.runner.remove_ref(&name).await?;
                    removed.push(name);
                    continue 'again;
                } else if let Some(id) = self.left_out(&finished.stderr, &odd) {
                    let ids = vec![id.clone()];
                    self.runner.step(&Step::FetchTrees { ids }).await?;
                    odd.push(id);
                    continue 'again;
                } else {
                    return Err(self.runner.failure(&step, &finished));
                }
            }
            return Ok(lacking);
        }
    }

    fn filter(&self) -> Option<&str> {
        self.repository.filter().filter(|_| self.partial.get())
    }

    /// The pull request whose ref a failed fetch did not find, if its commit is known.
    fn lacks(&self, stderr: &str, known: &[u64]) -> Option<u64> {
        let missing = stderr
            .lines()
            .find_map(|line| line.split_once("couldn't find remote ref "))?
            .1;
        let pulls = &self.repository.refs.pulls;
        let pull = pulls.iter().find(|pull| pull_ref(pull) == missing)?;
        (is_full_id(&pull.sha) && !known.contains(&pull.number)).then_some(pull.number)
    }

    /// The ref may be gone because the pull request was closed, or the number be wrong: nobody can
    /// tell whether the commit was ever of it.
    fn warn_of(&self, number: u64) {
        let name = self.repository.name();
        let mut pulls = self.repository.refs.pulls.iter();
        let Some(pull) = pulls.find(|pull| pull.number == number) else {
            return;
        };
        tracing::warn!(
            "{name}: {} has no {} of pull request {number}: commit {} is taken for it unchecked",
            self.repository.url,
            pull_ref(pull),
            pull.sha
        );
    }

    /// The tree or file that a tag stands for and the filter has left out: git, which takes no tag
    /// of nothing, names one at a time. Asked for by its id, it comes whatever the filter.
    fn left_out(&self, stderr: &str, known: &[String]) -> Option<String> {
        self.filter()?;
        let named = stderr.split_once("bad revision '")?.1;
        let id = named.split('\'').next()?;
        (is_full_id(id) && !known.iter().any(|known| known == id)).then(|| id.to_owned())
    }

    async fn notice_whole(&self, stderr: &str) -> Result<()> {
        if self.partial.get() && stderr.contains("filtering not recognized by server") {
            self.be_whole().await?;
        }
        Ok(())
    }

    /// The server gives no partial clones, so this is none.
    async fn be_whole(&self) -> Result<()> {
        let Repository { url, .. } = self.repository;
        let name = self.repository.name();
        tracing::info!("{name}: {url} gives no partial clones: the whole history is fetched");
        self.partial.set(false);
        forget_promises(self.runner).await
    }

    /// Fetches the trees that the merge and the checkout look at, where they are missing: git
    /// itself would ask for one at a time. `tips` says whether those of the commits under test are
    /// among them.
    async fn trees(&self, fetched: &Fetched, tips: bool) -> Result<()> {
        if !self.partial.get() {
            return Ok(());
        }
        let mut commits: Vec<String> = fetched.merge_bases.iter().flatten().cloned().collect();
        if tips {
            commits.push(fetched.base.clone());
            commits.extend(fetched.pulls.iter().cloned());
        } else {
            // Their trees come with their files.
            let known = |commit: &String| *commit == fetched.base || fetched.pulls.contains(commit);
            commits.retain(|commit| !known(commit));
        }
        commits.sort();
        commits.dedup();
        if commits.is_empty() {
            return Ok(());
        }
        for ids in self
            .runner
            .missing_trees(&commits)
            .await?
            .chunks(TREES_AT_ONCE)
        {
            let ids = ids.to_vec();
            self.runner.step(&Step::FetchTrees { ids }).await?;
        }
        Ok(())
    }
}

/// Has git take what is missing for lost: the clone is no partial one any more.
pub(crate) async fn forget_promises(runner: &Runner<'_>) -> Result<()> {
    for key in PARTIAL {
        runner.unset(key).await?;
    }
    Ok(())
}

/// The ref of an earlier fetch that one of this fetch cannot stand beside: the server had a branch or
/// a tag `a`, and has `a/b` now.
fn in_the_way(stderr: &str, known: &[String]) -> Option<String> {
    let (before, _) = stderr.split_once("' exists; cannot create '")?;
    let name = before.rsplit('\'').next()?;
    let is_fetched = name.starts_with("refs/remotes/") || name.starts_with("refs/tags/");
    (is_fetched && !known.iter().any(|known| known == name)).then(|| name.to_owned())
}

/// Servers may have filters switched off one by one (`uploadpackfilter`).
fn refuses_filter(stderr: &str) -> bool {
    let stderr = stderr.to_lowercase();
    stderr.contains("filter") && stderr.contains("not supported")
}
