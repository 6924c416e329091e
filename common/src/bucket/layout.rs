//! Where a job's objects lie: the layout that Prow's pages and TestGrid read.
//!
//! Source: Prow's `pkg/pod-utils/gcs` (`PathForSpec`, `AliasForSpec`, `LatestBuildForSpec`).

use super::ObjectName;
use crate::job::{self, Job, JobType, Refs};
use crate::{Error, Result, env};

/// Where aliases lie.
const DIRECTORY: &str = "pr-logs/directory";

/// The object whose body is a build id.
const LATEST_BUILD: &str = "latest-build.txt";

/// Whose rule places the objects of a postsubmit; all other jobs lie in the same place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// `logs/JOB/BUILD`, as Prow has it.
    #[default]
    #[value(help = "logs/JOB/BUILD, as Prow has it")]
    Prow,
    /// `logs/ORG_REPO/JOB/BUILD`, as kubeflow/testing had it.
    #[value(help = "logs/ORG_REPO/JOB/BUILD, as kubeflow/testing had it")]
    Kubeflow,
}

impl Layout {
    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Layout::Prow => "prow",
            Layout::Kubeflow => "kubeflow",
        }
    }
}

/// How a repository is named in a path. Source: Prow's `RepoPathBuilder`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PathStrategy {
    /// `ORG_REPO` always.
    #[default]
    Explicit,
    /// Nothing for this repository, `ORG_REPO` for others.
    Single {
        /// Its organisation.
        org: String,
        /// Its name.
        repo: String,
    },
    /// As `Single`, and `REPO` for the others of this organisation.
    Legacy {
        /// The organisation.
        org: String,
        /// The repository of no name.
        repo: String,
    },
}

/// Everything that decides where a job's objects lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    /// Where postsubmits lie.
    pub layout: Layout,
    /// How repositories are named.
    pub strategy: PathStrategy,
}

impl From<Layout> for Paths {
    fn from(layout: Layout) -> Self {
        Paths {
            layout,
            ..Paths::default()
        }
    }
}

impl PathStrategy {
    fn segment(&self, org: &str, repo: &str) -> String {
        match self {
            PathStrategy::Single {
                org: default_org,
                repo: default_repo,
            }
            | PathStrategy::Legacy {
                org: default_org,
                repo: default_repo,
            } if org == default_org && repo == default_repo => String::new(),
            PathStrategy::Legacy {
                org: default_org, ..
            } if org == default_org => repo.to_owned(),
            _ => {
                // Gerrit's organisations are URLs, and its repositories have folders.
                let org = org.strip_prefix("https://").unwrap_or(org);
                format!("{org}_{}", repo.replace('/', "_"))
            }
        }
    }
}

/// The folder of one run of a job.
pub fn job_folder(job: &Job, paths: impl Into<Paths>) -> Result<ObjectName> {
    builds_folder(job, &paths.into())?.join(build(job)?)
}

/// The object that says where a pull request's run lies: its body is the folder's URL. Only
/// presubmits have one.
pub fn alias(job: &Job) -> Result<Option<ObjectName>> {
    if job.job_type != JobType::Presubmit {
        return Ok(None);
    }
    directory(job)?
        .join(&format!("{}.txt", build(job)?))
        .map(Some)
}

/// Whether an object is an [`alias`], by its name.
pub(super) fn is_alias(name: &ObjectName) -> bool {
    name.as_str().starts_with(DIRECTORY) && name.file_name() != LATEST_BUILD
}

/// The objects that name the latest run of a job; each body is the bare build id.
pub fn latest_builds(job: &Job, paths: impl Into<Paths>) -> Result<Vec<ObjectName>> {
    let paths = &paths.into();
    let folders = match job.job_type {
        JobType::Presubmit => vec![directory(job)?, builds_folder(job, paths)?],
        JobType::Batch => vec![directory(job)?],
        JobType::Periodic | JobType::Postsubmit => vec![builds_folder(job, paths)?],
    };
    folders
        .iter()
        .map(|folder| folder.join(LATEST_BUILD))
        .collect()
}

