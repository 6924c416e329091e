//! What a step's pod tells: its name, its containers, and why it came to a bad end.

use common::workflow::NodeStatus;
use serde_json::Value;

use crate::fnv::fnv32;

/// Longest start of a pod's name before the hash. Source: Argo's `GeneratePodName`.
const LONGEST_START: usize = 253 - 10 - 1;

/// A container of a pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) name: String,
    /// It has been started before.
    pub(super) was_restarted: bool,
    /// It has printed something, or may have.
    pub(super) has_started: bool,
    pub(super) is_running: bool,
}

/// The name of a node's pod. Source: Argo's `GeneratePodName`.
pub(super) fn name(workflow: &str, node: &NodeStatus, template: &str, by_node_id: bool) -> String {
    if by_node_id {
        return node.id.clone();
    }
    if node.name == workflow {
        return workflow.to_owned();
    }
    let mut start = if template.is_empty() {
        workflow.to_owned()
    } else {
        format!("{workflow}-{template}")
    };
    start.truncate(start.floor_char_boundary(LONGEST_START));
    format!("{start}-{}", fnv32(node.name.as_bytes()))
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The statuses of all containers, those that prepare first.
fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    let init = list(pod, "/status/initContainerStatuses");
    init.chain(list(pod, "/status/containerStatuses"))
}

/// All containers, those that prepare first.
pub(super) fn containers(pod: &Value) -> Vec<Container> {
    let container = |status: &Value| Container {
        name: text(status, "/name").to_owned(),
        was_restarted: status["restartCount"].as_u64().unwrap_or_default() > 0,
        has_started: status.pointer("/state/waiting").is_none() && status["state"].is_object(),
        is_running: status.pointer("/state/running").is_some(),
    };
    statuses(pod).map(container).collect()
}

/// The name of the container that speaks for the step: the first one that failed, in the order of the
/// manifest, else the first one that is neither Argo's nor prepares. Tekton's steps are containers
/// one after the other, and those behind one that failed fail as well.
pub(super) fn main_container(pod: &Value) -> &str {
    let of = |kind: &'static str| list(pod, kind).map(|container| text(container, "/name"));
    let has_failed = |name: &&str| {
        let code = (statuses(pod).find(|status| status["name"] == **name))
            .and_then(|status| status.pointer("/state/terminated/exitCode"));
        code.is_some_and(|code| *code != 0)
    };
    let is_own = |name: &&str| !is_argos(name);
    let mut all = of("/spec/initContainers").chain(of("/spec/containers"));
    let failed = all.find(|name| is_own(name) && has_failed(name));
    let first = || of("/spec/containers").find(is_own);
    failed.or_else(first).unwrap_or_default()
}

/// Whether a container is Argo's own: it fetches inputs or saves outputs.
pub(super) fn is_argos(container: &str) -> bool {
    matches!(container, "init" | "wait")
}

