//! The engine for clusters: workflows are created on Argo Workflows and followed to their ends.

pub(crate) mod by_hand;
mod client;
mod evidence;
mod executor;
#[cfg(test)]
mod fake;
mod fault;
mod feed;
mod follow;
mod identity;
mod item;
mod junit;
mod pod;
mod resource;
mod source;
mod stream;
mod submit;
#[cfg(test)]
mod tests;
mod track;
mod tree;
mod view;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use common::app::App;
use common::env::Env;
use common::job::Job;
use common::redact::{self, Rules, Sources};
use common::{Error, Result};
use futures::StreamExt;
use tokio::time::Instant;
use tracing::info;

use self::client::Cluster;
use self::feed::Feed;
use self::follow::Follow;
use self::identity::Run as Identity;
use self::item::Item;
use self::resource::Resource;
use self::submit::{Order, PATIENCE};
use super::{Run, WorkflowEnd};
use crate::opts::{Kept, OnAbort, RunOpts, Steps};
use crate::workflows::Workflow;

pub(crate) use self::source::Source;

/// How many requests of one kind are under way at a time.
const AT_ONCE: usize = 8;

/// Runs workflows on a cluster.
pub(crate) struct Argo {
    source: Source,
    identity: Identity,
    settings: Settings,
    /// What [`Argo::check`] has found out.
    ready: Option<Ready>,
}

/// What was asked for.
pub(super) struct Settings {
    follow: Steps,
    kept: Kept,
    on_abort: OnAbort,
    /// From the signal, or the time limit, to our end.
    grace: Duration,
    page: Option<String>,
    project: Option<String>,
    run_dir: PathBuf,
    rules: Rules,
}

struct Ready {
    cluster: Cluster,
    items: Vec<Item>,
    feeds: Vec<Feed>,
}

impl Argo {
    /// Nothing is sent yet.
    pub(crate) fn new(
        source: Source,
        job: &Job,
        run_dir: PathBuf,
        opts: &RunOpts,
        env: &Env,
    ) -> Result<Self> {
        Ok(Argo {
            source,
            identity: Identity::of(job),
            settings: Settings {
                follow: opts.follow,
                kept: opts.logs,
                on_abort: opts.on_abort,
                grace: opts.grace_period,
                page: opts.argo_ui_url.clone(),
                project: opts.render.project.clone(),
                run_dir,
                rules: rules(env)?,
            },
            ready: None,
        })
    }

    /// Finds what an earlier start of this build left, and has the server check everything else
    /// as if it were created.
    pub(super) async fn check(&mut self, workflows: &[Workflow], app: &App) -> Result<()> {
        if workflows.is_empty() {
            return Ok(());
        }
        let checked = async {
            let cluster = Cluster::connect(&self.source, &app.env).await?;
            info!("the cluster is {}", cluster.server);
            let mut items = Vec::new();
            for workflow in workflows {
                items.push(self.item(workflow, &cluster.namespace)?);
            }
            let feeds = self.find(&cluster, &mut items).await?;
            check_all(&cluster, &items).await?;
            Ok(Ready {
                cluster,
                items,
                feeds,
            })
        };
        let ready = tokio::select! {
            checked = checked => checked?,
            signal = app.stop.wait() => {
                let what = "interrupted: before anything was submitted";
                return Err(Error::interrupted(signal, what));
            }
        };
        self.ready = Some(ready);
        Ok(())
    }

    fn item(&self, workflow: &Workflow, namespace: &str) -> Result<Item> {
        let order = Order::new(
            &workflow.entry,
            &workflow.manifest,
            &self.identity,
            namespace,
        )?;
        let teardown = workflow.teardown.as_ref().map(|manifest| {
            let entry = format!("{}-teardown", workflow.entry);
            Order::new(&entry, manifest, &self.identity, namespace)
        });
        Ok(Item::new(order, teardown.transpose()?))
    }

    /// Lists what is there of this build, for each kind of object once.
    async fn find(&self, cluster: &Cluster, items: &mut [Item]) -> Result<Vec<Feed>> {
        let mut feeds: BTreeMap<Resource, Feed> = BTreeMap::new();
        for order in items.iter().flat_map(Item::orders) {
            let resource = order.resource.clone();
            let feed = || Feed::new(resource.clone(), self.identity.selector());
            feeds.entry(resource.clone()).or_insert_with(feed);
        }
        for feed in feeds.values_mut() {
            let existing = feed.existing(cluster, Instant::now() + PATIENCE).await;
            let what = || format!("list the {}", feed.resource);
            let existing = existing.map_err(|fault| fault.explain(what()))?;
            if self.identity.is_prows {
                for item in items.iter_mut() {
                    item.adopt(&feed.resource, &existing, &self.identity);
                }
            }
        }
        Ok(feeds.into_values().collect())
    }

    /// Creates and follows all workflows; gives their ends in the order of the configuration.
    pub(super) async fn run_all(&mut self, run: &Run<'_>) -> Vec<WorkflowEnd> {
        let Some(ready) = self.ready.take() else {
            return Vec::new();
        };
        let follow = Follow::new(
            &ready.cluster,
            &self.identity,
            &self.settings,
            run,
            ready.items,
        );
        follow.until_the_end(ready.feeds).await
    }

    /// The page that shows a workflow, where there is one.
    pub(super) fn pages(&self) -> Vec<(String, Option<String>)> {
        let items = self.ready.iter().flat_map(|ready| &ready.items);
        let page = |item: &Item| {
            let order = &item.order;
            // The uid is not known yet; a template that needs it has its link at the end only.
            let page = self
                .settings
                .page
                .as_ref()
                .filter(|page| !page.contains("{uid}"));
            let page = page.map(|page| fill(page, &order.resource.namespace, &order.name, ""));
            (order.name.clone(), page)
        };
        items.map(page).collect()
    }

    /// What would be done, in a line for each object.
    pub(super) fn actions(&self, workflows: &[Workflow]) -> Vec<String> {
        let action = |object: &serde_json::Value| {
            let kind = object["kind"].as_str().unwrap_or_default();
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            format!("create {kind} {name} on the cluster of {}", self.source)
        };
        workflows
            .iter()
            .flat_map(Workflow::objects)
            .map(action)
            .collect()
    }
}

impl std::fmt::Debug for Argo {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Argo on the cluster of {}", self.source)
    }
}

/// Has the server check everything that is to be created.
async fn check_all(cluster: &Cluster, items: &[Item]) -> Result<()> {
    let new = items.iter().filter(|item| !item.is_adopted);
    let checks = new.flat_map(Item::orders).map(|order| order.check(cluster));
    let mut checks = futures::stream::iter(checks).buffered(AT_ONCE);
    while let Some(checked) = checks.next().await {
        checked?;
    }
    Ok(())
}

/// What must not be shown of what steps print: what looks like a token, and what this process
/// knows to be secret.
fn rules(env: &Env) -> Result<Rules> {
    // Where the kernel does not tell, nothing is mounted.
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let secrets = redact::of_process(&Sources::from_env(env), env, &mounts)?;
    secrets.with_token_shapes().compile()
}

/// The page of one workflow.
fn fill(page: &str, namespace: &str, name: &str, uid: &str) -> String {
    page.replace("{namespace}", namespace)
        .replace("{name}", name)
        .replace("{uid}", uid)
}
