//! What was typed, and the variables behind it.

#![expect(clippy::doc_markdown, reason = "--help shows these texts as they are")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use common::{duration, env};

const EXAMPLES: &str = "\
EXAMPLES:
  Build the Dockerfile of this folder with Cloud Build; the tag is made from the git work tree:
    build-image --image gcr.io/PROJECT/app

  The same with the Docker engine of this machine:
    build-image --image localhost:5000/app --builder docker

  What would be asked of Cloud Build:
    build-image --image gcr.io/PROJECT/app --dry-run

  Several images by a Cloud Build config; $_TAG in it is the tag unless it is given:
    build-image --config cloudbuild.yaml --project PROJECT --substitutions _FLAVOUR=gpu
    build-image --config build.jsonnet --image gcr.io/PROJECT/app

  The next step's image:
    IMAGE=$(build-image --image gcr.io/PROJECT/app)

  The tag alone:
    build-image tag

The image is built once for each tag: where it is in the registry already, nothing is done.
Google's credentials are Application Default Credentials, a registry's are Docker's.
EXIT CODES: 0 the images are there; 1 the build failed; 2 wrong usage; 75 a service was out of
reach, running it again may help; 124 out of time; 130 and 143 interrupted, the build cancelled.";

/// Builds container images and pushes them under an immutable tag, with Cloud Build or Docker.
#[derive(Debug, Parser)]
#[command(
    name = "build-image",
    after_help = EXAMPLES,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true
)]
pub struct Opts {
    /// What to do; without one, build.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of a build.
    #[command(flatten)]
    pub build: BuildOpts,
}

/// What else to do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Prints the immutable tag: the day in UTC, git describe, a hash of git diff
    Tag(TagOpts),
}

/// Whose tag.
#[derive(Debug, Args)]
pub struct TagOpts {
    /// Folder in the git work tree that the tag is made from
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub context: PathBuf,
}

/// What to build, by whom, and where the results go.
#[derive(Debug, Args)]
pub struct BuildOpts {
    /// Image to build, without a tag: REGISTRY/NAME; again for further names of it
    #[arg(
        long,
        value_name = "REGISTRY/NAME",
        value_delimiter = ',',
        required_unless_present = "config"
    )]
    pub image: Vec<String>,

    /// Put before each --image that names no registry, and given to --config
    #[arg(long, value_name = "REGISTRY")]
    pub registry: Option<String>,

    /// Tag in place of the one that is made from the git work tree
    #[arg(long)]
    pub tag: Option<String>,

    /// Lets the tag latest mean this image as well
    #[arg(long)]
    pub latest: bool,

    /// What it is made of.
    #[command(flatten)]
    pub source: SourceOpts,

    /// How a Dockerfile is built.
    #[command(flatten)]
    pub docker: DockerOpts,

    /// How Cloud Build is used.
    #[command(flatten)]
    pub cloud: CloudOpts,

    /// Who builds
    #[arg(long, value_enum, default_value_t)]
    pub builder: BuilderName,

    /// How long the build may take: 20m, 1h 30m, or seconds; default: the builder's own, or
    /// what --config says
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub timeout: Option<Duration>,

    /// How often a build is tried again that failed through no fault of its own
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub retries: u32,

    /// Builds although there is an image of this tag; its tag is never given to another image
    #[arg(long)]
    pub rebuild: bool,

    /// What is said of it.
    #[command(flatten)]
    pub results: ResultOpts,

    /// Prints what would be done, and does nothing
    #[arg(long, alias = "dry_run")]
    pub dry_run: bool,
}

/// What an image is made of.
#[derive(Debug, Args)]
pub struct SourceOpts {
    /// Folder that the build sees
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub context: PathBuf,

    /// Dockerfile; default: Dockerfile in the context
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub dockerfile: Option<PathBuf>,

    /// Cloud Build config in place of a Dockerfile: YAML, JSON or jsonnet
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Substitutions of the config: _KEY=VALUE,… or, where a value has commas, as for gcloud
    /// '^;^_KEY=VALUE;…'
    #[arg(long, value_name = "_KEY=VALUE", requires = "config")]
    pub substitutions: Vec<String>,

    /// External variables of a config in jsonnet, besides registry, imageBase, tag, gitVersion
    /// and useImageCache
    #[arg(long, alias = "ext_var", value_name = "KEY=VALUE", requires = "config")]
    pub ext_var: Vec<String>,