/// The folder of all runs of a job; for a presubmit, of its runs for one pull request.
fn builds_folder(job: &Job, paths: &Paths) -> Result<ObjectName> {
    let name = name(job)?;
    let folder = match (job.job_type, paths.layout) {
        (JobType::Presubmit, _) => {
            let Some(pull) = job.pull() else {
                return Err(missing(job, "a pull request", env::PULL_NUMBER));
            };
            let repository = repository(job, &paths.strategy)?;
            format!("pr-logs/pull{repository}/{}", pull.number)
        }
        (JobType::Batch, _) => "pr-logs/pull/batch".to_owned(),
        (JobType::Postsubmit, Layout::Kubeflow) => {
            format!("logs{}", repository(job, &paths.strategy)?)
        }
        (JobType::Postsubmit | JobType::Periodic, _) => "logs".to_owned(),
    };
    ObjectName::parse(&folder)?.join(name)
}

fn directory(job: &Job) -> Result<ObjectName> {
    ObjectName::parse(DIRECTORY)?.join(name(job)?)
}

fn name(job: &Job) -> Result<&str> {
    if job.name.is_empty() {
        return Err(missing(job, "a name", env::JOB_NAME));
    }
    job::check_segment(env::JOB_NAME, &job.name)?;
    Ok(&job.name)
}

fn build(job: &Job) -> Result<&str> {
    if job.build_id.is_empty() {
        return Err(missing(job, "a build id", env::BUILD_ID));
    }
    job::check_segment(env::BUILD_ID, &job.build_id)?;
    Ok(&job.build_id)
}

/// `/SEGMENT`, or nothing where the repository has no segment.
fn repository(job: &Job, strategy: &PathStrategy) -> Result<String> {
    let refs = job.refs.as_ref();
    let Some(Refs { org, repo, .. }) = refs.filter(|refs| !refs.repo.is_empty()) else {
        let variables = format!("{} and {}", env::REPO_OWNER, env::REPO_NAME);
        return Err(missing(job, "a repository", &variables));
    };
    let segment = strategy.segment(org, repo);
    if segment.is_empty() {
        return Ok(segment);
    }
    job::check_segment("repository", &segment)?;
    Ok(format!("/{segment}"))
}

