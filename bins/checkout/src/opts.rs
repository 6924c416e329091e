//! What was typed, and the variables behind it.

use std::path::PathBuf;
use std::time::Duration;

use common::env;

use crate::credentials::CredentialOpts;

const EXAMPLES: &str = "\
EXAMPLES:
  The commit under test of a Prow job (JOB_SPEC, or REPO_OWNER and its like, are set):
    checkout --src-dir /mnt/test-data-volume/my-workflow/src

  Two more repositories, one of them with a pull request merged onto its default branch:
    checkout --src-dir src --extra-repos 'kubeflow/testing@HEAD;kubeflow/kubeflow@HEAD:4012'

  What would be run, without running it:
    checkout --src-dir src --repos kubeflow/testing@v1.0 --dry-run

EXIT CODES:
  0 done; 1 a merge conflict, or no such repository, ref or commit; 2 wrong usage;
  75 the server was out of reach, running again may help; 130, 143 interrupted";

const CREDENTIAL_EXAMPLES: &str = "\
EXAMPLES:
  A later step, in which git needs more of a private repository (GITHUB_TOKEN is set):
    git config --global credential.https://github.com.helper '!checkout credential'";

/// Places the commit under test, its pull requests merged as Prow does, and further
/// repositories under one folder, each in ORG/NAME. A second run finishes or confirms the first.
#[derive(Debug, clap::Parser)]
#[command(
    name = "checkout",
    after_help = EXAMPLES,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true
)]
pub struct Opts {
    /// Something else than checking out.
    #[command(subcommand)]
    pub command: Option<Subcommand>,

    /// Folder that gets ORG/NAME for each repository
    #[arg(long, alias = "src_dir", value_name = "DIR", env = env::SRC_DIR, required = true)]
    pub src_dir: Option<PathBuf>,

    /// More repositories: ORG/NAME, ORG/NAME@COMMIT, @BRANCH, @TAG, @COMMIT:PULL or @HEAD:PULL
    #[arg(long, value_name = "A,B")]
    pub repos: Option<String>,

    /// The same, separated by semicolons
    #[arg(long, alias = "extra_repos", value_name = "A;B", env = env::EXTRA_REPOS)]
    pub extra_repos: Option<String>,

    /// Repositories to add where nothing else names them
    #[arg(long, alias = "default_repos", value_name = "A,B", env = env::DEFAULT_REPOS)]
    pub default_repos: Option<String>,

    /// Links to make in the folder: LINK leads to ORG/NAME
    #[arg(long, value_name = "ORG/NAME=LINK,…")]
    pub links: Option<String>,

    /// Number of commits to fetch [default: what the job says, else all]
    #[arg(long, value_name = "N|all")]
    pub depth: Option<String>,

    /// What to leave out of the history until something needs it, as git's --filter: blob:none
    /// for example; `none` for nothing [default: all but the commits, unless --depth is given]
    #[arg(long, value_name = "SPEC|none")]
    pub filter: Option<String>,

    /// Only check out these folders, and the files beside and above them
    #[arg(long, value_name = "DIR", num_args = 1.., value_delimiter = ',')]
    pub sparse: Vec<String>,

    /// Remove whatever is in the way: files, uncommitted changes, another repository
    #[arg(long)]
    pub clean: bool,

    /// Folder in which checkouts leave what they fetched for others, on NFS for example
    #[arg(long, value_name = "DIR", env = env::CHECKOUT_CACHE)]
    pub cache: Option<PathBuf>,

    /// Size of the cache above which the least recently used repositories are removed
    #[arg(long, value_name = "SIZE", default_value = "20G", value_parser = common::size::parse)]
    pub cache_max_size: u64,

    /// Time after which a repository that nobody used is removed from the cache
    #[arg(long, value_name = "TIME", default_value = "30days", value_parser = humantime::parse_duration)]
    pub cache_max_age: Duration,

    /// Where ORG/NAME is found when the job gives no clone URI
    #[arg(
        long,
        alias = "git_base_url",
        value_name = "URL",
        env = env::GIT_BASE_URL,
        hide_env_values = true,
        default_value = "https://github.com"
    )]
    pub git_base_url: String,

    /// Merge pull requests onto their base as Prow does, or check out the head of the one
    #[arg(long, alias = "pr_mode", value_enum, default_value_t = PullMode::Merge)]
    pub pr_mode: PullMode,

    /// Cut a transfer that has come to a halt for so long, and try again
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = stall_timeout)]
    pub stall_timeout: Duration,

    /// File for what was run and how it ended, in the form of Prow's clone-records.json
    #[arg(long, value_name = "FILE")]
    pub records: Option<PathBuf>,

    /// File for the same as text, in the form of Prow's clone-log.txt
    #[arg(long, alias = "log", value_name = "FILE")]
    pub clone_log: Option<PathBuf>,

    /// What is printed for each repository
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,

    /// Print the commands instead of running them
    #[arg(long, alias = "dry_run")]
    pub dry_run: bool,

    /// The script that this stands in for.
    #[arg(long, value_enum, hide = true)]
    pub called_as: Option<CalledAs>,

    /// Who checkout is to the servers.
    #[command(flatten)]
    pub credentials: CredentialOpts,
}

/// The scripts of kubeflow/testing. They check out a pull request at its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CalledAs {
    /// Reads the job's variables.
    #[value(name = "checkout.sh")]
    CheckoutSh,
    /// Reads its arguments and nothing else.
    #[value(name = "checkout_repos.sh")]
    CheckoutReposSh,
}

impl CalledAs {
    /// The script's name.
    pub fn as_str(self) -> &'static str {
        match self {
            CalledAs::CheckoutSh => "checkout.sh",
            CalledAs::CheckoutReposSh => "checkout_repos.sh",
        }
    }
}

/// What checkout does besides.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Answer git as its credential helper, with the same credentials as a checkout
    #[command(after_help = CREDENTIAL_EXAMPLES)]
    Credential(CredentialRequest),
}

/// What git wants of a credential helper.
#[derive(Debug, clap::Args)]
pub struct CredentialRequest {
    /// get, store or erase; only the first does something
    pub action: String,

    /// Where the GitHub credentials are used
    #[arg(
        long,
        value_name = "URL",
        env = env::GIT_BASE_URL,
        hide_env_values = true,
        default_value = "https://github.com"
    )]
    pub git_base_url: String,

    /// Who checkout is to the servers.
    #[command(flatten)]
    pub credentials: CredentialOpts,
}

/// Git counts such a time in whole seconds, and takes none for no limit.
fn stall_timeout(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.as_secs() == 0 {
        return Err("use a second or more".to_owned());
    }
    Ok(time)
}

/// What is tested of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PullMode {
    /// The result of merging it onto its base.
    Merge,
    /// Its head commit as it is.
    Head,
}

/// Forms of the result on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// `DIR is at DESCRIBE`, a line for each repository, and the status of its submodules.
    Text,
    /// A list of objects with org, repo, dir, sha, describe and submodules.
    Json,
}
