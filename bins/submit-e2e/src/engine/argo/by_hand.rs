//! What a person asks of workflows on a cluster: status, wait, stop, logs.

mod logs;
mod wait;

use common::app::App;
use common::job::Job;
use common::{Error, Exit, Result};
use serde_json::Value;
use tokio::time::Instant;
use tracing::info;

use super::client::Cluster;
use super::feed::{Feed, News, Selector};
use super::identity::Run;
use super::resource::{Resource, Shutdown};
use super::source::Source;
use super::submit::{PATIENCE, get, shut_down};
use super::tree;
use super::view::Seen;
use crate::opts::{ObjectsOpts, StatusOpts, StatusOutput, StopOpts};

pub(crate) use logs::logs;
pub(crate) use wait::wait;

/// The workflows that are asked for.
struct Objects {
    cluster: Cluster,
    resource: Resource,
    which: Which,
}

enum Which {
    Names(Vec<String>),
    /// Those of a build.
    Build(Run),
}

impl Objects {
    async fn new(opts: &ObjectsOpts, app: &App) -> Result<Objects> {
        let source = Source::of_person(&opts.cluster, opts.project.as_deref(), &app.env)?;
        let cluster = Cluster::connect(&source, &app.env).await?;
        let namespace = opts.namespace.as_deref().unwrap_or(&cluster.namespace);
        let resource = Resource::workflows(namespace)?;
        let which = if !opts.names.is_empty() {
            Which::Names(opts.names.clone())
        } else if let Some(job) = Job::from_env(&app.env)? {
            Which::Build(Run::of(&job))
        } else {
            return Err(Error::usage("which workflow?").hint(
                "give its name, or set the variables of its job: JOB_SPEC, or JOB_NAME, BUILD_ID \
                 and PROW_JOB_ID",
            ));
        };
        Ok(Objects {
            cluster,
            resource,
            which,
        })
    }

    fn feeds(&self) -> Vec<Feed> {
        let feed = |selector| Feed::new(self.resource.clone(), selector);
        match &self.which {
            Which::Names(names) => (names.iter())
                .map(|name| feed(Selector::Name(name.clone())))
                .collect(),
            Which::Build(run) => vec![feed(run.selector())],
        }
    }

    /// All of them as they are now; an error where there is none, or one of those named is not there.
    async fn all(&self) -> Result<Vec<Seen>> {
        let until = Instant::now() + PATIENCE;
        let mut all = Vec::new();
        let resource = &self.resource;
        match &self.which {
            Which::Names(names) => {
                for name in names {
                    let what =
                        || format!("read workflow {name} of namespace {}", resource.namespace);
                    let found = get(&self.cluster, resource, name, until).await;
                    let found = found.map_err(|fault| fault.explain(what()))?;
                    let json = found.ok_or_else(|| {
                        Error::usage(what()).because("there is none of this name".to_owned())
                    })?;
                    let seen = Seen::read(resource.kind, &json);
                    all.push(seen.map_err(|fault| fault.explain(what()))?);
                }
            }
            Which::Build(_) => {
                for mut feed in self.feeds() {
                    let what = || format!("list the {resource}");
                    let listed = feed.all(&self.cluster, until).await;
                    for news in listed.map_err(|fault| fault.explain(what()))? {
                        if let News::Object { seen, .. } = news {
                            all.push(*seen);
                        }
                    }
                }
                if all.is_empty() {
                    return Err(Error::usage(format!(
                        "no workflow of this build is in namespace {}",
                        resource.namespace
                    ))
                    .hint("is it another namespace (--namespace), or another build (BUILD_ID, PROW_JOB_ID)?"));
                }
            }
        }
        Ok(all)
    }
}

/// Shows workflows, step by step.
pub(crate) async fn status(opts: StatusOpts, app: App) -> Result<Exit> {
    let objects = Objects::new(&opts.objects, &app).await?;
    let all = objects.all().await?;
    let namespace = &objects.resource.namespace;
    match opts.output {
        StatusOutput::Tree => {
            let texts: Vec<_> = all
                .iter()
                .map(|seen| tree::text(&seen.name, &seen.status))
                .collect();
            app.print(texts.join("\n"))
        }
        StatusOutput::Json => {
            let value = |seen: &Seen| tree::value(&seen.name, namespace, &seen.status);
            app.print(format!("{:#}\n", all.iter().map(value).collect::<Value>()))
        }
    }
}

/// Tells workflows to end.
pub(crate) async fn stop(opts: StopOpts, app: App) -> Result<Exit> {
    let objects = Objects::new(&opts.objects, &app).await?;
    let how = if opts.terminate {
        Shutdown::Terminate
    } else {
        Shutdown::Stop
    };
    for seen in objects.all().await? {
        let name = &seen.name;
        if seen.is_final() {
            info!("{name} has ended already: {}", seen.status.phase);
            continue;
        }
        let until = Instant::now() + PATIENCE;
        let told = shut_down(&objects.cluster, &objects.resource, name, how, until).await;
        told.map_err(|fault| fault.explain(format!("stop workflow {name}")))?;
        match how {
            Shutdown::Stop => info!("{name} is told to stop; its exit handlers still run"),
            Shutdown::Terminate => info!("{name} is told to terminate"),
        }
    }
    Ok(Exit::Success)
}
