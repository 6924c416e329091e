//! Prints what a step printed.

use common::app::App;
use common::workflow::NodeStatus;
use common::{Error, Exit, Result};
use std::io::Write;
use tokio::time::Instant;

use super::Objects;
use crate::cloud_logging;
use crate::engine::argo::client::ANSWER;
use crate::engine::argo::evidence::{log_request, parsed, pod_request};
use crate::engine::argo::fault::Fault;
use crate::engine::argo::stream::Prefixed;
use crate::engine::argo::submit::PATIENCE;
use crate::engine::argo::view::Seen;
use crate::engine::argo::{pod, rules};
use crate::opts::LogsOpts;

/// How long a step that is followed may print nothing.
const SILENCE: std::time::Duration = std::time::Duration::from_hours(24);

/// Prints what the own containers of a step printed: to stdout, without secrets; where several
/// pods are of this name, each line has its own before it.
pub(crate) async fn logs(opts: LogsOpts, app: App) -> Result<Exit> {
    let objects = Objects::new(&opts.objects, &app).await?;
    let all = objects.all().await?;
    let mut found: Vec<(&Seen, &NodeStatus)> = Vec::new();
    for seen in &all {
        let is_it =
            |node: &&NodeStatus| node.node_type == "Pod" && is_called(node, &opts.step, seen);
        found.extend(
            seen.status
                .nodes
                .values()
                .filter(is_it)
                .map(|node| (seen, node)),
        );
    }
    found.sort_by_key(|(_, node)| (&node.started_at, &node.name));
    if found.is_empty() {
        return Err(not_found(&opts.step, &all));
    }
    let printer = Printer {
        objects: &objects,
        rules: rules(&app.env)?,
        follow: opts.follow,
        app: &app,
        has_several: found.len() > 1,
    };
    for (seen, node) in found {
        printer.print(seen, node).await?;
    }
    Ok(Exit::Success)
}

/// A step is known by the name that people see, attempts by that of the step too, and by the name
/// that the controller gives.
fn is_called(node: &NodeStatus, step: &str, seen: &Seen) -> bool {
    let is_attempt = || {
        let retries = seen
            .status
            .nodes
            .values()
            .filter(|retry| retry.node_type == "Retry");
        let mut retries = retries.filter(|retry| retry.children.contains(&node.id));
        retries.any(|retry| retry.display_name == step)
    };
    node.display_name == step || node.name == step || is_attempt()
}

fn not_found(step: &str, all: &[Seen]) -> Error {
    let nodes = all.iter().flat_map(|seen| seen.status.nodes.values());
    let mut names: Vec<&str> = (nodes.filter(|node| node.node_type == "Pod"))
        .map(|node| node.display_name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let error = Error::usage(format!("no step {step:?} has started"));
    if names.is_empty() {
        error.hint("no step has")
    } else {
        error.hint(format!("there are: {}", names.join(", ")))
    }
}

struct Printer<'a> {
    objects: &'a Objects,
    rules: common::redact::Rules,
    follow: bool,
    app: &'a App,
    has_several: bool,
}

impl Printer<'_> {
    async fn print(&self, seen: &Seen, node: &NodeStatus) -> Result<()> {
        let resource = &self.objects.resource;
        let name = pod::name(&seen.name, node, node.template(), seen.pods_are_node_ids);
        let what = || format!("read the log of step {}", node.display_name);
        let request = pod_request(resource, &name).map_err(|fault| fault.explain(what()))?;
        let until = Instant::now() + PATIENCE;
        let pod = match self.objects.cluster.send_until(until, &request).await {
            Err(fault) if fault.code() == Some(404) => {
                let link =
                    cloud_logging::link(&cloud_logging::by_pod(&resource.namespace, &name), None);
                return Err(Error::failed(what())
                    .because(format!("its pod {name} is gone"))
                    .hint(format!("Cloud Logging may have it: {link}")));
            }
            answer => answer.and_then(|json| parsed(&json)),
        };
        let pod = pod.map_err(|fault| fault.explain(what()))?;
        for container in pod::containers(&pod) {
            if pod::is_argos(&container.name) || !container.has_started {
                continue;
            }
            let printed = self.container(&name, &container.name, node).await;
            printed.map_err(|fault| fault.explain(what()))?;
        }
        Ok(())
    }

    async fn container(&self, pod: &str, container: &str, node: &NodeStatus) -> Result<(), Fault> {
        let options: &[(&str, &str)] = if self.follow {
            &[("follow", "true")]
        } else {
            &[]
        };
        let request = log_request(&self.objects.resource, pod, container, options)?;
        let mut pieces = self.objects.cluster.open(request).await?;
        let prefix = if self.has_several {
            format!("[{}] ", node.display_name)
        } else {
            String::new()
        };
        let mut lines = Prefixed::new(&prefix, self.rules.redactor());
        let silence = if self.follow { SILENCE } else { ANSWER };
        loop {
            let piece = tokio::select! {
                piece = pieces.next(silence) => piece,
                _ = self.app.stop.wait() => None,
            };
            let Some(piece) = piece else { break };
            lines.push(&piece?);
            show(&lines.take());
        }
        show(&lines.finish());
        Ok(())
    }
}

/// Shows lines; a reader that went away is no error.
fn show(lines: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(lines).and_then(|()| stdout.flush());
}
