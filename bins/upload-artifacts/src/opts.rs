//! What was typed, and the variables behind it.

#![expect(clippy::doc_markdown, reason = "--help shows these texts as they are")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use common::bucket::{Layout, Outcome};
use common::env;

const EXAMPLES: &str = "\
EXAMPLES:
  Sync the outputs of a step to the job's folder:
    upload-artifacts --artifacts-dir /mnt/run/outputs/artifacts --bucket file:///srv/bucket

  The same from a second workflow of the job, without overwriting the first one's files:
    upload-artifacts --artifacts-dir out --bucket file:///srv/bucket --suffix=-gke

  What would be copied, and where to:
    upload-artifacts --artifacts-dir out --bucket file:///srv/bucket --dry-run

  The same without the values of the secrets that the job was given:
    upload-artifacts --artifacts-dir out --bucket gs://b --secrets-dir /secrets/a,/secrets/b

  Beside other steps, so that a killed pod loses seconds; ends on SIGTERM or with the file:
    upload-artifacts --artifacts-dir out --bucket gs://b --watch --follow-log build-log.txt \\
        --until-file out/.done

  The records of a job that does not use submit-e2e:
    upload-artifacts started --bucket file:///srv/bucket
    upload-artifacts finished --bucket file:///srv/bucket --result FAILURE

  The verdict, and before it whatever is not in the bucket yet; what cannot be copied is named:
    upload-artifacts finished --artifacts-dir out --bucket gs://b --passed=true

The job comes from the environment: JOB_SPEC, or JOB_TYPE, JOB_NAME, BUILD_ID, REPO_OWNER,
REPO_NAME, PULL_NUMBER and the others that Prow sets.
EXIT CODES: 0 all is there; 2 wrong usage; 75 something is missing, running it again may help;
124 the same, and --timeout is over; 130 and 143 interrupted.";

/// Copies a job's artifacts and records to its bucket, in the layout that Prow's pages read.
#[derive(Debug, Parser)]
#[command(
    name = "upload-artifacts",
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true
)]
pub struct Opts {
    /// What to do; without one, `sync`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of `sync`.
    #[command(flatten)]
    pub sync: SyncOpts,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copies what changed in a folder to the job's artifacts; the default
    #[command(after_help = EXAMPLES)]
    Sync(Box<SyncOpts>),
    /// Writes pr-logs/directory/JOB/BUILD.txt, which says where a pull request's run lies
    PrSymlink(BucketOpts),
    /// Writes latest-build.txt, which names the job's latest run
    LatestBuild(BucketOpts),
    /// Writes started.json
    Started(BucketOpts),
    /// Writes finished.json, the verdict, after the files that are named
    Finished(Box<FinishedOpts>),
}

/// Where things go.
#[derive(Debug, Args)]
pub struct BucketOpts {
    /// Bucket to write to: gs://BUCKET or file:///FOLDER
    #[arg(long, value_name = "URL")]
    pub bucket: Option<String>,

    /// Where the folder of a postsubmit lies: logs/JOB or, kubeflow, logs/ORG_REPO/JOB
    #[arg(long, value_enum, default_value_t)]
    pub layout: Layout,

    /// How a pull request's repository is named in the path: org_repo always; not for one
    /// repository; not for one, and without the organisation for others of it
    #[arg(long, value_enum, default_value_t, alias = "path_strategy")]
    pub path_strategy: StrategyName,

    /// The organisation that --path-strategy single and legacy leave out
    #[arg(long, value_name = "ORG", alias = "default_org")]
    pub default_org: Option<String>,

    /// The repository that --path-strategy single and legacy leave out
    #[arg(long, value_name = "REPO", alias = "default_repo")]
    pub default_repo: Option<String>,

    /// Prints what would be written, and writes nothing
    #[arg(long, alias = "dry_run")]
    pub dry_run: bool,
}

/// Names of Prow's path strategies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum StrategyName {
    /// ORG_REPO always
    #[default]
    Explicit,
    /// ORG_REPO, and nothing for the default repository
    Single,
    /// As single, and REPO for others of the default organisation
    Legacy,
}

/// What to copy.
#[derive(Debug, Args)]
pub struct SyncOpts {
    /// Folder whose files are copied
    #[arg(long, value_name = "DIR", env = env::ARTIFACTS, alias = "artifacts_dir")]
    pub artifacts_dir: Option<PathBuf>,

    /// The rest of it.
    #[command(flatten)]
    pub files: FilesOpts,

    /// Whether it goes on.
    #[command(flatten)]
    pub watch: WatchOpts,
}

/// What to copy besides the folder, where to and how.
#[derive(Debug, Args)]
pub struct FilesOpts {
    /// Where to.
    #[command(flatten)]
    pub to: BucketOpts,

    /// A single file to copy to the job's artifacts, with or without a folder; several with
    /// commas or again
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    pub file: Vec<PathBuf>,

