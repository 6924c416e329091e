//! The Prow entrypoint: selects the workflows that a change calls for, runs each, and leaves
//! the verdict and its evidence in a bucket.

mod called;
mod changes;
mod checkout;
mod cloud_logging;
mod config;
mod engine;
mod fnmatch;
mod fnv;
mod lint;
mod names;
mod opts;
mod origin;
mod output;
mod plan;
mod produce;
mod prune;
mod record;
mod render;
mod select;
mod selection;
mod session;
mod siblings;
mod summary;
mod verdict;
mod workflows;
mod worktree;

use common::app::App;
use common::bucket::Layout;
use common::{Error, Exit, Result, yaml};
use serde_json::Value;
use tracing::info;

use engine::by_hand;
use names::Naming;
use opts::{Command, PlanOpts, PlanOutput, RunCommand, RunOpts, ShowOpts, ShowOutput};
use origin::Origin;
use plan::Plan;
use selection::Selection;
use workflows::{Maker, Workflow};

pub use called::called;
pub use opts::Opts;

/// When this program was started by itself, for a child: becomes that. `None` in every other call.
pub fn enter() -> Option<std::process::ExitCode> {
    common::view::enter().or_else(common::evaluate::enter)
}

/// Plans and runs.
pub async fn run(opts: Opts, app: App) -> Result<Exit> {
    match opts.command {
        Some(Command::Plan(opts)) => plan(opts, app).await,
        Some(Command::Show(opts)) => show(opts, app).await,
        Some(Command::Lint(opts)) => lint::run(opts, app).await,
        Some(Command::Run(command)) => {
            let RunCommand { name, mut opts } = *command;
            opts.source.only = opts.source.only.or(name);
            Box::pin(run_or_explain(opts, app)).await
        }
        Some(Command::Prune(opts)) => prune::run(&opts, &app),
        Some(Command::Status(opts)) => by_hand::status(opts, app).await,
        Some(Command::Wait(opts)) => by_hand::wait(opts, app).await,
        Some(Command::Stop(opts)) => by_hand::stop(opts, app).await,
        Some(Command::Logs(opts)) => by_hand::logs(opts, app).await,
        None => Box::pin(run_or_explain(opts.run, app)).await,
    }
}

async fn run_or_explain(opts: RunOpts, app: App) -> Result<Exit> {
    if !opts.parameter.is_empty() && opts.source.only.is_none() {
        let what = "--parameter is for one workflow, and none is named";
        return Err(Error::usage(what).hint("say which: submit-e2e run NAME -p NAME=VALUE"));
    }
    if opts.dry_run {
        let plan = Plan::make(&opts, &app).await?;
        return app.print(plan);
    }
    session::run(opts, app).await
}

async fn plan(opts: PlanOpts, app: App) -> Result<Exit> {
    let (origin, _folder) = Origin::find(&opts.source, &app).await?;
    let source = origin.source(&opts.source, &app).await?;
    let selection = Selection::make(&origin, &source, &opts.source, &app).await?;
    match opts.output {
        PlanOutput::Table => app.print(selection.to_table()),
        PlanOutput::Json => app.print(format!("{:#}\n", selection.to_json())),
    }
}

async fn show(opts: ShowOpts, app: App) -> Result<Exit> {
    let (origin, folder) = Origin::find(&opts.source, &app).await?;
    let source = origin.source(&opts.source, &app).await?;
    let selection = Selection::make(&origin, &source, &opts.source, &app).await?;
    let maker = Maker {
        origin: &origin,
        source: &source,
        source_opts: &opts.source,
        opts: &opts.render,
        bucket: opts.render.bucket.as_deref(),
        layout: Layout::Prow,
        folder: folder.path(),
        names: Naming::EachTime,
        parameters: &[],
        app: &app,
    };
    let workflows = maker.make(&selection).await?;
    if workflows.is_empty() {
        let why = selection.why_nothing(opts.source.only.as_deref());
        info!("nothing would be submitted: {why}");
    }
    let objects = workflows.iter().flat_map(Workflow::objects);
    let manifests = objects.map(record::masked);
    match opts.output {
        ShowOutput::Json => app.print(format!("{:#}\n", manifests.collect::<Value>())),
        ShowOutput::Yaml => {
            let documents = manifests.map(|manifest| yaml::to_string(&manifest));
            app.print(documents.collect::<Result<Vec<_>>>()?.join("---\n"))
        }
    }
}
