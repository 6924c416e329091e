//! The files that a change touches, asked of git.

mod missing;

use common::app::Stop;
use common::git::Git;
use common::job::{Job, JobType, Refs};
use common::{Error, Exit, Result};

use crate::select::Changes;

/// The files that the job's change touches in a repository whose tested commit is `head`.
/// Where git cannot tell, that is no error: everything runs then.
pub(crate) async fn changed_files(
    git: &Git,
    job: &Job,
    head: &str,
    stop: &Stop,
) -> Result<Changes> {
    let files = match (job.job_type, &job.refs) {
        // Periodic jobs run everything that is theirs.
        (JobType::Periodic, _) => return Ok(Changes::Files(Vec::new())),
        (_, None) => return Ok(Changes::Unknown("the job has no refs".to_owned())),
        (JobType::Postsubmit, Some(refs)) => of_commit(git, refs, head, stop).await,
        (JobType::Presubmit | JobType::Batch, Some(refs)) => of_pulls(git, refs, head, stop).await,
    };
    match files {
        Ok(files) => Ok(Changes::Files(files)),
        Err(error) if matches!(error.exit(), Exit::Interrupted(_)) => Err(error),
        Err(error) => Ok(Changes::Unknown(error.report())),
    }
}

/// What the pull requests change: from where they left the base branch to `head`.
async fn of_pulls(git: &Git, refs: &Refs, head: &str, stop: &Stop) -> Result<Vec<String>> {
    let mut depth = missing::Depth::default();
    loop {
        let fork = match base(git, refs, stop).await {
            Ok(base) => git.text(["merge-base", head, &base], stop).await,
            Err(error) => Err(error),
        };
        match fork {
            Ok(fork) => return difference(git, &fork, head, stop).await,
            Err(error) if matches!(error.exit(), Exit::Interrupted(_)) => return Err(error),
            // The history may end before the point where the change left its base.
            Err(error) if !depth.fetch_more(git, refs, stop).await? => return Err(error),
            Err(_) => {}
        }
    }
}

/// The base commit, or the base branch where that commit is not here.
async fn base(git: &Git, refs: &Refs, stop: &Stop) -> Result<String> {
    let mut candidates = Vec::new();
    if !refs.base_sha.is_empty() {
        candidates.push(refs.base_sha.clone());
    }
    if !refs.base_ref.is_empty() {
        candidates.push(format!("refs/remotes/origin/{}", refs.base_ref));
        candidates.push(format!("refs/heads/{}", refs.base_ref));
    }
    for candidate in &candidates {
        let commit = format!("{candidate}^{{commit}}");
        let found = git
            .run(["rev-parse", "--quiet", "--verify", &commit], stop)
            .await?;
        if found.success() {
            return Ok(candidate.clone());
        }
    }
    Err(Error::failed(format!(
        "none of the base's names is in {}: {}",
        git.folder().display(),
        candidates.join(", ")
    )))
}

/// What a merged commit changes against its first parent; all files for a first commit.
async fn of_commit(git: &Git, refs: &Refs, head: &str, stop: &Stop) -> Result<Vec<String>> {
    let commit = if refs.base_sha.is_empty() {
        head
    } else {
        &refs.base_sha
    };
    // As written in the object: a shallow clone's last commit has a parent that is not here,
    // and must not pass for a first commit.
    let object = git.text(["cat-file", "commit", commit], stop).await?;
    let mut header = object.lines().take_while(|line| !line.is_empty());
    match header.find_map(|line| line.strip_prefix("parent ")) {
        Some(parent) => {
            missing::fetch_commit(git, parent, stop).await?;
            difference(git, parent, commit, stop).await
        }
        None => {
            names(
                git,
                &["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit],
                stop,
            )
            .await
        }
    }
}

/// A rename counts as both of its names, which also spares a partial clone from fetching the
/// contents that git would compare.
async fn difference(git: &Git, from: &str, to: &str, stop: &Stop) -> Result<Vec<String>> {
    names(
        git,
        &["diff", "--name-only", "--no-renames", "-z", from, to, "--"],
        stop,
    )
    .await
}

async fn names(git: &Git, args: &[&str], stop: &Stop) -> Result<Vec<String>> {
    let bytes = git.bytes(args, stop).await?;
    let names = bytes
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    Ok(names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect())
}
