//! What will be done, checked, as data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::bucket::{
    self, Bucket, FINISHED, Finished, MediaTypes, ObjectName, Outcome, PathStrategy, Paths,
    STARTED, Started,
};
use common::env::{self, Env};
use common::job::Job;
use common::{Error, Result};

use crate::opts::{
    BucketOpts, Command, FilesOpts, FinishedOpts, Opts, StrategyName, SyncOpts, WatchOpts,
};
use crate::suffix::Suffix;

/// What Prow's pages call the record of a checkout.
const CLONE_RECORDS: &str = "clone-records.json";

/// A bucket has at most one new generation of an object a second.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// A longer time is as good as for ever.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// What will be done.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Copy a folder's files.
    Sync(Box<Sync>),
    /// Write some small objects.
    Write(Write),
    /// Write the verdict.
    Finish(Box<Finish>),
}

/// Copy what changed in a folder.
#[derive(Debug, Clone)]
pub(crate) struct Sync {
    /// Where from.
    pub(crate) from: Option<PathBuf>,
    /// Where to.
    pub(crate) bucket: Bucket,
    /// The folder in the bucket.
    pub(crate) folder: ObjectName,
    /// What each object's name gets.
    pub(crate) suffix: Suffix,
    /// Media types by extension.
    pub(crate) types: MediaTypes,
    /// Folders of secrets that are censored.
    pub(crate) secrets: Vec<PathBuf>,
    /// Whether what is no text is censored as well.
    pub(crate) censor_binaries: bool,
    /// Single files, and their objects.
    pub(crate) files: Vec<(PathBuf, ObjectName)>,
    /// The folder of the job in the bucket.
    pub(crate) job_folder: ObjectName,
    /// Where the job's page is.
    pub(crate) view_url: String,
    /// Whether objects without a file are removed.
    pub(crate) delete: bool,
    /// How long one pass may take.
    pub(crate) timeout: Duration,
    /// How long it goes on when it has been asked to end.
    pub(crate) grace_period: Duration,
    /// Whether it goes on.
    pub(crate) watch: Option<Watch>,
}

/// Copy what changes until told to end.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    /// How long the pause between two looks is.
    pub(crate) interval: Duration,
    /// Logs that grow, and their objects.
    pub(crate) logs: Vec<(PathBuf, ObjectName)>,
    /// A file whose appearance ends it.
    pub(crate) until: Option<PathBuf>,
}

/// Write small objects, in this order.
#[derive(Debug)]
pub(crate) struct Write {
    /// Where to.
    pub(crate) bucket: Bucket,
    /// Names and contents.
    pub(crate) objects: Vec<(ObjectName, Vec<u8>)>,
}

/// Write the verdict, after everything else.
#[derive(Debug)]
pub(crate) struct Finish {
    /// What is copied before.
    pub(crate) before: Option<Sync>,
    /// Where to.
    pub(crate) bucket: Bucket,
    /// The verdict's name.
    pub(crate) name: ObjectName,
    /// The verdict.
    pub(crate) finished: Finished,
    /// How long it is tried when the program has been asked to end.
    pub(crate) grace_period: Duration,
}

impl Plan {
    /// Checks what was typed. `now` and `node` (this machine's name) go into the records.
    pub(crate) fn new(opts: Opts, env: &Env, now: SystemTime, node: String) -> Result<Self> {
        let command = opts.command.unwrap_or(Command::Sync(Box::new(opts.sync)));
        let job = Job::from_env(env)?.ok_or_else(no_job)?;
        match command {
            Command::Sync(opts) => {
                let SyncOpts {
                    artifacts_dir,
                    files,
                    watch,
                } = *opts;
                let sync = Sync::new(artifacts_dir, files, watch, &job, env);
                sync.map(Box::new).map(Plan::Sync)
            }
            Command::PrSymlink(to) => pr_symlink(&to, &job, env).map(Plan::Write),
            Command::LatestBuild(to) => latest_build(&to, &job, env).map(Plan::Write),
            Command::Started(to) => {
                let started = Started {
                    node,
                    ..Started::of(&job, now)
                };
                record(&to, &job, env, STARTED, started.to_json()?).map(Plan::Write)
            }
            Command::Finished(opts) => {
                let finish = Finish::new(*opts, &job, env, now);
                finish.map(Box::new).map(Plan::Finish)
            }
        }
    }
}

