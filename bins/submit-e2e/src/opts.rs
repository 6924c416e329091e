//! What was typed, and the variables behind it.

#![expect(clippy::doc_markdown, reason = "these comments are the help text")]

use std::path::PathBuf;
use std::time::Duration;

use common::bucket::Layout;
use common::env;

const EXAMPLES: &str = "\
EXAMPLES:
  In a working tree, what a pull request of the current branch would run:
      submit-e2e
  As a Prow job, after checkout:
      submit-e2e run --repos-dir /src --bucket file:///results
  Which workflows this change calls for, and why:
      submit-e2e plan
  The manifests as they would be submitted:
      submit-e2e show --workflow e2e
  The same with each step in a container of its image:
      submit-e2e --runtime docker
  What is wrong with the configuration or a workflow of it:
      submit-e2e lint
  One workflow by hand, and how far it is:
      submit-e2e run e2e --engine argo -p replicas=3
      submit-e2e status WORKFLOW

The job is taken from JOB_SPEC or Prow's single variables. Without them it is a presubmit of the
current branch, uncommitted changes included.

EXIT CODES: 0 good; 1 a workflow or a test failed; 2 wrong usage or configuration; 75 a service was
out of reach, running it again may help; 124 out of time; 130, 143 interrupted.";

/// Runs the workflows of prow_config.yaml that a change calls for, waits for them, and leaves
/// the verdict and its evidence in a bucket.
#[derive(Debug, clap::Parser)]
#[command(name = "submit-e2e", after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Opts {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunOpts,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Runs the selected workflows, or the one that is named; what happens without a subcommand
    #[command(after_help = EXAMPLES)]
    Run(Box<RunCommand>),
    /// Says of each workflow whether it would run, and why
    Plan(PlanOpts),
    /// Prints the manifests of the selected workflows as they would be submitted
    Show(ShowOpts),
    /// Checks the configuration and every workflow of it, and runs nothing
    Lint(LintOpts),
    /// Removes the folders of old runs, of this user or of a volume that workflows share
    Prune(PruneOpts),
    /// Shows workflows on the cluster, step by step
    Status(StatusOpts),
    /// Waits for workflows on the cluster; ends as they do
    Wait(ObjectsOpts),
    /// Stops workflows on the cluster: exit handlers still run
    Stop(StopOpts),
    /// Prints what a step of a workflow on the cluster printed
    Logs(LogsOpts),
}

/// A run of one workflow, or of the selected ones.
#[derive(Debug, clap::Args)]
pub(crate) struct RunCommand {
    /// Only this workflow, whatever has changed
    #[arg(value_name = "NAME", conflicts_with = "only")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) opts: RunOpts,
}

/// Where the change and its workflows are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SourceOpts {
    /// The configuration [default: prow_config.yaml of the repository under test]
    #[arg(long, value_name = "FILE", alias = "config_file")]
    pub(crate) config_file: Option<PathBuf>,
    /// Folder with the checked-out repositories as ORG/REPO [default: the working tree that
    /// this is started in is the repository under test]
    #[arg(long, value_name = "DIR", alias = "repos_dir", env = env::SRC_DIR)]
    pub(crate) repos_dir: Option<PathBuf>,
    /// Only this workflow, whatever has changed
    #[arg(long, value_name = "NAME", visible_alias = "workflow")]
    pub(crate) only: Option<String>,
    /// What a working tree is compared with [default: the upstream branch, else the default
    /// branch of origin]
    #[arg(long, value_name = "REF")]
    pub(crate) base: Option<String>,
}

