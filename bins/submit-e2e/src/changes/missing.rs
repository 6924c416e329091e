//! What a shallow clone lacks to tell what a change touches: more history, from `origin`.

use std::time::Duration;

use common::Result;
use common::app::Stop;
use common::git::Git;
use common::job::Refs;
use tokio::time::timeout;
use tracing::{debug, info};

/// How many commits more each try fetches; then all.
const STEPS: [&str; 3] = ["--deepen=50", "--deepen=1000", "--unshallow"];

/// Time for one try. Without the history everything runs, which is slow but right.
const LIMIT: Duration = Duration::from_mins(2);

/// How deep a clone has been made so far.
#[derive(Debug, Default)]
pub(super) struct Depth(usize);

impl Depth {
    /// Fetches more of the history of the base and of the pull requests. False where that cannot
    /// help any more: the history is whole, or there is nothing to fetch it from.
    pub(super) async fn fetch_more(&mut self, git: &Git, refs: &Refs, stop: &Stop) -> Result<bool> {
        let Some(how) = STEPS.get(self.0) else {
            return Ok(false);
        };
        self.0 += 1;
        if !is_shallow(git, stop).await? {
            // A base that was never fetched is one fetch away, no more.
            let first = self.0 == 1;
            self.0 = STEPS.len();
            return Ok(first && fetch(git, None, &wanted(refs), stop).await?);
        }
        info!("the clone is shallow: fetching more history with git fetch {how}");
        fetch(git, Some(how), &wanted(refs), stop).await
    }
}

/// Fetches a commit that a shallow clone may lack. Where that fails, what needs it will say so.
pub(super) async fn fetch_commit(git: &Git, commit: &str, stop: &Stop) -> Result<()> {
    let object = format!("{commit}^{{tree}}");
    if is_shallow(git, stop).await? && !git.run(["cat-file", "-e", &object], stop).await?.success()
    {
        info!("the clone is shallow: fetching the commit before the one under test");
        fetch(git, Some("--depth=1"), &[commit.to_owned()], stop).await?;
    }
    Ok(())
}

async fn is_shallow(git: &Git, stop: &Stop) -> Result<bool> {
    let answer = git.run(["rev-parse", "--is-shallow-repository"], stop);
    Ok(answer.await?.stdout.starts_with(b"true"))
}

/// The base, by its commit where that is known as its branch may be gone, and each pull request.
fn wanted(refs: &Refs) -> Vec<String> {
    let base = match (refs.base_sha.as_str(), refs.base_ref.as_str()) {
        ("", "") => None,
        ("", branch) => Some(format!("+refs/heads/{branch}:refs/remotes/origin/{branch}")),
        (commit, _) => Some(commit.to_owned()),
    };
    let pulls = refs.pulls.iter().map(|pull| pull.sha.clone());
    let wanted = base.into_iter().chain(pulls);
    wanted.filter(|name| !name.is_empty()).collect()
}

async fn fetch(git: &Git, how: Option<&str>, wanted: &[String], stop: &Stop) -> Result<bool> {
    let args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"];
    let args = args.into_iter().chain(how).chain(["--", "origin"]);
    let args: Vec<&str> = args.chain(wanted.iter().map(String::as_str)).collect();
    match timeout(LIMIT, git.run(args, stop)).await {
        Ok(finished) => {
            let finished = finished?;
            if !finished.success() {
                debug!("git fetch: {}", finished.reason());
            }
            Ok(finished.success())
        }
        Err(_) => Ok(false),
    }
}
