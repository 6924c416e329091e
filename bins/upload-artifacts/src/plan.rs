//! What will be done, checked, as data.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::bucket::{
    self, Bucket, FINISHED, Finished, MediaTypes, ObjectName, Outcome, PathStrategy, Paths,
    STARTED, Started,
};
use common::env::{self, Env};
use common::job::Job;
use common::{Error, Result};

use crate::opts::{BucketOpts, Command, FinishedOpts, Opts, StrategyName, SyncOpts};
use crate::suffix::Suffix;

/// What Prow's pages call the record of a checkout.
const CLONE_RECORDS: &str = "clone-records.json";

/// A bucket has at most one new generation of an object a second.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// What will be done.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Copy a folder's files.
    Sync(Box<Sync>),
    /// Write some small objects.
    Write(Write),
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

impl Plan {
    /// Checks what was typed. `now` and `node` (this machine's name) go into the records.
    pub(crate) fn new(opts: Opts, env: &Env, now: SystemTime, node: String) -> Result<Self> {
        let command = opts.command.unwrap_or(Command::Sync(Box::new(opts.sync)));
        let job = Job::from_env(env)?.ok_or_else(no_job)?;
        match command {
            Command::Sync(opts) => Sync::new(*opts, &job, env).map(Box::new).map(Plan::Sync),
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
                let finished = Finished::of(&job, outcome(&opts), now);
                record(&opts.to, &job, env, FINISHED, finished.to_json()?).map(Plan::Write)
            }
        }
    }
}

impl Sync {
    fn new(opts: SyncOpts, job: &Job, env: &Env) -> Result<Self> {
        let files = !opts.file.is_empty() || !opts.job_file.is_empty();
        if opts.artifacts_dir.is_none() && !files && opts.follow_log.is_empty() {
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
        let logs = opts.follow_log.into_iter().map(beside);
        let logs = logs.collect::<Result<Vec<_>>>()?;
        let mut types = MediaTypes::default();
        for entry in &opts.media_type {
            types.add(entry)?;
        }
        Ok(Sync {
            from: opts.artifacts_dir,
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
            timeout: opts.timeout,
            grace_period: opts.grace_period,
            watch: opts.watch.map(|interval| Watch {
                interval: interval.max(SHORTEST_INTERVAL),
                logs,
                until: opts.until_file,
            }),
        })
    }
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

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plan::Sync(sync) => sync.fmt(out),
            Plan::Write(write) => write.fmt(out),
        }
    }
}

impl fmt::Display for Sync {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = self.bucket.url(&self.folder);
        for (file, name) in &self.files {
            writeln!(out, "copy {} to {}", file.display(), self.bucket.url(name))?;
        }
        if let Some(from) = &self.from {
            writeln!(out, "copy what changed in {} to {to}", from.display())?;
        }
        for folder in &self.secrets {
            writeln!(out, "censor the secrets in {}", folder.display())?;
        }
        let Some(watch) = &self.watch else {
            return Ok(());
        };
        for (log, name) in &watch.logs {
            let url = self.bucket.url(name);
            writeln!(out, "copy {} to {url} while it grows", log.display())?;
        }
        let interval = humantime::format_duration(watch.interval);
        write!(out, "look again every {interval} until SIGTERM")?;
        match &watch.until {
            Some(file) => writeln!(out, ", or {} is there", file.display()),
            None => writeln!(out),
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, content) in &self.objects {
            writeln!(out, "write {}:", self.bucket.url(name))?;
            for line in String::from_utf8_lossy(content).lines() {
                writeln!(out, "    {line}")?;
            }
        }
        Ok(())
    }
}