/// What goes into a manifest.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RenderOpts {
    /// Bucket for results: file:///FOLDER [default for a working tree: in the run's folder]
    #[arg(long, value_name = "URL")]
    pub(crate) bucket: Option<String>,
    /// Namespace of the workflows
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// The Google Cloud project: that of --cluster, and of the logs that links lead to
    #[arg(long, value_name = "PROJECT")]
    pub(crate) project: Option<String>,
    /// The Python that calls the functions of py_func
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    pub(crate) python: PathBuf,
    /// Time for each function of py_func, and for each file of jsonnet
    #[arg(long, value_name = "DURATION", alias = "render_timeout", value_parser = humantime::parse_duration, default_value = "2m")]
    pub(crate) render_timeout: Duration,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunOpts {
    #[command(flatten)]
    pub(crate) source: SourceOpts,
    #[command(flatten)]
    pub(crate) render: RenderOpts,
    /// Whose rule places the results of postsubmits in the bucket
    #[arg(long, value_enum, default_value_t = Layout::Prow)]
    pub(crate) layout: Layout,
    /// What runs the workflows [default: argo for a Prow job where a cluster is configured, else
    /// local]
    #[arg(long, value_enum)]
    pub(crate) engine: Option<EngineName>,
    #[command(flatten)]
    pub(crate) cluster: ClusterOpts,
    /// Value for a parameter that the workflow of --only or NAME declares
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameter: Vec<(String, String)>,
    /// What runs the steps on this machine
    #[arg(long, value_enum, default_value_t = Runtime::Process)]
    pub(crate) runtime: Runtime,
    /// Checks the job's repositories out to --repos-dir first, as checkout.sh does
    #[arg(long, requires = "repos_dir")]
    pub(crate) checkout: bool,
    /// Time for the whole job
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "3h")]
    pub(crate) timeout: Duration,
    /// Time that steps get to end when the job is stopped; exit handlers get the same again. On a
    /// cluster all of it, the verdict included, has this time
    #[arg(long, value_name = "DURATION", alias = "grace_period", value_parser = humantime::parse_duration, default_value = "15s")]
    pub(crate) grace_period: Duration,
    /// Folder of this run [default: test-worker/runs/BUILD_ID in the user's cache folder]
    #[arg(long, value_name = "DIR", alias = "run_dir")]
    pub(crate) run_dir: Option<PathBuf>,
    /// A secret or config map of the workflows: a folder with a file for each key
    #[arg(long, value_name = "NAME=DIR", value_parser = secret)]
    pub(crate) secret: Vec<String>,
    /// A variable of this environment that the steps get as well
    #[arg(long, value_name = "NAME", alias = "pass_env")]
    pub(crate) pass_env: Vec<String>,
    /// Cluster: whose output is shown in the log
    #[arg(long, value_enum, default_value_t = Steps::Failed)]
    pub(crate) follow: Steps,
    /// Cluster: the steps whose logs, pod and events are kept as artifacts
    #[arg(long, value_enum, default_value_t = Kept::Failed)]
    pub(crate) logs: Kept,
    /// Cluster: what happens to the workflows when the job is interrupted or out of time
    #[arg(long, value_enum, alias = "on_abort", default_value_t = OnAbort::Stop)]
    pub(crate) on_abort: OnAbort,
    /// Cluster: the page of a workflow, with {namespace}, {name} and {uid} in it
    #[arg(long, value_name = "URL", alias = "argo_ui_url", env = env::ARGO_UI_URL)]
    pub(crate) argo_ui_url: Option<String>,
    /// Prints what would be done, and does nothing
    #[arg(long, alias = "dry_run")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PlanOpts {
    #[command(flatten)]
    pub(crate) source: SourceOpts,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = PlanOutput::Table)]
    pub(crate) output: PlanOutput,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ShowOpts {
    #[command(flatten)]
    pub(crate) source: SourceOpts,
    #[command(flatten)]
    pub(crate) render: RenderOpts,
    /// Form of the manifests
    #[arg(long, value_enum, default_value_t = ShowOutput::Yaml)]
    pub(crate) output: ShowOutput,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LintOpts {
    #[command(flatten)]
    pub(crate) source: SourceOpts,
    #[command(flatten)]
    pub(crate) render: RenderOpts,
}

/// Which runs leave.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PruneOpts {
    /// Folder that holds a folder for each run [default: test-worker/runs in the user's cache
    /// folder]
    #[arg(long, value_name = "DIR", alias = "runs_dir")]
    pub(crate) runs_dir: Option<PathBuf>,
    /// Time after its last change for which a run stays
    #[arg(long, value_name = "DURATION", alias = "max_age", value_parser = humantime::parse_duration, default_value = "7days")]
    pub(crate) max_age: Duration,
    /// Size of all runs together above which the oldest are removed
    #[arg(long, value_name = "SIZE", alias = "max_size", value_parser = common::size::parse)]
    pub(crate) max_size: Option<u64>,
    /// Time after its last change in which no run is removed, as it may be going on
    #[arg(long, value_name = "DURATION", alias = "min_age", value_parser = humantime::parse_duration, default_value = "1day")]
    pub(crate) min_age: Duration,
    /// Prints what would be removed, and removes nothing
    #[arg(long, alias = "dry_run")]
    pub(crate) dry_run: bool,
}

