//! One run of a job, from its start to its verdict. Once `started.json` is written,
//! `finished.json` follows, whatever happens between them.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use common::app::App;
use common::bucket::Outcome;
use common::env::Env;
use common::job::Job;
use common::{Error, Exit, Result, ResultExt, exec};
use tokio::time::{Instant, timeout_at};
use tracing::{error, info};

use crate::checkout;
use crate::engine::{Engine, Run, containers};
use crate::opts::RunOpts;
use crate::origin::{Origin, own_build_id};
use crate::output::Output;
use crate::record::{BUILD_LOG, Record};
use crate::selection::Selection;
use crate::summary::summary;
use crate::verdict::Evidence;
use crate::workflows::{Maker, Workflow};

struct Session {
    opts: RunOpts,
    app: App,
    origin: Origin,
    run_dir: PathBuf,
    bucket: Option<String>,
    record: Record,
    engine: Engine,
    output: Rc<Output>,
    deadline: Instant,
}

/// Runs the job; gives its verdict's exit code.
pub(crate) async fn run(opts: RunOpts, app: App) -> Result<Exit> {
    let mut session = Session::start(opts, app).await?;
    let mut evidence = Evidence::default();
    session.work(&mut evidence).await;
    session.finish(evidence).await
}

impl Session {
    /// Everything up to `started.json`. What fails here leaves nothing in the bucket.
    async fn start(opts: RunOpts, app: App) -> Result<Session> {
        let deadline = Instant::now().checked_add(opts.timeout);
        let deadline =
            deadline.ok_or_else(|| Error::usage("--timeout is longer than time lasts"))?;
        let job = Job::from_env(&app.env)?;
        let build_id = job
            .as_ref()
            .map_or_else(own_build_id, |job| job.build_id.clone());
        let run_dir = make_run_dir(opts.run_dir.as_deref(), &app.env, &build_id)?;
        let output = Output::start(&run_dir.join(BUILD_LOG))?;
        let origin = match job {
            Some(job) => Origin::Prow(Box::new(job)),
            None => Origin::of_working_tree(&opts.source, &build_id, &run_dir, &app.stop).await?,
        };
        if let Origin::WorkingTree(tree) = &origin {
            tree.complete(&app.stop).await?;
        }
        let bucket = bucket_url(&opts, &origin, &run_dir);
        let record = Record::new(origin.job(), bucket.as_deref(), opts.layout, &app.env)?;
        app.stop.check("before anything was started")?;
        // So that nothing is left running even of a run-local that had to be killed.
        exec::adopt_orphans()?;
        let (engine, choice) = Engine::choose(&opts, &origin, &run_dir, &app)?;
        info!("{choice}");
        record.start().await?;
        let flags = containers::flags(&opts, &origin, bucket.as_deref(), &record.place());
        Ok(Session {
            engine: engine.passing_on(flags),
            opts,
            app,
            origin,
            run_dir,
            bucket,
            record,
            output,
            deadline,
        })
    }

    /// Selects and runs. What goes wrong becomes a part of the evidence.
    async fn work(&mut self, evidence: &mut Evidence) {
        let deadline = self.deadline;
        let workflows = match timeout_at(deadline, self.prepare()).await {
            Ok(Ok(workflows)) => workflows,
            Ok(Err(error)) => return evidence.errors.push(error),
            Err(_) => {
                exec::end_orphans();
                let what = "the job's --timeout passed before its workflows were started";
                return evidence.errors.push(Error::timed_out(what));
            }
        };
        let run = Run {
            record: &self.record,
            output: self.output.clone(),
            deadline: self.deadline,
            stop: self.app.stop.clone(),
        };
        evidence.workflows = self.engine.run_all(workflows, &run).await;
        match self.record.junit().await {
            Ok(junit) => {
                evidence.junit = junit;
                evidence.look_for_expected_junit();
            }
            Err(error) => evidence.errors.push(error),
        }
    }