    /// A single file to copy beside the artifacts, such as build-log.txt
    #[arg(long, value_name = "FILE", alias = "job_file", value_delimiter = ',')]
    pub job_file: Vec<PathBuf>,

    /// Put before the extension of each object's name: -a makes junit_x.xml junit_x-a.xml
    #[arg(long, value_name = "SUFFIX", allow_hyphen_values = true)]
    pub suffix: Option<String>,

    /// Folder to copy to, below the job's artifacts
    #[arg(long, value_name = "FOLDER", alias = "sub_dir")]
    pub sub_dir: Option<String>,

    /// Removes the objects of the artifacts that have no file, once all files are there
    #[arg(long, conflicts_with = "suffix")]
    pub delete: bool,

    /// How long to try, retries and all; what is missing then is named
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "1h")]
    pub timeout: Duration,

    /// After SIGTERM: how long it goes on, with what is small and important first
    #[arg(long, alias = "grace_period", value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "15s")]
    pub grace_period: Duration,

    /// Media type of an extension, as in log:text/plain; several with commas or again
    #[arg(
        long,
        value_name = "EXTENSION:TYPE",
        alias = "media_type",
        value_delimiter = ','
    )]
    pub media_type: Vec<String>,

    /// Address of the job's page, for the log; {bucket} and {path} are replaced
    #[arg(
        long,
        value_name = "TEMPLATE",
        alias = "view_url",
        default_value = "https://prow.k8s.io/view/gs/{bucket}/{path}"
    )]
    pub view_url: String,

    /// What is to be censored and how.
    #[command(flatten)]
    pub censor: CensorOpts,

    /// clone-records.json as checkout --records wrote it: goes beside the artifacts, where
    /// Prow's pages look for it
    #[arg(long, value_name = "FILE")]
    pub records: Option<PathBuf>,
}

impl FilesOpts {
    /// Whether single files are named.
    pub fn names_files(&self) -> bool {
        !self.file.is_empty() || !self.job_file.is_empty() || self.records.is_some()
    }
}

/// Copying while other steps run.
#[derive(Debug, Default, Args)]
pub struct WatchOpts {
    /// Keeps copying what changes until SIGTERM or SIGINT; then a last time
    #[arg(
        long,
        value_name = "INTERVAL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10s",
        value_parser = humantime::parse_duration
    )]
    pub watch: Option<Duration>,

    /// With --watch: a log that grows, copied beside the artifacts whenever it has grown
    #[arg(
        long,
        value_name = "FILE",
        alias = "follow_log",
        requires = "watch",
        value_delimiter = ','
    )]
    pub follow_log: Vec<PathBuf>,

    /// With --watch: ends when this file is there, as it does on SIGTERM
    #[arg(long, value_name = "FILE", alias = "until_file", requires = "watch")]
    pub until_file: Option<PathBuf>,
}

/// What is to be censored. Well-known shapes of tokens are, in any case.
#[derive(Debug, Default, Args)]
pub struct CensorOpts {
    /// Folder of secrets, as Kubernetes mounts them, whose values are censored in what is
    /// copied; several with commas or again
    #[arg(
        long,
        value_name = "DIR",
        env = env::SECRETS_DIR,
        alias = "secrets_dir",
        value_delimiter = ','
    )]
    pub secrets_dir: Vec<PathBuf>,

    /// Censors files that are no text as well, which may break them; no text is what has a NUL
    /// byte among its first 8,000
    #[arg(long, alias = "censor_binaries")]
    pub censor_binaries: bool,
}

/// The verdict.
#[derive(Debug, Args)]
pub struct FinishedOpts {
    /// Folder whose files are to be in the bucket before: what is missing there is copied, and
    /// what cannot be copied is named in the record
    #[arg(long, value_name = "DIR", alias = "artifacts_dir")]
    pub artifacts_dir: Option<PathBuf>,

    /// The rest of it.
    #[command(flatten)]
    pub files: FilesOpts,

    /// How the job ended
    #[arg(
        long,
        value_enum,
        ignore_case = true,
        required_unless_present = "passed"
    )]
    pub result: Option<Outcome>,

    /// Whether all passed: the same as --result SUCCESS or FAILURE
    #[arg(long, value_name = "true|false", conflicts_with = "result")]
    pub passed: Option<bool>,
}

impl Opts {
    /// Whether only the plan is wanted.
    pub fn dry_run(&self) -> bool {
        match &self.command {
            None => self.sync.files.to.dry_run,
            Some(Command::Sync(sync)) => sync.files.to.dry_run,
            Some(Command::PrSymlink(to) | Command::LatestBuild(to) | Command::Started(to)) => {
                to.dry_run
            }
            Some(Command::Finished(finished)) => finished.files.to.dry_run,
        }
    }
}
