//! Pull requests merged onto their base: the very commits that Prow's clonerefs makes, before
//! any file is written.

use common::Result;

use crate::beside::MergeTree;
use crate::explain;
use crate::plan::Repository;
use crate::runner::{Runner, names};
use crate::sequence::Fetched;
use crate::step::Step;

/// Merges the pull requests one after the other; gives the last commit.
pub(crate) async fn merge(
    repository: &Repository,
    runner: &Runner<'_>,
    fetched: &Fetched,
) -> Result<String> {
    let mut target = fetched.base.clone();
    let time = if let Some(time) = fetched.time {
        time
    } else {
        let time = ["log", "-1", "--format=%ct", &fetched.base, "--"];
        runner.ask(&time).await?.parse().unwrap_or_default()
    };
    let pulls = repository.refs.pulls.iter().zip(&fetched.pulls);
    for (before, ((pull, rev), nth)) in pulls.zip(1..).enumerate() {
        if repository.depth.is_some() {
            let between = [target.clone(), rev.clone()];
            runner.step(&Step::Deepen { between }).await?;
        }
        let is_merged = match fetched.merge_bases.get(before) {
            Some(bases) => bases.contains(rev),
            None => runner.is_ancestor(rev, &target).await?,
        };
        if is_merged {
            tracing::info!(
                "{}: pull request {} is merged already",
                repository.name(),
                pull.number
            );
            continue;
        }
        let place = MergeTree::of(repository, runner, &target).await?;
        let [merge, _] = repository.merge_steps(pull, &target, rev, "");
        let merged = runner.tried(place.git(), &merge).await?;
        let mut output = names(&merged.stdout);
        if !merged.success() {
            place.remove()?;
            return Err(match merged.code {
                1 => explain::conflict(repository, pull.number, rev, &output.split_off(1)),
                _ => runner.failure(&merge, &merged),
            });
        }
        let tree = output.first().map_or("", |tree| tree.trim());
        let [_, commit] = repository.merge_steps(pull, &target, rev, tree);
        // Prow dates merges by the base, so that the same merge has the same hash.
        let date = format!("@{} +0000", time.saturating_add(nth));
        let git = place.git().clone().env("GIT_AUTHOR_DATE", &date);
        let git = git.env("GIT_COMMITTER_DATE", &date);
        let made = runner.step_by(&git, &commit).await?;
        String::from_utf8_lossy(&made)
            .trim()
            .clone_into(&mut target);
        place.remove()?;
    }
    Ok(target)
}
