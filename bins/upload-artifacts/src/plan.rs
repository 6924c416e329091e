//! What will be done, checked, as data.

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use common::bucket::{
    self, Bucket, FINISHED, Finished, MediaTypes, ObjectName, Outcome, STARTED, Started,
};
use common::env::{self, Env};
use common::job::Job;
use common::{Error, Result};

use crate::opts::{BucketOpts, Command, FinishedOpts, Opts, SyncOpts};
use crate::suffix::Suffix;

/// What Prow's pages call the record of a checkout.
const CLONE_RECORDS: &str = "clone-records.json";

/// What will be done.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Copy a folder's files.
    Sync(Sync),
    /// Write some small objects.
    Write(Write),
}

/// Copy what changed in a folder.
#[derive(Debug, Clone)]
pub(crate) struct Sync {
    /// Where from.
    pub(crate) from: PathBuf,
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
    /// A file beside the artifacts, and its object.
    pub(crate) records: Option<(PathBuf, ObjectName)>,
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
        let command = opts.command.unwrap_or(Command::Sync(opts.sync));
        let job = Job::from_env(env)?.ok_or_else(no_job)?;
        match command {
            Command::Sync(opts) => Sync::new(opts, &job, env).map(Plan::Sync),
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
        let Some(from) = opts.artifacts_dir else {
            return Err(Error::usage("no folder to copy from").hint(format!(
                "give --artifacts-dir DIR, or set {}",
                common::env::ARTIFACTS
            )));
        };
        let job_folder = bucket::job_folder(job, opts.to.layout)?;
        let mut folder = job_folder.join("artifacts")?;
        if let Some(below) = opts.sub_dir {
            folder = folder.join(&below)?;
        }
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
            suffix: Suffix::parse(opts.suffix.as_deref().unwrap_or_default())?,
            records: match opts.records {
                Some(file) => Some((file, job_folder.join(CLONE_RECORDS)?)),
                None => None,
            },
        })
    }
}

fn pr_symlink(to: &BucketOpts, job: &Job, env: &Env) -> Result<Write> {
    let bucket = bucket(to, env)?;
    let target = bucket.url(&bucket::job_folder(job, to.layout)?);
    let alias = bucket::alias(job)?;
    let objects = alias.map(|alias| (alias, target.into_bytes()));
    Ok(Write {
        bucket,
        objects: objects.into_iter().collect(),
    })
}

fn latest_build(to: &BucketOpts, job: &Job, env: &Env) -> Result<Write> {
    // Asked first: a job without a build id has no latest build either.
    bucket::job_folder(job, to.layout)?;
    let body = job.build_id.as_bytes();
    let names = bucket::latest_builds(job, to.layout)?;
    Ok(Write {
        bucket: bucket(to, env)?,
        objects: names
            .into_iter()
            .map(|name| (name, body.to_vec()))
            .collect(),
    })
}

fn record(to: &BucketOpts, job: &Job, env: &Env, name: &str, content: Vec<u8>) -> Result<Write> {
    let name = bucket::job_folder(job, to.layout)?.join(name)?;
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
        writeln!(out, "copy what changed in {} to {to}", self.from.display())?;
        for folder in &self.secrets {
            writeln!(out, "censor the secrets in {}", folder.display())?;
        }
        match &self.records {
            Some((file, name)) => {
                writeln!(out, "copy {} to {}", file.display(), self.bucket.url(name))
            }
            None => Ok(()),
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
