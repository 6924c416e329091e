//! What is tested: the change that Prow names, or the working tree of a person.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use common::app::{App, Stop};
use common::env::{self, Env};
use common::git::Git;
use common::job::{Job, check_segment};
use common::{Error, Result, ResultExt};

use crate::opts::SourceOpts;
use crate::worktree::{self, WorkingTree};

/// Where the configuration of a repository's tests is.
const CONFIG_FILE: &str = "prow_config.yaml";

/// What is tested.
#[derive(Debug)]
pub(crate) enum Origin {
    /// The change of a Prow job.
    Prow(Box<Job>),
    /// A person's working tree.
    WorkingTree(Box<WorkingTree>),
}

/// Where the change and its configuration are.
#[derive(Debug)]
pub(crate) struct Source {
    /// The root of the repository under test.
    pub(crate) root: PathBuf,
    /// Its configuration.
    pub(crate) config: PathBuf,
    /// The repository to ask about changes.
    pub(crate) repository: Git,
    /// The commit under test.
    pub(crate) head: String,
}

/// A build id for a run that no Prow numbered.
pub(crate) fn own_build_id() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis().to_string()
}

impl Origin {
    /// A working tree as a pull request, with its repository in `folder`.
    pub(crate) async fn of_working_tree(
        opts: &SourceOpts,
        build_id: &str,
        folder: &Path,
        stop: &Stop,
    ) -> Result<Origin> {
        let start = std::env::current_dir().or_failed(|| "find the current folder")?;
        let base = opts.base.as_deref();
        let tree = worktree::pull_request(&start, base, build_id, folder, stop).await;
        tree.map(|tree| Origin::WorkingTree(Box::new(tree)))
    }

    /// As the environment says; where it says nothing a working tree with its repository in a
    /// folder that goes away with the returned one.
    pub(crate) async fn find(opts: &SourceOpts, app: &App) -> Result<(Origin, tempfile::TempDir)> {
        let folder = tempfile::tempdir().or_failed(|| "make a temporary folder")?;
        let origin = match Job::from_env(&app.env)? {
            Some(job) => Origin::Prow(Box::new(job)),
            None => {
                Origin::of_working_tree(opts, &own_build_id(), folder.path(), &app.stop).await?
            }
        };
        Ok((origin, folder))
    }

    /// The job.
    pub(crate) fn job(&self) -> &Job {
        match self {
            Origin::Prow(job) => job,
            Origin::WorkingTree(tree) => &tree.job,
        }
    }

    /// `ORG` and `REPO` under test, where the job names them.
    pub(crate) fn repository(&self, env: &Env) -> Option<(String, String)> {
        repository_of(self.job(), env).ok()
    }

    /// Finds the repository under test and its configuration.
    pub(crate) async fn source(&self, opts: &SourceOpts, app: &App) -> Result<Source> {
        let (root, repository, head) = match self {
            Origin::Prow(job) => {
                let root = checked_out(job, opts, app).await?;
                (root.clone(), Git::at(root), "HEAD".to_owned())
            }
            Origin::WorkingTree(tree) => (
                tree.root.clone(),
                tree.repository.clone(),
                tree.head.clone(),
            ),
        };
        let config = opts.config_file.clone();
        Ok(Source {
            config: config.unwrap_or_else(|| root.join(CONFIG_FILE)),
            root,
            repository,
            head,
        })
    }
}

/// The repository of a job: below the folder of repositories, else the working tree that the
/// program is started in, as Prow's own clone is.
async fn checked_out(job: &Job, opts: &SourceOpts, app: &App) -> Result<PathBuf> {
    let Some(repos_dir) = &opts.repos_dir else {
        let start = std::env::current_dir().or_failed(|| "find the current folder")?;
        return worktree::root(&start, &app.stop).await.map_err(|error| {
            error.hint("say with --repos-dir where the repositories are checked out")
        });
    };
    let (org, repo) = repository_of(job, &app.env)?;
    let root = repos_dir.join(org).join(repo);
    if root.is_dir() {
        Ok(root)
    } else {
        Err(Error::usage(format!(
            "the repository under test is not in {}",
            root.display()
        ))
        .hint("check it out first: checkout --src-dir DIR, with the DIR of --repos-dir"))
    }
}

fn repository_of(job: &Job, env: &Env) -> Result<(String, String)> {
    if let Some(refs) = job.refs.as_ref().or(job.extra_refs.first()) {
        return Ok((refs.org.clone(), refs.repo.clone()));
    }
    match (env.get(env::REPO_OWNER), env.get(env::REPO_NAME)) {
        (Some(org), Some(repo)) => {
            check_segment(env::REPO_OWNER, org)?;
            check_segment(env::REPO_NAME, repo)?;
            Ok((org.to_owned(), repo.to_owned()))
        }
        _ => Err(
            Error::usage(format!("job {:?} names no repository", job.name))
                .hint("set JOB_SPEC.extra_refs, or REPO_OWNER and REPO_NAME"),
        ),
    }
}
