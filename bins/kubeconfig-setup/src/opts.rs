//! What was typed, and the variables behind it.

#![expect(clippy::doc_markdown, reason = "--help shows these texts as they are")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use common::{duration, env};

const EXAMPLES: &str = "\
EXAMPLES:
  The cluster of a test, for the steps that follow:
    kubeconfig-setup get --project P --zone us-central1-a --cluster kf-ci-v1 --kubeconfig /mnt/run/kubeconfig

  The newest healthy cluster of a pool, for this run alone, waiting at most an hour for it:
    kubeconfig-setup get --project P --pool 'kf-vmaster-n??' --lease --lease-at gs://B/leases --wait 1h

  The same, with a heartbeat until the step is told to end (a daemon step of Argo):
    kubeconfig-setup get --project P --pool 'kf-vmaster-n??' --lease --hold --lease-at kubernetes://ci

  The cluster that this pod runs in; one context of another file; a server and a token:
    kubeconfig-setup get --in-cluster --namespace ci
    kubeconfig-setup get --from-kubeconfig ~/.kube/config --context kind-ci
    kubeconfig-setup get --server https://10.0.0.2 --token-file /secret/token --certificate-authority ca.crt

  Who am I there, and may I do what a test does?
    kubeconfig-setup check

  Gives the cluster back:
    kubeconfig-setup release

EXIT CODES: 0 all is well; 1 a lease was lost; 2 wrong usage, or something is not allowed; 75 out
of reach, or no cluster is free: running it again may help; 124 out of time; 130 and 143 interrupted.";

/// Gives the steps of a test a cluster: writes a kubeconfig, is its credential plugin, and keeps
/// runs from sharing a cluster.
#[derive(Debug, Parser)]
#[command(name = "kubeconfig-setup", after_help = EXAMPLES)]
pub struct Opts {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Writes a cluster's entries to a kubeconfig
    #[command(after_help = EXAMPLES)]
    Get(Box<GetOpts>),
    /// Prints a token as a kubeconfig's exec plugin does; clients of Kubernetes call it
    Token(TokenOpts),
    /// Gives back the leases that `get --lease` noted beside the kubeconfig
    Release(ReleaseOpts),
    /// Lists the clusters of a project or pool, and who has them
    List(ListOpts),
    /// Asks the API server who we are and whether we may do what a test does
    Check(CheckOpts),
}

/// Where the kubeconfig is.
#[derive(Debug, Clone, Args)]
pub struct FileOpts {
    /// The kubeconfig; by default that of KUBECONFIG (its first file) or KUBE_CONFIG, else
    /// .kube/config in the run folder, beside SRC_DIR
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// Which of Google's clusters.
#[derive(Debug, Clone, Args)]
pub struct PlaceOpts {
    /// Google Cloud project; without it and its variable that of GOOGLE_CLOUD_PROJECT
    #[arg(long, value_name = "PROJECT", env = env::CLOUDSDK_CORE_PROJECT)]
    pub project: Option<String>,

    /// Zone or region; for a pool, all of them by default
    #[arg(long, value_name = "LOCATION", visible_aliases = ["zone", "region"])]
    pub location: Option<String>,

    /// Clusters whose names match, as in 'kf-vmaster-n??'
    #[arg(long, value_name = "PATTERN")]
    pub pool: Option<String>,
}

/// What to write.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct GetOpts {
    /// Where to look.
    #[command(flatten)]
    pub place: PlaceOpts,

    /// Name of a cluster of Google Kubernetes Engine
    #[arg(long, value_name = "NAME", conflicts_with = "pool")]
    pub cluster: Option<String>,

    /// The API server's private address, as for gcloud
    #[arg(long, alias = "internal_ip", conflicts_with = "dns_endpoint")]
    pub internal_ip: bool,

    /// The API server's name in DNS, as for gcloud
    #[arg(long, alias = "dns_endpoint")]
    pub dns_endpoint: bool,

    /// Account of Google on whose behalf the cluster is used, as for gcloud
    #[arg(long, value_name = "EMAIL", env = env::IMPERSONATE_SERVICE_ACCOUNT, alias = "impersonate_service_account")]
    pub impersonate_service_account: Option<String>,

    /// Who gives the tokens for a cluster of Google: this program, or gcloud's plugin
    #[arg(long, value_enum, default_value_t, alias = "exec_plugin")]
    pub exec_plugin: ExecPlugin,

    /// The cluster that this pod runs in, as its service account
    #[arg(long, alias = "in_cluster", conflicts_with_all = ["cluster", "pool", "from_kubeconfig", "server"])]
    pub in_cluster: bool,

    /// Another kubeconfig, of which one context is taken
    #[arg(long, value_name = "FILE", alias = "from_kubeconfig", conflicts_with_all = ["cluster", "pool", "server"])]
    pub from_kubeconfig: Option<PathBuf>,

    /// Which context of it; by default its current one
    #[arg(long, value_name = "NAME", requires = "from_kubeconfig")]
    pub context: Option<String>,

    /// URL of an API server
    #[arg(long, value_name = "URL", requires = "token_file", conflicts_with_all = ["cluster", "pool"])]
    pub server: Option<String>,

