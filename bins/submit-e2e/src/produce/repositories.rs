//! Where the repositories are that a configuration names as `ORG/REPO/PATH`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::app::{App, Stop};
use common::exec::{self, Limits};
use common::{Error, Result, ResultExt, env};
use tracing::info;

use super::file::within;
use crate::siblings;

/// The program that places a repository.
const CHECKOUT: &str = "checkout";

/// How much of what it says is kept.
const MOST_SAID: usize = 64 * 1024;

/// The repositories of a run.
#[derive(Debug)]
pub(crate) struct Repositories {
    /// `ORG/REPO` under test, where it is known.
    under_test: Option<(String, String)>,
    root: PathBuf,
    /// Whether the root is a person's working tree: a fork has another ORG.
    is_working_tree: bool,
    /// Folder that may have the others as `ORG/REPO`.
    folder: Option<PathBuf>,
    /// Folder that gets those that are missing.
    fetched: PathBuf,
}

impl Repositories {
    /// Those of a run: `repos_dir` has them, and gets what is missing. Where none is given the
    /// root may be in such a folder; what is missing goes to `work` then. All paths are absolute
    /// from here on: programs that are started elsewhere, and imports, have another idea of `.`.
    pub(crate) fn new(
        under_test: Option<(String, String)>,
        root: &Path,
        is_working_tree: bool,
        repos_dir: Option<&Path>,
        work: &Path,
    ) -> Result<Self> {
        let absolute = |path: &Path| {
            std::path::absolute(path).or_failed(|| format!("find {}", path.display()))
        };
        let root = absolute(root)?;
        let repos_dir = repos_dir.map(absolute).transpose()?;
        let around = || {
            let (org, repo) = under_test.as_ref()?;
            let folder = root.parent()?.parent()?;
            root.ends_with(Path::new(org).join(repo))
                .then(|| folder.to_owned())
        };
        Ok(Repositories {
            folder: repos_dir.clone().or_else(around),
            fetched: repos_dir.unwrap_or_else(|| work.join("src")),
            under_test,
            root,
            is_working_tree,
        })
    }

    /// The root of the repository under test.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The root of a repository, there or not.
    fn root_of(&self, org: &str, repo: &str) -> PathBuf {
        match &self.under_test {
            Some((own_org, own_repo))
                if own_repo == repo && (own_org == org || self.is_working_tree) =>
            {
                self.root.clone()
            }
            _ => {
                let within = |folder: &PathBuf| folder.join(org).join(repo);
                let there = self.folder.as_ref().map(within);
                there
                    .filter(|root| root.is_dir())
                    .unwrap_or_else(|| within(&self.fetched))
            }
        }
    }

    /// The root of the repository that `ORG/REPO/PATH` is in, there or not.
    pub(crate) fn root_of_path(&self, path: &str) -> PathBuf {
        let (org, repo, _) = split(path);
        self.root_of(org, repo)
    }

    /// Whether there is something at `ORG/REPO/PATH`, be it a link that leads nowhere.
    pub(crate) fn has(&self, path: &str) -> bool {
        let (org, repo, rest) = split(path);
        let place = self.root_of(org, repo).join(rest);
        place.symlink_metadata().is_ok()
    }

    /// The file or folder that `ORG/REPO/PATH` names; it has to be there, and in its repository.
    pub(crate) fn find(&self, path: &str) -> Result<PathBuf> {
        let (org, repo, rest) = split(path);
        let root = self.root_of(org, repo);
        let place = root.join(rest);
        within(&place, &root)
    }

    /// Checks out the repositories of these paths that are not there. Gives, of all of them, the
    /// roots by `ORG/REPO`.
    pub(crate) async fn provide(
        &self,
        paths: &[String],
        app: &App,
    ) -> Result<BTreeMap<String, PathBuf>> {
        let mut roots = BTreeMap::new();
        if let Some((org, repo)) = &self.under_test {
            roots.insert(format!("{org}/{repo}"), self.root.clone());
        }
        let mut missing = Vec::new();
        for path in paths {
            let (org, repo, _) = split(path);
            let root = self.root_of(org, repo);
            let name = format!("{org}/{repo}");
            if !root.is_dir() && !missing.contains(&name) {
                missing.push(name.clone());
            }
            roots.insert(name, root);
        }
        if !missing.is_empty() {
            self.check_out(&missing, app).await?;
        }
        Ok(roots)
    }

    async fn check_out(&self, names: &[String], app: &App) -> Result<()> {
        info!("checking out {}: python_paths names it", names.join(", "));
        std::fs::create_dir_all(&self.fetched)
            .or_failed(|| format!("make {}", self.fetched.display()))?;
        let wanted: Vec<_> = names.iter().map(|name| format!("{name}@HEAD")).collect();
        let command = exec::Command::new(siblings::program(CHECKOUT))
            .arg("--src-dir")
            .arg(&self.fetched)
            .arg("--depth=1")
            .arg(format!("--repos={}", wanted.join(",")))
            // The job's own repository is not asked for.
            .env_remove(env::PROW)
            .env_remove([env::EXTRA_REPOS])
            .env(env::LOG_FORMAT, "text");
        captured(&command, &app.stop).await
    }
}

async fn captured(command: &exec::Command, stop: &Stop) -> Result<()> {
    let limits = Limits {
        deadline: None,
        grace: Duration::from_secs(15),
    };
    let captured = exec::capture(command, limits, stop, MOST_SAID).await;
    let captured = captured.or_failed(|| command.to_string())?;
    if captured.ended.success() {
        return Ok(());
    }
    stop.check(CHECKOUT)?;
    let what = command.to_string();
    let error = match captured.ended.code() {
        2 => Error::usage(what),
        75 => Error::unavailable(what),
        _ => Error::failed(what),
    };
    Err(error.because(siblings::last_error(&captured.stderr)))
}

fn split(path: &str) -> (&str, &str, &str) {
    let mut parts = path.splitn(3, '/');
    let mut next = || parts.next().unwrap_or_default();
    (next(), next(), next())
}