impl Sync {
    fn new(
        from: Option<PathBuf>,
        opts: FilesOpts,
        watch: WatchOpts,
        job: &Job,
        env: &Env,
    ) -> Result<Self> {
        if from.is_none() && !opts.names_files() && watch.follow_log.is_empty() {
            return Err(Error::usage("no folder to copy from").hint(format!(
                "give --artifacts-dir DIR, or set {}",
                common::env::ARTIFACTS
            )));
        }
        let job_folder = bucket::job_folder(job, paths(&opts.to)?)?;
        let mut folder = job_folder.join("artifacts")?;
        if let Some(below) = opts.sub_dir {
            folder = folder.join(&below)?;
        }
        let suffix = Suffix::parse(opts.suffix.as_deref().unwrap_or_default())?;
        let beside = |file: PathBuf| {
            let name = object(&file)?.below(&job_folder)?;
            Ok((file, name))
        };
        let mut files = Vec::new();
        if let Some(records) = opts.records {
            files.push((records, job_folder.join(CLONE_RECORDS)?));
        }
        for file in opts.job_file {
            files.push(beside(file)?);
        }
        for file in opts.file {
            let name = suffix.apply(&object(&file)?)?.below(&folder)?;
            files.push((file, name));
        }
        let logs = watch.follow_log.into_iter().map(beside);
        let logs = logs.collect::<Result<Vec<_>>>()?;
        check_distinct(files.iter().chain(&logs))?;
        let mut types = MediaTypes::default();
        for entry in &opts.media_type {
            types.add(entry)?;
        }
        Ok(Sync {
            from,
            types,
            secrets: opts.censor.secrets_dir,
            censor_binaries: opts.censor.censor_binaries,
            bucket: bucket(&opts.to, env)?,
            folder,
            suffix,
            files,
            job_folder,
            view_url: opts.view_url,
            delete: opts.delete,
            timeout: opts.timeout.min(LONGEST),
            grace_period: opts.grace_period.min(LONGEST),
            watch: watch.watch.map(|interval| Watch {
                interval: interval.clamp(SHORTEST_INTERVAL, LONGEST),
                logs,
                until: watch.until_file,
            }),
        })
    }
}

impl Finish {
    fn new(opts: FinishedOpts, job: &Job, env: &Env, now: SystemTime) -> Result<Self> {
        let outcome = outcome(&opts);
        let to = &opts.files.to;
        let (bucket, name) = (
            bucket(to, env)?,
            bucket::job_folder(job, paths(to)?)?.join(FINISHED)?,
        );
        let from = opts.artifacts_dir;
        let grace_period = opts.files.grace_period.min(LONGEST);
        let before = if from.is_some() || opts.files.names_files() {
            let watch = WatchOpts::default();
            Some(Sync::new(from, opts.files, watch, job, env)?)
        } else {
            None
        };
        Ok(Finish {
            before,
            bucket,
            name,
            finished: Finished::of(job, outcome, now),
            grace_period,
        })
    }
}

/// Two files of one name would become one object, and nobody could say which.
fn check_distinct<'a>(files: impl Iterator<Item = &'a (PathBuf, ObjectName)>) -> Result<()> {
    let mut names = BTreeMap::new();
    for (file, name) in files {
        if let Some(other) = names.insert(name, file) {
            let (one, other) = (other.display(), file.display());
            let what = format!("{one} and {other} would both become {name}");
            return Err(Error::usage(what).hint("copy one of them with another --sub-dir"));
        }
    }
    Ok(())
}

