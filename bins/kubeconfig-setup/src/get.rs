//! `get`: finds the cluster, takes its lease where one is wanted, writes its entry.

use std::path::Path;
use std::time::{Duration, Instant};

use common::app::App;
use common::google::gke::Cluster;
use common::{Error, Exit, Result};
use serde_json::{Value, json};

use crate::kubeconfig::{self, Entry};
use crate::lease::hold::{self, Event, Holding};
use crate::lease::note::{Note, wall_clock};
use crate::lease::place::Place;
use crate::lease::take::{self, Taken, Want};
use crate::lease::{name_of, queue_of};
use crate::opts::Output;
use crate::plan::{Get, Gke, Lease, Source, Which};
use crate::pool::{Pool, Watch};
use crate::source::{Existing, context_of, in_cluster, of_gke};

/// Does it.
pub(crate) async fn run(plan: Get, app: &App) -> Result<Exit> {
    let entry = match &plan.source {
        Source::InCluster => in_cluster(&app.env)?,
        Source::Given(given) => given.entry()?,
        Source::Existing {
            path,
            context,
            command,
        } => Existing::read(path)?.entry(context.as_deref(), command)?,
        Source::Gke(gke) => match &gke.which {
            Which::OfPool {
                pool,
                lease: Some(lease),
            } => return leased(&plan, gke, pool, lease, app).await,
            Which::OfPool { pool, lease: None } => {
                let found = limited(&plan, app, pool.healthy(&gke.clusters)).await?;
                let newest = found
                    .first()
                    .ok_or_else(|| Error::failed("find a cluster"))?;
                gke.entry(newest, None)?
            }
            Which::One { location, name } => {
                let found = gke.clusters.get(location, name, None);
                gke.entry(&limited(&plan, app, found).await?, None)?
            }
        },
    };
    write(&plan, entry, app, None).await?;
    Ok(Exit::Success)
}

/// Work with an end: the time limit, or a signal.
async fn limited<T>(plan: &Get, app: &App, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        done = tokio::time::timeout(plan.timeout, work) => done.unwrap_or_else(|_| {
            let limit = humantime::format_duration(plan.timeout);
            Err(Error::timed_out(format!("find the cluster within {limit}")))
        }),
        signal = app.stop.wait() => Err(Error::interrupted(signal, "interrupted: finding the cluster")),
    }
}

impl Gke {
    fn entry(&self, cluster: &Cluster, lease: Option<&Path>) -> Result<Entry> {
        let exec = (&self.plugin, self.account.as_deref(), lease);
        of_gke(self.clusters.project(), cluster, self.endpoint, exec)
    }
}

/// Writes the entry and says so; the namespace that was asked for beats the entry's own.
async fn write(plan: &Get, mut entry: Entry, app: &App, lease: Option<Value>) -> Result<()> {
    if let Some(namespace) = &plan.namespace {
        entry.namespace = Some(namespace.clone());
    }
    kubeconfig::update(&plan.kubeconfig, &entry, plan.timeout).await?;
    let (name, file) = (&entry.name, plan.kubeconfig.display());
    tracing::info!("wrote context {name} to {file}");
    if plan.output == Output::Json {
        let mut written = json!({
            "event": "written", "kubeconfig": plan.kubeconfig, "context": name,
            "server": entry.cluster["server"], "namespace": entry.namespace,
        });
        if let Some(lease) = lease {
            written["lease"] = lease;
        }
        app.print(format_args!("{written}\n"))?;
    }
    Ok(())
}