    /// File with the token for it, read whenever it is needed
    #[arg(long, value_name = "FILE", alias = "token_file", requires = "server")]
    pub token_file: Option<PathBuf>,

    /// File with the certificates of its authority
    #[arg(
        long,
        value_name = "FILE",
        alias = "certificate_authority",
        requires = "server"
    )]
    pub certificate_authority: Option<PathBuf>,

    /// Namespace of the context
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// Where to write.
    #[command(flatten)]
    pub file: FileOpts,

    /// Whether to have it alone.
    #[command(flatten)]
    pub lease: LeaseOpts,

    /// How long to try, without the waiting for a free cluster
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "5m")]
    pub timeout: Duration,

    /// What is printed: sentences for people in the log only, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,

    /// Prints what would be done, and does nothing
    #[arg(long, alias = "dry_run")]
    pub dry_run: bool,
}

/// Having a cluster alone.
#[derive(Debug, Args)]
pub struct LeaseOpts {
    /// Takes a cluster of the pool for this run alone
    #[arg(long)]
    pub lease: bool,

    /// Where the leases are.
    #[command(flatten)]
    pub at: LeasePlaceOpts,

    /// Who takes it, for whoever waits; by default the job and its build
    #[arg(long, value_name = "NAME", requires = "lease")]
    pub holder: Option<String>,

    /// How long the lease is good for without a heartbeat [default: 2h; with --hold 1m]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, alias = "lease_duration", requires = "lease")]
    pub lease_duration: Option<Duration>,

    /// How long to wait for a cluster to become free
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, requires = "lease")]
    pub wait: Option<Duration>,

    /// Stays and renews the lease until SIGTERM or SIGINT, then gives it back
    #[arg(long, requires = "lease")]
    pub hold: bool,

    /// With --hold: ends when this file is there
    #[arg(long, value_name = "FILE", alias = "until_file", requires = "hold")]
    pub until_file: Option<PathBuf>,

    /// With --hold: the longest that this run may have the cluster
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "6h", alias = "time_limit")]
    pub time_limit: Duration,
}

/// Where leases are.
#[derive(Debug, Clone, Default, Args)]
pub struct LeasePlaceOpts {
    /// gs://BUCKET/FOLDER, kubernetes://NAMESPACE, or file:///FOLDER for runs of one machine
    #[arg(long, value_name = "URL", env = env::CLUSTER_LEASES, alias = "lease_at")]
    pub lease_at: Option<String>,

    /// The kubeconfig of the cluster whose namespace that is; by default the one that this pod
    /// runs in
    #[arg(
        long,
        value_name = "FILE",
        alias = "lease_kubeconfig",
        requires = "lease_at"
    )]
    pub lease_kubeconfig: Option<PathBuf>,
}

/// Which token.
#[derive(Debug, Args)]
pub struct TokenOpts {
    /// Account of Google on whose behalf
    #[arg(long, value_name = "EMAIL", env = env::IMPERSONATE_SERVICE_ACCOUNT, alias = "impersonate_service_account", conflicts_with = "from_kubeconfig")]
    pub impersonate_service_account: Option<String>,

    /// Another kubeconfig, whose user's credentials are given
    #[arg(
        long,
        value_name = "FILE",
        alias = "from_kubeconfig",
        requires = "user"
    )]
    pub from_kubeconfig: Option<PathBuf>,

    /// Which user of it
    #[arg(long, value_name = "NAME", requires = "from_kubeconfig")]
    pub user: Option<String>,

    /// The note of a lease: no token is given once that has run out
    #[arg(long, value_name = "FILE")]
    pub lease: Option<PathBuf>,
}

/// Which leases.
#[derive(Debug, Args)]
pub struct ReleaseOpts {
    /// Beside which file they are noted.
    #[command(flatten)]
    pub file: FileOpts,

    /// How long to try
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "1m")]
    pub timeout: Duration,

    /// Prints what would be given back, and does nothing
    #[arg(long, alias = "dry_run")]
    pub dry_run: bool,
}

/// Which clusters.
#[derive(Debug, Args)]
pub struct ListOpts {
    /// Where to look.
    #[command(flatten)]
    pub place: PlaceOpts,

    /// Where the leases are.
    #[command(flatten)]
    pub at: LeasePlaceOpts,

    /// A table, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,

    /// How long to try
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "2m")]
    pub timeout: Duration,
}

/// What to ask.
#[derive(Debug, Args)]
pub struct CheckOpts {
    /// Which file to use.
    #[command(flatten)]
    pub file: FileOpts,

    /// Which context of it; by default its current one
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// In which namespace; by default that of the context
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// What has to be allowed, as in 'create pods', 'get pods/log', 'create workflows.argoproj.io';
    /// several with commas or again [default: what most tests do]
    #[arg(long, value_name = "VERB RESOURCE", value_delimiter = ',')]
    pub can: Vec<String>,

    /// A table, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,

    /// How long to try
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "30s")]
    pub timeout: Duration,
}

/// Who gives tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ExecPlugin {
    /// This program, from Application Default Credentials
    #[default]
    Own,
    /// gke-gcloud-auth-plugin, from the person who is logged in
    Gcloud,
}

/// What is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}