fn missing(job: &Job, what: &str, variables: &str) -> Error {
    Error::usage(format!(
        "the {} {:?} has no place in the bucket without {what}",
        job.job_type.as_str(),
        job.name
    ))
    .hint(format!("set JOB_SPEC, or {variables}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Pull;

    fn job(job_type: JobType) -> Job {
        let pulls = match job_type {
            JobType::Presubmit => vec![12],
            JobType::Batch => vec![12, 13],
            _ => vec![],
        };
        let pull = |number| Pull {
            number,
            ..Pull::default()
        };
        Job {
            job_type,
            name: "e2e".to_owned(),
            build_id: "7".to_owned(),
            prow_job_id: String::new(),
            refs: Some(Refs {
                org: "o".to_owned(),
                repo: "r".to_owned(),
                pulls: pulls.into_iter().map(pull).collect(),
                ..Refs::default()
            }),
            extra_refs: Vec::new(),
        }
    }

    fn strings(names: &[ObjectName]) -> Vec<&str> {
        names.iter().map(ObjectName::as_str).collect()
    }

    #[test]
    fn each_kind_of_job_has_its_folder() {
        for (job_type, layout, folder) in [
            (
                JobType::Presubmit,
                Layout::Prow,
                "pr-logs/pull/o_r/12/e2e/7",
            ),
            (
                JobType::Presubmit,
                Layout::Kubeflow,
                "pr-logs/pull/o_r/12/e2e/7",
            ),
            (JobType::Batch, Layout::Prow, "pr-logs/pull/batch/e2e/7"),
            (JobType::Batch, Layout::Kubeflow, "pr-logs/pull/batch/e2e/7"),
            (JobType::Periodic, Layout::Prow, "logs/e2e/7"),
            (JobType::Periodic, Layout::Kubeflow, "logs/e2e/7"),
            (JobType::Postsubmit, Layout::Prow, "logs/e2e/7"),
            (JobType::Postsubmit, Layout::Kubeflow, "logs/o_r/e2e/7"),
        ] {
            let name = job_folder(&job(job_type), layout).unwrap();
            assert_eq!(name.as_str(), folder, "{job_type:?} {layout:?}");
        }
    }

    #[test]
    fn a_repository_is_named_as_prows_strategies_have_it() {
        let default = |org: &str, repo: &str| (org.to_owned(), repo.to_owned());
        let single = |(org, repo)| PathStrategy::Single { org, repo };
        let legacy = |(org, repo)| PathStrategy::Legacy { org, repo };
        for (strategy, folder) in [
            (PathStrategy::Explicit, "pr-logs/pull/o_r/12/e2e/7"),
            (single(default("o", "r")), "pr-logs/pull/12/e2e/7"),
            (single(default("o", "x")), "pr-logs/pull/o_r/12/e2e/7"),
            (legacy(default("o", "r")), "pr-logs/pull/12/e2e/7"),
            (legacy(default("o", "x")), "pr-logs/pull/r/12/e2e/7"),
            (legacy(default("x", "r")), "pr-logs/pull/o_r/12/e2e/7"),
        ] {
            let layout = Layout::Prow;
            let paths = Paths { layout, strategy };
            let name = job_folder(&job(JobType::Presubmit), paths).unwrap();
            assert_eq!(name.as_str(), folder);
        }
        let mut gerrit = job(JobType::Presubmit);
        let refs = gerrit.refs.as_mut().unwrap();
        (refs.org, refs.repo) = default("https://gerrit.example", "a/b");
        let name = job_folder(&gerrit, Layout::Prow).unwrap();
        assert_eq!(name.as_str(), "pr-logs/pull/gerrit.example_a_b/12/e2e/7");
    }

    #[test]
    fn only_a_presubmit_has_an_alias() {
        let name = alias(&job(JobType::Presubmit)).unwrap().unwrap();
        assert_eq!(name.as_str(), "pr-logs/directory/e2e/7.txt");
        for job_type in [JobType::Batch, JobType::Periodic, JobType::Postsubmit] {
            assert_eq!(alias(&job(job_type)).unwrap(), None);
        }
    }

    #[test]
    fn the_latest_build_is_named_beside_the_builds_and_in_the_directory() {
        let names = latest_builds(&job(JobType::Presubmit), Layout::Prow).unwrap();
        assert_eq!(
            strings(&names),
            [
                "pr-logs/directory/e2e/latest-build.txt",
                "pr-logs/pull/o_r/12/e2e/latest-build.txt"
            ]
        );
        let names = latest_builds(&job(JobType::Batch), Layout::Prow).unwrap();
        assert_eq!(strings(&names), ["pr-logs/directory/e2e/latest-build.txt"]);
        for job_type in [JobType::Periodic, JobType::Postsubmit] {
            let names = latest_builds(&job(job_type), Layout::Prow).unwrap();
            assert_eq!(strings(&names), ["logs/e2e/latest-build.txt"]);
        }
    }

    #[test]
    fn what_is_missing_is_named_by_its_variable() {
        let mut no_build = job(JobType::Periodic);
        no_build.build_id.clear();
        let mut no_name = job(JobType::Periodic);
        no_name.name.clear();
        let mut no_pull = job(JobType::Presubmit);
        no_pull.refs.as_mut().unwrap().pulls.clear();
        let mut no_refs = job(JobType::Presubmit);
        no_refs.refs.as_mut().unwrap().repo.clear();
        let mut no_repository = job(JobType::Postsubmit);
        no_repository.refs = None;
        for (job, variable) in [
            (no_build, "BUILD_ID"),
            (no_name, "JOB_NAME"),
            (no_pull, "PULL_NUMBER"),
            (no_refs, "REPO_NAME"),
            (no_repository, "REPO_OWNER"),
        ] {
            let error = job_folder(&job, Layout::Kubeflow).unwrap_err();
            assert_eq!(error.exit(), crate::Exit::Usage);
            assert!(error.report().contains(variable), "{}", error.report());
        }
    }

    #[test]
    fn a_job_named_like_a_path_is_refused() {
        let mut hostile = job(JobType::Periodic);
        hostile.name = "../../x".to_owned();
        assert!(job_folder(&hostile, Layout::Prow).is_err());
        assert!(latest_builds(&hostile, Layout::Prow).is_err());
    }
}