    /// Writes the manifests of the selected workflows, each of which the engine accepts.
    async fn prepare(&mut self) -> Result<Vec<Workflow>> {
        let app = &self.app;
        if let Some(folder) = &self.opts.source.repos_dir
            && self.opts.checkout
        {
            let (grace, output) = (self.opts.grace_period, self.output.clone());
            checkout::place(folder, self.deadline, grace, &app.stop, output).await?;
        }
        let source = self.origin.source(&self.opts.source, app).await?;
        let selection = Selection::make(&self.origin, &source, &self.opts.source, app).await?;
        info!("{}", selection.to_table().trim_end());
        let maker = Maker {
            origin: &self.origin,
            source: &source,
            source_opts: &self.opts.source,
            opts: &self.opts.render,
            bucket: self.bucket.as_deref(),
            layout: self.opts.layout,
            folder: &self.run_dir,
            names: self.engine.naming(),
            parameters: &self.opts.parameter,
            app,
        };
        let workflows = maker.make(&selection).await?;
        self.engine.can_run(&workflows)?;
        self.engine.check(&workflows, app).await?;
        self.record.point_to_it().await?;
        let pages = self.engine.pages(&workflows);
        self.record.start_workflows(pages).await?;
        app.stop.check("before the workflows were started")?;
        Ok(workflows)
    }

    /// Tells the verdict, and writes it last. From here on nothing is cut short any more: the
    /// records are small, and a job without its end is worse than a late one.
    async fn finish(self, mut evidence: Evidence) -> Result<Exit> {
        let (outcome, _) = evidence.verdict();
        let text = summary(outcome, &evidence, &self.record.place());
        if outcome == Outcome::Success {
            info!("{text}");
        } else {
            error!("{text}");
        }
        if let Err(failure) = self.record.build_log(&self.run_dir.join(BUILD_LOG)).await {
            error!("{}", failure.report());
            evidence.errors.push(failure);
        }
        let (outcome, exit) = evidence.verdict();
        if let Err(failure) = self.record.finish(outcome, &evidence.workflows).await {
            error!("{}", failure.report());
            evidence.errors.push(failure);
            return Ok(evidence.verdict().1);
        }
        Ok(exit)
    }
}

/// The bucket; a person's own runs need none to be named.
pub(crate) fn bucket_url(opts: &RunOpts, origin: &Origin, run_dir: &Path) -> Option<String> {
    match (&opts.render.bucket, origin) {
        (Some(url), _) => Some(url.clone()),
        (None, Origin::WorkingTree(_)) => {
            Some(format!("file://{}", run_dir.join("bucket").display()))
        }
        (None, Origin::Prow(_)) => None,
    }
}

/// The folder of this run, as it was asked for or in the user's cache folder.
pub(crate) fn run_dir(asked: Option<&Path>, env: &Env, build_id: &str) -> Result<PathBuf> {
    if let Some(asked) = asked {
        return std::path::absolute(asked).or_usage(|| format!("--run-dir {}", asked.display()));
    }
    Ok(env.runs_folder()?.join(build_id))
}

/// Makes the folder of this run; gives its real path, which steps and git can both use.
fn make_run_dir(asked: Option<&Path>, env: &Env, build_id: &str) -> Result<PathBuf> {
    let folder = run_dir(asked, env, build_id)?;
    let what = || format!("make the run's folder {}", folder.display());
    std::fs::create_dir_all(&folder).or_failed(what)?;
    // In a working tree it is no part of the change.
    let (ignore, own) = (folder.join(".gitignore"), "*\n");
    if folder.join(".git").exists()
        || std::fs::read(&ignore).is_ok_and(|text| text != own.as_bytes())
    {
        let what = format!("{} is a folder of a repository", folder.display());
        return Err(Error::usage(what).hint("give a run a folder of its own with --run-dir"));
    }
    std::fs::write(&ignore, own).or_failed(what)?;
    folder.canonicalize().or_failed(what)
}
