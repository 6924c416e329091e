//! What was typed.

use std::path::PathBuf;
use std::time::Duration;

/// Runs an Argo Workflow manifest, unchanged, on this machine: each step a process or a
/// container, each volume a folder, the result in the manifest's own .status.
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
EXAMPLES:
  Run a workflow; its volumes and logs are kept in a run folder:
    run-local test/workflows/e2e.yaml -p registry=example.com/ci --run-dir /tmp/e2e

  Run one step again, on the files that the run left, with the inputs that it had:
    run-local --step unit-tests /tmp/e2e/workflow.yaml --run-dir /tmp/e2e

  Run each step in a container of its image:
    run-local --runtime docker test/workflows/e2e.yaml

  See what would run:
    run-local --dry-run test/workflows/e2e.yaml

Processes get PATH, HOME, proxies and the places of tools from this environment, and nothing
else; containers get nothing of it. Name more with --pass-env. Steps are not sandboxed: run only
what you would run by hand.

EXIT CODES: 0 Succeeded; 1 Failed; 2 the manifest or the usage is wrong; 124 the workflow's
activeDeadlineSeconds passed; 130, 143 interrupted.")]
pub struct Opts {
    /// Workflow manifest, YAML or JSON; one that has a .status gives --step its inputs
    pub manifest: PathBuf,

    /// Runs just this step: a step's or task's name, or a template's
    #[arg(long, value_name = "NAME")]
    pub step: Option<String>,

    /// Value of a workflow parameter (with --step: or of an input of that step)
    #[arg(short, long = "parameter", value_name = "NAME=VALUE", value_parser = pair)]
    pub parameters: Vec<(String, String)>,

    /// Folder for volumes and logs [default: ~/.cache/test-worker/runs/WORKFLOW]
    #[arg(long, alias = "run_dir", value_name = "DIR")]
    pub run_dir: Option<PathBuf>,

    /// Where the Workflow is written with its .status, JSON if it ends in .json
    /// [default: workflow.yaml in the run folder; none with --step]
    #[arg(long, value_name = "FILE")]
    pub status: Option<PathBuf>,

    /// Folder that stands in for a secret or config map, a file for each key
    #[arg(long = "secret", visible_alias = "config-map", value_name = "NAME=DIR", value_parser = pair)]
    pub secrets: Vec<(String, String)>,

    /// Variable of this environment that the steps get as well
    #[arg(long, value_name = "NAME")]
    pub pass_env: Vec<String>,

    /// What runs the steps
    #[arg(long, value_enum, default_value_t = RuntimeName::Process)]
    pub runtime: RuntimeName,

    /// Folder of this machine that every container sees at the same path, a file:// bucket for
    /// example; with `:ro` it cannot write there
    #[arg(long = "mount", value_name = "DIR[:ro]")]
    pub mounts: Vec<String>,

    /// Time a step has to end after a signal, and the exit handler to run then
    #[arg(long, alias = "grace_period", value_name = "DURATION", default_value = "15s", value_parser = humantime::parse_duration)]
    pub grace_period: Duration,

    /// Stands before every step's name in the output: several workflows at once
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub output_prefix: String,

    /// Ends as by a signal when the program that started it is gone
    #[arg(long, hide = true)]
    pub with_parent: bool,

    /// Checks everything and prints what would run
    #[arg(long, alias = "dry_run")]
    pub dry_run: bool,
}

/// What runs steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RuntimeName {
    /// Processes of this machine, which stands in for every image
    Process,
    /// Containers of the steps' images, by the docker program
    Docker,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("NAME=VALUE is expected".to_owned()),
    }
}