    /// File in the context that says what of it is not sent, in place of .gcloudignore
    #[arg(long, alias = "ignore_file", value_name = "FILE")]
    pub ignore_file: Option<PathBuf>,

    /// Sends no source: the config's steps get their own
    #[arg(long, alias = "no_source", conflicts_with = "git_source")]
    pub no_source: bool,

    /// Git repository that Cloud Build takes the source from, in place of the context
    #[arg(long, alias = "git_source", value_name = "URL")]
    pub git_source: Option<String>,

    /// Folder in that repository
    #[arg(
        long,
        alias = "git_source_dir",
        value_name = "DIR",
        requires = "git_source"
    )]
    pub git_source_dir: Option<String>,

    /// Branch, tag or commit of that repository
    #[arg(
        long,
        alias = "git_source_revision",
        value_name = "REVISION",
        requires = "git_source"
    )]
    pub git_source_revision: Option<String>,
}

/// Flags of `docker build`, wherever it runs.
#[derive(Debug, Args)]
pub struct DockerOpts {
    /// Value of an ARG: KEY=VALUE
    #[arg(
        long,
        alias = "build_arg",
        value_name = "KEY=VALUE",
        conflicts_with = "config"
    )]
    pub build_arg: Vec<String>,

    /// Stage to build
    #[arg(long, value_name = "STAGE", conflicts_with = "config")]
    pub target: Option<String>,

    /// Platform to build for: linux/amd64
    #[arg(long, conflicts_with = "config")]
    pub platform: Option<String>,

    /// Label of the image: KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "config")]
    pub label: Vec<String>,

    /// Image whose layers may be used again; again for further ones
    #[arg(
        long,
        alias = "cache_from",
        value_name = "IMAGE",
        conflicts_with = "config"
    )]
    pub cache_from: Vec<String>,
}

/// Where and on what Cloud Build builds.
#[derive(Debug, Args)]
pub struct CloudOpts {
    /// Project that builds; default: CLOUDSDK_CORE_PROJECT, GOOGLE_CLOUD_PROJECT, the image's
    #[arg(long)]
    pub project: Option<String>,

    /// Region that builds; default: the worker pool's, or global
    #[arg(long, env = env::BUILDS_REGION)]
    pub region: Option<String>,

    /// Machine that builds: e2-highcpu-8
    #[arg(long, alias = "machine_type", value_name = "TYPE")]
    pub machine_type: Option<String>,

    /// Disk of that machine: 100GB
    #[arg(long, alias = "disk_size", value_name = "SIZE")]
    pub disk_size: Option<String>,

    /// Private pool of machines: projects/P/locations/R/workerPools/W
    #[arg(long, alias = "worker_pool", value_name = "POOL")]
    pub worker_pool: Option<String>,

    /// Account that the build runs as
    #[arg(long, alias = "service_account", value_name = "ACCOUNT")]
    pub service_account: Option<String>,

    /// Where the build's log goes: gs://BUCKET[/FOLDER]
    #[arg(long, alias = "log_bucket", alias = "gcs-log-dir", value_name = "URL")]
    pub log_bucket: Option<String>,

    /// Where the source is put for the build: gs://BUCKET[/FOLDER]; default:
    /// gs://PROJECT_cloudbuild/source
    #[arg(
        long,
        alias = "staging_bucket",
        alias = "gcs-source-staging-dir",
        value_name = "URL"
    )]
    pub staging_bucket: Option<String>,

    /// Starts the build and does not wait for it
    #[arg(long = "async")]
    pub detached: bool,
}

/// Where results go.
#[derive(Debug, Args)]
pub struct ResultOpts {
    /// What stdout gets: a line NAME@DIGEST for each image, or everything as JSON
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,

    /// File for the same as JSON
    #[arg(long, alias = "digest_file", value_name = "FILE")]
    pub digest_file: Option<PathBuf>,

    /// Folder for JUnit, in junit_TARGET.xml
    #[arg(long, alias = "artifacts_dir", value_name = "DIR", env = env::ARTIFACTS)]
    pub artifacts_dir: Option<PathBuf>,

    /// JUnit in this file instead
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    /// Name that the build reports as
    #[arg(long, alias = "target_name", value_name = "NAME", env = env::TEST_TARGET_NAME, default_value = "build-image")]
    pub target_name: String,
}

/// Who builds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BuilderName {
    /// Google Cloud Build
    #[default]
    CloudBuild,
    /// The Docker engine that the docker program talks to
    Docker,
}

/// What stdout gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people and shells
    #[default]
    Text,
    /// For programs
    Json,
}
