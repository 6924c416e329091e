//! A person's own use: the working tree that the program is started in, as the pull request
//! that its branch would make. The person's repository is only read.

mod base;
mod promised;
mod snapshot;

use std::path::{Path, PathBuf};

use common::app::Stop;
use common::git::Git;
use common::job::{Job, JobType, Pull, Refs, check_segment};
use common::{Error, Result};
use tracing::info;

use base::Base;
use promised::Promisor;
use snapshot::Snapshot;

/// Name of the job.
const JOB_NAME: &str = "local";

/// A working tree as a pull request.
#[derive(Debug)]
pub(crate) struct WorkingTree {
    /// The presubmit job of the pull request.
    pub(crate) job: Job,
    /// The root of the working tree.
    pub(crate) root: PathBuf,
    /// The bare repository with the base and the pull request.
    pub(crate) repository: Git,
    /// The commit of the pull request.
    pub(crate) head: String,
    /// Who has what is not in a partial clone.
    promisor: Option<Promisor>,
}

/// Makes a pull request of the working tree that `start` is in: its repository goes to
/// `folder`, which has to exist. Says in the log what it took.
pub(crate) async fn pull_request(
    start: &Path,
    base: Option<&str>,
    build_id: &str,
    folder: &Path,
    stop: &Stop,
) -> Result<WorkingTree> {
    let root = root(start, stop).await?;
    let git = Git::at(&root);
    let Some(head) = base::commit(&git, "HEAD", stop).await? else {
        return Err(
            Error::usage(format!("{} has no commit yet", root.display()))
                .hint("a pull request starts from a commit: make one"),
        );
    };
    let base = base::find(&git, base, stop).await?;
    let snapshot = snapshot::take(&git, &head, &base, folder, stop).await?;
    let promisor = Promisor::find(&git, stop).await?;
    let (org, repo) = repository_name(&git, &root, stop).await?;
    info!("{}", description(&org, &repo, &base, &snapshot));
    let refs = Refs {
        org,
        repo,
        base_ref: base.branch,
        base_sha: base.commit,
        clone_uri: utf8(snapshot.repository.folder())?.to_owned(),
        pulls: vec![Pull {
            number: 0,
            sha: snapshot.commit.clone(),
            ..Pull::default()
        }],
        blobless_fetch: promisor.is_some().then_some(true),
        ..Refs::default()
    };
    Ok(WorkingTree {
        job: Job {
            job_type: JobType::Presubmit,
            name: JOB_NAME.to_owned(),
            build_id: build_id.to_owned(),
            prow_job_id: String::new(),
            refs: Some(refs),
            extra_refs: Vec::new(),
        },
        root,
        repository: snapshot.repository,
        head: snapshot.commit,
        promisor,
    })
}

impl WorkingTree {
    /// Makes the pull request's repository one that steps can check out, whatever the person's
    /// lacks.
    pub(crate) async fn complete(&self, stop: &Stop) -> Result<()> {
        match &self.promisor {
            Some(promisor) => promisor.complete(self, stop).await,
            None => Ok(()),
        }
    }
}

/// The root of the working tree that a folder is in.
pub(crate) async fn root(start: &Path, stop: &Stop) -> Result<PathBuf> {
    let found = Git::at(start)
        .run(["rev-parse", "--show-toplevel"], stop)
        .await?;
    if found.success() {
        let root = String::from_utf8_lossy(&found.stdout);
        return Ok(PathBuf::from(root.trim_end_matches('\n')));
    }
    Err(
        Error::usage(format!("{} is in no git working tree", start.display()))
            .because(found.reason()),
    )
}

fn description(org: &str, repo: &str, base: &Base, snapshot: &Snapshot) -> String {
    let uncommitted = match snapshot.uncommitted {
        0 => "nothing is uncommitted".to_owned(),
        1 => "1 uncommitted file is included".to_owned(),
        more => format!("{more} uncommitted files are included"),
    };
    format!(
        "no Prow variable is set: testing this working tree as a pull request of {org}/{repo} \
         onto {} ({}, {}); {uncommitted}",
        base.branch,
        base.source,
        base.commit.get(..12).unwrap_or(&base.commit),
    )
}

/// `ORG` and `REPO` as the remote's URL has them, else `local` and the folder's name.
async fn repository_name(git: &Git, root: &Path, stop: &Stop) -> Result<(String, String)> {
    let mut remotes = vec!["origin".to_owned()];
    let others = git.text(["remote"], stop).await?;
    remotes.extend(others.lines().map(str::to_owned));
    for remote in remotes {
        if remote.starts_with('-') {
            continue;
        }
        let url = git.run(["remote", "get-url", &remote], stop).await?;
        let url = String::from_utf8_lossy(&url.stdout).into_owned();
        if let Some(name) = name_in_url(url.trim()) {
            return Ok(name);
        }
    }
    let folder = root.file_name().unwrap_or_default().to_string_lossy();
    let repo = match check_segment("repository", &folder) {
        Ok(()) => folder.into_owned(),
        Err(_) => "repository".to_owned(),
    };
    Ok(("local".to_owned(), repo))
}

/// The last two parts of a URL, or of a path, as `git@host:ORG/REPO.git` has them too.
fn name_in_url(url: &str) -> Option<(String, String)> {
    let path = url.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let mut parts = path.rsplit(['/', ':']);
    let (repo, org) = (parts.next()?, parts.next()?);
    let good = |part| check_segment("name", part).is_ok();
    (good(org) && good(repo)).then(|| (org.to_owned(), repo.to_owned()))
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Error::usage(format!(
            "{} is not UTF-8: choose another --run-dir",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remotes_url_names_the_repository() {
        for (url, name) in [
            (
                "https://github.com/kubeflow/testing.git",
                Some(("kubeflow", "testing")),
            ),
            (
                "git@github.com:kubeflow/testing",
                Some(("kubeflow", "testing")),
            ),
            ("ssh://git@host:22/o/r/", Some(("o", "r"))),
            ("/srv/git/r.git", Some(("git", "r"))),
            ("r", None),
            ("https://host/../r", None),
            ("", None),
        ] {
            let expected = name.map(|(org, repo)| (org.to_owned(), repo.to_owned()));
            assert_eq!(name_in_url(url), expected, "{url}");
        }
    }
}
