//! Runs an Argo Workflow, or one step of it, on this machine: the embedded engine, and the
//! tool that reproduces a failure.

mod choice;
mod engine;
mod expression;
mod manifest;
mod opts;
mod plan;
mod report;
mod show;
mod step;
mod substitute;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::app::App;
use common::live::Live;
use common::workflow::Phase;
use common::{Error, Exit, Result, ResultExt, exec};

pub use opts::{Opts, RuntimeName};
pub use step::enter;

use engine::{Ending, Engine, Nodes};
use plan::Plan;
use step::{Docker, Process, Runtime, StepRunner};

/// Plans and runs.
pub async fn run(opts: Opts, app: App) -> Result<Exit> {
    let (dry_run, with_parent) = (opts.dry_run, opts.with_parent);
    let plan = Plan::new(opts, &app.env)?;
    if dry_run {
        return app.print(&plan);
    }
    if with_parent {
        exec::end_with_parent()?;
    }
    let engine = prepare(&plan, &app).await?;
    let phase = {
        let following = engine.nodes.write_along();
        tokio::select! {
            phase = run_to_the_end(&engine, &plan, &app) => phase?,
            () = following => Phase::Error,
        }
    };
    engine.end_steps().await;
    let written = engine.nodes.write();
    // On a full disk, too, a person is to read why a step failed.
    tell(&engine, &plan);
    written?;
    Ok(match (engine.ending(), phase) {
        (Some(Ending::Signal(signal)), _) => Exit::Interrupted(signal),
        (Some(Ending::Deadline), _) => Exit::TimedOut,
        (None, phase) if phase.is_bad() => Exit::Failed,
        (None, _) => Exit::Success,
    })
}

async fn run_to_the_end(engine: &Arc<Engine>, plan: &Plan, app: &App) -> Result<Phase> {
    match &plan.choice {
        Some(choice) => Ok(engine.run_step(choice, &app.stop).await.phase),
        None => Ok(engine.run(&app.stop, plan.grace).await?.phase),
    }
}

async fn prepare(plan: &Plan, app: &App) -> Result<Arc<Engine>> {
    std::fs::create_dir_all(&plan.run_dir)
        .or_failed(|| format!("make the run folder {}", plan.run_dir.display()))?;
    // Links on its path would hide that a mount covers it.
    let run_dir = plan.run_dir.canonicalize();
    let run_dir =
        run_dir.or_failed(|| format!("look up the run folder {}", plan.run_dir.display()))?;
    let lock = lock(&run_dir)?;
    exec::adopt_orphans()?;
    let workflow = plan.workflow.clone();
    let not_applied = plan.not_applied();
    if !not_applied.is_empty() {
        tracing::info!("not applied on this machine: {}", not_applied.join(", "));
    }
    let (runtime, inherited) = runtime(plan, app, &run_dir).await?;
    let runner = StepRunner {
        runtime,
        inherited,
        run_dir,
        _lock: lock,
        secrets: plan.secrets.clone(),
        volumes: workflow.volumes.clone(),
        namespace: workflow.namespace.clone(),
        service_account: workflow.service_account.clone(),
        labels: workflow.labels.clone(),
        annotations: workflow.annotations.clone(),
        grace: plan.grace,
        live: Live::default(),
        failures: Mutex::new(Vec::new()),
    };
    let object = workflow.object();
    let nodes = Nodes::new(&workflow.name, object, plan.status.clone());
    nodes.write()?;
    Ok(Arc::new(Engine::new(
        workflow,
        nodes,
        runner,
        &plan.output_prefix,
    )))
}

/// What runs the steps, and the variables that each of them starts from.
async fn runtime(
    plan: &Plan,
    app: &App,
    run_dir: &Path,
) -> Result<(Runtime, Vec<(String, String)>)> {
    Ok(match plan.runtime {
        RuntimeName::Process => {
            let own_path = std::env::current_exe().or_failed(|| "look up this program")?;
            let process = Process::find(own_path, run_dir).await;
            let inherited = process.inherited(&app.env, &plan.pass_env);
            (Runtime::Process(process), inherited)
        }
        RuntimeName::Docker => {
            let (shared, secrets) = (plan.shared.clone(), plan.secrets.clone());
            let docker = Docker::find(run_dir, shared, secrets, &app.stop).await?;
            let named = step::named(&app.env, &plan.pass_env);
            (Runtime::Docker(docker), named)
        }
    })
}

/// Takes the run folder for this run: another one would remove the folders of its steps. The
/// lock ends with this process, however that ends.
fn lock(run_dir: &Path) -> Result<File> {
    let path = run_dir.join(".lock");
    let lock = File::create(&path).or_failed(|| format!("write {}", path.display()))?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::usage(format!(
            "another run-local runs in {}",
            run_dir.display()
        ))
        .hint("wait for it, or name another folder with --run-dir")),
        // A file system without locks is no reason not to run.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(lock),
    }
}

/// The end, for a person.
fn tell(engine: &Engine, plan: &Plan) {
    let status = engine.nodes.snapshot();
    tracing::info!(
        "steps:\n{}",
        report::timeline(&status, &engine.nodes.times(), |name| engine.label(name)).trim_end()
    );
    let failures = report::failures(plan, &status, &engine.failures());
    if !failures.is_empty() {
        tracing::error!("{}", failures.trim_end());
    }
    let message = if status.message.is_empty() {
        String::new()
    } else {
        format!(": {}", status.message)
    };
    tracing::info!("{}: {}{message}", engine.workflow.name, status.phase);
}