/// Takes a cluster of the pool alone, and holds it where that is wanted. Whatever fails after the
/// taking, the lease is given back.
async fn leased(plan: &Get, gke: &Gke, pool: &Pool, lease: &Lease, app: &App) -> Result<Exit> {
    let begun = Instant::now();
    let mut watch = limited(plan, app, Watch::new(pool, &gke.clusters)).await?;
    let project = gke.clusters.project();
    let place = limited(plan, app, lease.at.open(&app.env)).await?;
    let mut want = Want {
        queue: queue_of(project, pool.pattern.as_str()),
        holder: lease.holder.clone(),
        earlier: Note::of_run(&plan.kubeconfig, &lease.at, &lease.holder),
        seconds: lease.seconds,
        wait: lease.wait,
        timeout: plan.timeout,
    };
    loop {
        let names = async || {
            let healthy = watch.healthy().await;
            healthy.iter().map(|it| name_of(project, it)).collect()
        };
        let taken = take::take(&place, &want, names, &app.stop).await?;
        let looked = limited(plan, app, watch.look()).await;
        let kept = match looked.map(|healthy| of_lease(project, healthy, &taken)) {
            Ok(Some(cluster)) => {
                let note = Note::path(&plan.kubeconfig, &context_of(project, cluster));
                let holder = Holder {
                    plan,
                    lease,
                    place: &place,
                    note: &note,
                    app,
                };
                holder.keep(gke, cluster, &taken).await.map(|()| true)
            }
            // While we waited it was stopped, or is being mended.
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        };
        if matches!(kept, Ok(true)) {
            return Ok(Exit::Success);
        }
        if let Err(failed) = hold::give_back(&place, &taken).await {
            tracing::warn!("{}", failed.report());
        }
        kept?;
        let (name, waited) = (&taken.name, begun.elapsed());
        if waited >= lease.wait {
            return Err(
                Error::unavailable(format!("{name} is not RUNNING any more"))
                    .hint("--wait says how long to wait for another one"),
            );
        }
        tracing::warn!("{name} is not RUNNING any more: waiting for another one");
        want.wait = lease.wait.saturating_sub(waited);
    }
}

fn of_lease<'a>(project: &str, clusters: &'a [Cluster], taken: &Taken) -> Option<&'a Cluster> {
    let mut clusters = clusters.iter();
    clusters.find(|cluster| name_of(project, cluster) == taken.name)
}

/// Whoever has just taken a lease.
struct Holder<'a> {
    plan: &'a Get,
    lease: &'a Lease,
    place: &'a Place,
    note: &'a Path,
    app: &'a App,
}

impl Holder<'_> {
    /// Does all that the lease is for; what fails leaves no note.
    async fn keep(&self, gke: &Gke, cluster: &Cluster, taken: &Taken) -> Result<()> {
        let kept = match gke.entry(cluster, Some(self.note)) {
            Ok(entry) => self.use_it(entry, taken).await,
            Err(error) => Err(error),
        };
        if kept.is_err() {
            let _ = Note::forget(self.note, taken);
        }
        kept
    }

    /// Notes the lease, writes the entry, and renews the lease until the end of it.
    async fn use_it(&self, entry: Entry, taken: &Taken) -> Result<()> {
        self.write_note(taken)?;
        write(self.plan, entry, self.app, Some(described("taken", taken))).await?;
        let Some(hold) = &self.lease.hold else {
            let good_for = Duration::from_secs(self.lease.seconds.into());
            let (name, good_for) = (&taken.name, humantime::format_duration(good_for));
            tracing::info!("{name} is ours for {good_for}, or until `release`");
            return Ok(());
        };
        tracing::info!("{} is ours until we are told to end", taken.name);
        let holding = Holding {
            seconds: self.lease.seconds,
            limit: hold.limit,
            until_file: hold.until_file.as_deref(),
        };
        let tell = |event, taken: &Taken| match event {
            Event::Renewed => {
                self.write_note(taken)?;
                self.tell("renewed", taken)
            }
            Event::Ending => {
                // Without its note there is no token any more.
                let _ = Note::forget(self.note, taken);
                self.tell("ending", taken)
            }
        };
        hold::hold(self.place, taken.clone(), &holding, &self.app.stop, tell).await
    }

    fn write_note(&self, taken: &Taken) -> Result<()> {
        let folder = self.note.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::failed(format!("make {}", folder.display())).because(error))?;
        Note::new(&self.lease.at, taken).write(self.note)
    }

    fn tell(&self, event: &str, taken: &Taken) -> Result<()> {
        if self.plan.output == Output::Json {
            self.app
                .print(format_args!("{}\n", described(event, taken)))?;
        }
        Ok(())
    }
}

/// A lease, for programs: from now until `good_until` nobody else has it.
fn described(event: &str, taken: &Taken) -> Value {
    let time = |time| humantime::format_rfc3339_millis(time).to_string();
    json!({
        "event": event, "name": taken.name, "holder": taken.holder, "fencing": taken.fencing,
        "at": time(std::time::SystemTime::now()),
        "good_until": time(wall_clock(taken.good_until)),
    })
}