/// Where the cluster is.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ClusterOpts {
    /// Kubeconfig of the cluster [default: KUBECONFIG or KUBE_CONFIG, else the service account of
    /// the pod that this runs in]
    #[arg(long, value_name = "FILE", conflicts_with = "cluster")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Cluster of Google Kubernetes Engine, in place of a kubeconfig
    #[arg(long, value_name = "NAME", requires_all = ["project", "zone"])]
    pub(crate) cluster: Option<String>,
    /// Zone or region of --cluster
    #[arg(long, value_name = "LOCATION", visible_aliases = ["location", "region"], requires = "cluster")]
    pub(crate) zone: Option<String>,
}

/// Workflows on a cluster.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ObjectsOpts {
    /// Names of workflows [default: those of the job that JOB_SPEC or Prow's variables tell of]
    #[arg(value_name = "WORKFLOW")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) cluster: ClusterOpts,
    /// The Google Cloud project of --cluster
    #[arg(long, value_name = "PROJECT")]
    pub(crate) project: Option<String>,
    /// Namespace of the workflows
    #[arg(long, short, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Time to wait
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "3h")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StatusOpts {
    #[command(flatten)]
    pub(crate) objects: ObjectsOpts,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = StatusOutput::Tree)]
    pub(crate) output: StatusOutput,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StopOpts {
    #[command(flatten)]
    pub(crate) objects: ObjectsOpts,
    /// Ends everything at once: exit handlers do not run
    #[arg(long)]
    pub(crate) terminate: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LogsOpts {
    /// Name of the step
    #[arg(value_name = "STEP")]
    pub(crate) step: String,
    #[command(flatten)]
    pub(crate) objects: ObjectsOpts,
    /// Goes on while the step runs
    #[arg(long, short)]
    pub(crate) follow: bool,
}

/// What runs workflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EngineName {
    /// run-local, on this machine.
    Local,
    /// Argo Workflows, on a cluster.
    Argo,
}

impl std::fmt::Display for EngineName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            EngineName::Local => "local",
            EngineName::Argo => "argo",
        })
    }
}

/// Some of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Steps {
    /// Those that failed, when they have.
    Failed,
    /// All, while they run.
    All,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kept {
    Failed,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnAbort {
    /// They are stopped; exit handlers run.
    Stop,
    /// They go on without us.
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum StatusOutput {
    Tree,
    Json,
}

/// What runs steps on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Runtime {
    /// Processes of it.
    Process,
    /// Containers of the steps' images, by the docker program.
    Docker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PlanOutput {
    Table,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ShowOutput {
    Yaml,
    Json,
}

/// `NAME=DIR` with the folder's absolute path: the value is shown in commands for later.
fn secret(text: &str) -> Result<String, String> {
    let Some((name, folder)) = text.split_once('=') else {
        return Err("NAME=DIR is expected".to_owned());
    };
    let folder = std::path::absolute(folder).map_err(|error| error.to_string())?;
    Ok(format!("{name}={}", folder.display()))
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or_else(|| "NAME=VALUE is expected".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}