/// When the last container of a pod ended, RFC 3339 in UTC; `None` while one has not.
pub(super) fn end(pod: &Value) -> Option<&str> {
    let ends = list(pod, "/status/containerStatuses")
        .map(|status| status.pointer("/state/terminated/finishedAt")?.as_str());
    // Times of one form are in their order as texts.
    ends.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// Why a pod came to a bad end, or to no end at all; what says most first.
pub(super) fn reasons(pod: &Value) -> Vec<String> {
    let mut reasons = Vec::new();
    let (reason, message) = (text(pod, "/status/reason"), text(pod, "/status/message"));
    if !reason.is_empty() || !message.is_empty() {
        reasons.push(joined(reason, message));
    }
    for condition in list(pod, "/status/conditions") {
        let (kind, status) = (text(condition, "/type"), text(condition, "/status"));
        let is_bad = match kind {
            "PodScheduled" => status == "False",
            "DisruptionTarget" => status == "True",
            _ => false,
        };
        if is_bad {
            reasons.push(joined(
                text(condition, "/reason"),
                text(condition, "/message"),
            ));
        }
    }
    for status in statuses(pod) {
        let name = text(status, "/name");
        for state in ["/state", "/lastState"] {
            reasons.extend(reason_of(status.pointer(state), name));
        }
    }
    reasons
}

fn reason_of(state: Option<&Value>, container: &str) -> Option<String> {
    let state = state?;
    if let Some(ended) = state.get("terminated") {
        let code = ended["exitCode"].as_i64().unwrap_or_default();
        let reason = text(ended, "/reason");
        let is_plain = reason == "Error" || reason == "Completed";
        if is_plain && (code == 0 || is_argos(container)) {
            return None;
        }
        let reason = if is_plain { "" } else { reason };
        let what = joined(reason, text(ended, "/message").trim());
        let what = if what.is_empty() {
            String::new()
        } else {
            format!("{what}, ")
        };
        return Some(format!("container {container}: {what}exit code {code}"));
    }
    let waiting = state.get("waiting")?;
    let reason = text(waiting, "/reason");
    let is_usual = matches!(reason, "" | "PodInitializing" | "ContainerCreating");
    (!is_usual).then(|| {
        format!(
            "container {container}: {}",
            joined(reason, text(waiting, "/message"))
        )
    })
}

fn joined(reason: &str, message: &str) -> String {
    match (reason, message) {
        ("", text) | (text, "") => text.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

/// Events as lines for people, first to happen first.
pub(super) fn event_lines(events: &Value) -> Vec<String> {
    let mut lines: Vec<(String, String)> = list(events, "/items")
        .map(|event| {
            let times = [
                "/lastTimestamp",
                "/eventTime",
                "/firstTimestamp",
                "/metadata/creationTimestamp",
            ];
            let time = times.map(|pointer| text(event, pointer));
            let time = time
                .into_iter()
                .find(|time| !time.is_empty())
                .unwrap_or_default();
            let line = format!("{time} {} {}", text(event, "/type"), described(event));
            (time.to_owned(), line)
        })
        .collect();
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

/// What the warnings among the events say, each once.
pub(super) fn warnings(events: &Value) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    for event in list(events, "/items").filter(|event| text(event, "/type") == "Warning") {
        let warning = described(event);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    warnings
}

fn described(event: &Value) -> String {
    let what = joined(text(event, "/reason"), text(event, "/message").trim());
    match event["count"].as_u64() {
        Some(count) if count > 1 => format!("{what} (×{count})"),
        _ => what,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_are_named_as_argo_names_them() {
        let node = NodeStatus {
            id: "w-1".to_owned(),
            name: "w[0].unit".to_owned(),
            ..NodeStatus::default()
        };
        // Checked against a pod of Argo Workflows 3.7.3.
        assert_eq!(
            name("w", &node, "unit", false),
            format!("w-unit-{}", fnv32(b"w[0].unit"))
        );
        assert_eq!(name("w", &node, "unit", true), "w-1");
        let root = NodeStatus {
            name: "w".to_owned(),
            ..node.clone()
        };
        assert_eq!(name("w", &root, "unit", false), "w");
        let long = name("w", &node, &"x".repeat(300), false);
        assert!(long.len() <= 253, "{}", long.len());
    }

    #[test]
    fn a_pod_says_why_it_failed() {
        let pod = json!({"status": {"containerStatuses": [
            {"name": "main", "restartCount": 1, "state": {"terminated":
                {"reason": "OOMKilled", "exitCode": 137}}, "lastState": {}},
            {"name": "wait", "restartCount": 0, "state": {"terminated": {"reason": "Error", "exitCode": 1}}},
        ]}});
        assert_eq!(reasons(&pod), ["container main: OOMKilled, exit code 137"]);
        let containers = containers(&pod);
        assert!(
            containers[0].was_restarted && containers[0].has_started && !containers[0].is_running
        );

        let evicted = json!({"status": {"phase": "Failed", "reason": "Evicted",
            "message": "The node was low on resource: memory."}});
        assert_eq!(
            reasons(&evicted),
            ["Evicted: The node was low on resource: memory."]
        );
    }

    #[test]
    fn the_container_that_failed_first_speaks_for_the_step() {
        let pod = |spec: Value, codes: &[(&str, i64)]| {
            let status = |(name, code): &(&str, i64)| json!({"name": name, "state": {"terminated": {"exitCode": code}}});
            let statuses: Vec<_> = codes.iter().map(status).collect();
            json!({"spec": spec, "status": {"containerStatuses": statuses}})
        };
        let named = |name: &str| json!({"name": name});
        let steps = json!({"initContainers": [named("prepare")],
            "containers": [named("step-clone"), named("step-unit"), named("step-after")]});
        let main = |pod: &Value| main_container(pod).to_owned();
        // Statuses come in the order of their names.
        let failed = [("step-after", 1), ("step-clone", 0), ("step-unit", 3)];
        assert_eq!(main(&pod(steps.clone(), &failed)), "step-unit");
        assert_eq!(
            main(&pod(steps, &[("prepare", 0), ("step-clone", 0)])),
            "step-clone"
        );
        let argo = json!({"initContainers": [named("init")], "containers": [named("wait"), named("main")]});
        assert_eq!(
            main(&pod(argo.clone(), &[("main", 0), ("wait", 1)])),
            "main"
        );
        assert_eq!(main(&pod(argo, &[])), "main");
        assert_eq!(main(&json!({})), "");
    }

    #[test]
    fn a_pod_says_why_it_does_not_start() {
        let pulled = json!({"status": {"containerStatuses": [{"name": "main", "state": {"waiting":
            {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"x:1\""}}}],
            "initContainerStatuses": [{"name": "init", "state": {"waiting": {"reason": "PodInitializing"}}}]}});
        assert_eq!(
            reasons(&pulled),
            ["container main: ImagePullBackOff: Back-off pulling image \"x:1\""]
        );
        assert!(!containers(&pulled)[0].has_started);
        let unschedulable = json!({"status": {"conditions": [{"type": "PodScheduled",
            "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}]}});
        assert_eq!(
            reasons(&unschedulable),
            ["Unschedulable: 0/1 nodes are available"]
        );
    }

    #[test]
    fn events_are_in_their_order_and_warnings_are_told_once() {
        let event = |time: &str, kind: &str, count: u32| {
            json!({"lastTimestamp": time, "type": kind, "reason": "Failed",
                "message": "no such image\n", "count": count})
        };
        let events = json!({"items": [event("2", "Warning", 1), event("1", "Normal", 3), event("3", "Warning", 1)]});
        assert_eq!(
            event_lines(&events),
            [
                "1 Normal Failed: no such image (×3)",
                "2 Warning Failed: no such image",
                "3 Warning Failed: no such image"
            ]
        );
        assert_eq!(warnings(&events), ["Failed: no such image"]);
        assert!(reasons(&json!({})).is_empty() && containers(&json!([])).is_empty());
    }
}
