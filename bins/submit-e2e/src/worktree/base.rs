//! What a working tree is compared with: the branch that its pull request would go into.

use common::app::Stop;
use common::git::Git;
use common::job::check_ref;
use common::{Error, Result};

/// The base of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    /// Name of the branch, without its remote.
    pub(super) branch: String,
    /// Its commit.
    pub(super) commit: String,
    /// Where that was taken from, for the log.
    pub(super) source: String,
}

/// The commit that a revision names, if it names one.
pub(super) async fn commit(git: &Git, revision: &str, stop: &Stop) -> Result<Option<String>> {
    let commit = format!("{revision}^{{commit}}");
    let found = git
        .run(["rev-parse", "--quiet", "--verify", &commit], stop)
        .await?;
    let text = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    Ok((found.success() && !text.is_empty()).then_some(text))
}

/// The base that was asked for, else the branch's upstream, else the default branch.
pub(super) async fn find(git: &Git, asked: Option<&str>, stop: &Stop) -> Result<Base> {
    if let Some(asked) = asked {
        return of_revision(git, asked, stop).await;
    }
    for reference in candidates(git, stop).await? {
        if let Some(commit) = commit(git, &reference, stop).await? {
            return Ok(Base {
                branch: branch_of(&reference).to_owned(),
                commit,
                source: short(&reference).to_owned(),
            });
        }
    }
    Err(
        Error::usage("no branch is known that this working tree would be merged into")
            .hint("name it with --base REF"),
    )
}

async fn of_revision(git: &Git, asked: &str, stop: &Stop) -> Result<Base> {
    let unknown = || {
        Error::usage(format!(
            "--base {asked:?} names no commit of this repository"
        ))
    };
    // It stands where git expects options as well.
    if asked.is_empty() || asked.starts_with('-') {
        return Err(unknown());
    }
    let Some(commit) = commit(git, asked, stop).await? else {
        return Err(unknown());
    };
    let full = git
        .text(["rev-parse", "--symbolic-full-name", asked], stop)
        .await?;
    let branch = if full.starts_with("refs/") {
        branch_of(&full)
    } else {
        "base"
    };
    check_ref("the base's branch", branch)?;
    Ok(Base {
        branch: branch.to_owned(),
        commit,
        source: "--base".to_owned(),
    })
}

/// Full names of the refs that may be the base, the best one first.
async fn candidates(git: &Git, stop: &Stop) -> Result<Vec<String>> {
    let branch = symbolic(git, "HEAD", stop).await?;
    let default = symbolic(git, "refs/remotes/origin/HEAD", stop).await?;
    let mut candidates = Vec::new();
    if let Some(branch) = &branch
        && let Some((upstream, remote_branch)) = upstream(git, branch, stop).await?
    {
        // A branch that was pushed under its own name is its own upstream, and no base;
        // unless it is the default branch.
        let own = branch_of(branch);
        let is_default = match &default {
            Some(default) => branch_of(default) == own,
            None => ["main", "master"].contains(&own),
        };
        if remote_branch != own || is_default {
            candidates.push(upstream);
        }
    }
    candidates.extend(default);
    for place in ["refs/remotes/origin", "refs/heads"] {
        candidates.extend(["main", "master"].map(|name| format!("{place}/{name}")));
    }
    Ok(candidates)
}

async fn symbolic(git: &Git, name: &str, stop: &Stop) -> Result<Option<String>> {
    let found = git.run(["symbolic-ref", "--quiet", name], stop).await?;
    let text = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    Ok((found.success() && !text.is_empty()).then_some(text))
}

/// The upstream of a branch as a local ref, and its branch's name on the remote.
async fn upstream(git: &Git, branch: &str, stop: &Stop) -> Result<Option<(String, String)>> {
    let format = "--format=%(upstream) %(upstream:remoteref)";
    let line = git
        .text(["for-each-ref", "--count=1", format, branch], stop)
        .await?;
    let mut parts = line.split(' ').filter(|part| !part.is_empty());
    Ok(match (parts.next(), parts.next()) {
        (Some(reference), Some(remote)) => {
            Some((reference.to_owned(), branch_of(remote).to_owned()))
        }
        _ => None,
    })
}

/// `refs/heads/NAME` and `refs/remotes/REMOTE/NAME` to `NAME`.
fn branch_of(reference: &str) -> &str {
    if let Some(name) = reference.strip_prefix("refs/heads/") {
        return name;
    }
    let remote = reference.strip_prefix("refs/remotes/");
    match remote.and_then(|name| name.split_once('/')) {
        Some((_, name)) => name,
        None => "base",
    }
}

fn short(reference: &str) -> &str {
    let prefixes = ["refs/heads/", "refs/remotes/"];
    let stripped = prefixes
        .iter()
        .find_map(|prefix| reference.strip_prefix(prefix));
    stripped.unwrap_or(reference)
}