/// The name that a single file's object has in its folder.
fn object(file: &Path) -> Result<ObjectName> {
    let name = file.file_name().map(Path::new);
    let name = name.ok_or_else(|| Error::usage(format!("{} is no file", file.display())))?;
    ObjectName::of_file(name)
}

/// Where the job's objects lie.
fn paths(to: &BucketOpts) -> Result<Paths> {
    let default = || match (&to.default_org, &to.default_repo) {
        (Some(org), Some(repo)) => Ok((org.clone(), repo.clone())),
        _ => Err(Error::usage(
            "--path-strategy single and legacy leave out a repository, and none is named",
        )
        .hint("give --default-org and --default-repo")),
    };
    let strategy = match to.path_strategy {
        StrategyName::Explicit => PathStrategy::Explicit,
        StrategyName::Single => {
            let (org, repo) = default()?;
            PathStrategy::Single { org, repo }
        }
        StrategyName::Legacy => {
            let (org, repo) = default()?;
            PathStrategy::Legacy { org, repo }
        }
    };
    let layout = to.layout;
    Ok(Paths { layout, strategy })
}

impl Sync {
    /// Where people find the job, each link with its name. A folder of this machine has none.
    pub(crate) fn links(&self) -> Vec<(&'static str, String)> {
        let bucket = self.bucket.to_string();
        let Some(bucket) = bucket.strip_prefix("gs://") else {
            return Vec::new();
        };
        let path = self.job_folder.as_str();
        let browser = format!("https://console.cloud.google.com/storage/browser/{bucket}/{path}");
        let page = self
            .view_url
            .replace("{bucket}", bucket)
            .replace("{path}", path);
        vec![
            ("the job's folder", format!("gs://{bucket}/{path}")),
            ("in the storage browser", browser.replace(' ', "%20")),
            ("the job's page", page.replace(' ', "%20")),
        ]
    }
}

fn pr_symlink(to: &BucketOpts, job: &Job, env: &Env) -> Result<Write> {
    let bucket = bucket(to, env)?;
    let target = bucket.url(&bucket::job_folder(job, paths(to)?)?);
    let alias = bucket::alias(job)?;
    let objects = alias.map(|alias| (alias, target.into_bytes()));
    Ok(Write {
        bucket,
        objects: objects.into_iter().collect(),
    })
}

fn latest_build(to: &BucketOpts, job: &Job, env: &Env) -> Result<Write> {
    // Asked first: a job without a build id has no latest build either.
    bucket::job_folder(job, paths(to)?)?;
    let body = job.build_id.as_bytes();
    let names = bucket::latest_builds(job, paths(to)?)?;
    Ok(Write {
        bucket: bucket(to, env)?,
        objects: names
            .into_iter()
            .map(|name| (name, body.to_vec()))
            .collect(),
    })
}

fn record(to: &BucketOpts, job: &Job, env: &Env, name: &str, content: Vec<u8>) -> Result<Write> {
    let name = bucket::job_folder(job, paths(to)?)?.join(name)?;
    Ok(Write {
        bucket: bucket(to, env)?,
        objects: vec![(name, content)],
    })
}

fn outcome(opts: &FinishedOpts) -> Outcome {
    match (opts.result, opts.passed) {
        (Some(outcome), _) => outcome,
        (None, Some(true)) => Outcome::Success,
        (None, _) => Outcome::Failure,
    }
}

fn bucket(to: &BucketOpts, env: &Env) -> Result<Bucket> {
    let Some(url) = &to.bucket else {
        return Err(Error::usage("no bucket to write to")
            .hint("give --bucket gs://BUCKET or file:///FOLDER"));
    };
    Bucket::parse(url, env)
}

fn no_job() -> Error {
    Error::usage("the environment does not say which job this is").hint(format!(
        "set {}, or {}, {}, {} and the others that Prow sets",
        env::JOB_SPEC,
        env::JOB_TYPE,
        env::JOB_NAME,
        env::BUILD_ID
    ))
}
