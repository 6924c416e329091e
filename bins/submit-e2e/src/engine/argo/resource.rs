//! The kinds of objects that run on a cluster, and where its API has them.

use std::fmt;

use common::{Error, Result};
use serde_json::{Value, json};

/// What kind of object runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// An Argo Workflow.
    Workflow,
    /// A Tekton `PipelineRun`.
    PipelineRun,
}

/// How an object is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shutdown {
    /// Its steps end, then its exit handlers run.
    Stop,
    /// Everything ends.
    Terminate,
}

/// The objects of one kind in one namespace: what one watch can see.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Resource {
    pub(super) kind: Kind,
    api_version: &'static str,
    pub(super) namespace: String,
}

/// Versions of the APIs that are known.
const WORKFLOW: &str = "argoproj.io/v1alpha1";
const PIPELINE_RUN: [&str; 2] = ["tekton.dev/v1", "tekton.dev/v1beta1"];

impl Resource {
    /// Workflows of a namespace.
    pub(super) fn workflows(namespace: &str) -> Result<Resource> {
        check_namespace(namespace)?;
        Ok(Resource {
            kind: Kind::Workflow,
            api_version: WORKFLOW,
            namespace: namespace.to_owned(),
        })
    }

    /// Where a manifest belongs: in its own namespace, else in this one.
    pub(super) fn of(manifest: &Value, default_namespace: &str) -> Result<Resource> {
        let namespace = manifest["metadata"]["namespace"].as_str();
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        let namespace = namespace.unwrap_or(default_namespace);
        check_namespace(namespace)?;
        let (kind, version) = (manifest["kind"].as_str(), manifest["apiVersion"].as_str());
        let version = version.unwrap_or_default();
        let known = match kind {
            Some("Workflow") if version == WORKFLOW => Some((Kind::Workflow, WORKFLOW)),
            Some("PipelineRun") => (PIPELINE_RUN.into_iter())
                .find(|known| *known == version)
                .map(|known| (Kind::PipelineRun, known)),
            _ => None,
        };
        let (kind, api_version) = known.ok_or_else(|| {
            let kind = kind.unwrap_or("an object without kind");
            Error::usage(format!(
                "{kind} of apiVersion {version:?} cannot be run on a cluster"
            ))
        })?;
        Ok(Resource {
            kind,
            api_version,
            namespace: namespace.to_owned(),
        })
    }

    /// The path of these objects at the API server.
    pub(super) fn path(&self) -> String {
        let (version, namespace) = (self.api_version, &self.namespace);
        format!("/apis/{version}/namespaces/{namespace}/{}", self.plural())
    }

    /// The path of a list of the core API in this namespace.
    pub(super) fn core_path(&self, plural: &str) -> String {
        format!("/api/v1/namespaces/{}/{plural}", self.namespace)
    }

    fn plural(&self) -> &'static str {
        match self.kind {
            Kind::Workflow => "workflows",
            Kind::PipelineRun => "pipelineruns",
        }
    }

    /// The label that pods have of the object that they belong to.
    pub(super) fn pod_label(&self) -> &'static str {
        match self.kind {
            Kind::Workflow => "workflows.argoproj.io/workflow",
            Kind::PipelineRun => "tekton.dev/pipelineRun",
        }
    }

    /// The patch that tells an object to end. Sources: Argo's `ShutdownStrategy`, Tekton's
    /// `PipelineRunSpecStatus`.
    pub(super) fn shutdown_patch(&self, how: Shutdown) -> Value {
        match (self.kind, how) {
            (Kind::Workflow, Shutdown::Stop) => json!({"spec": {"shutdown": "Stop"}}),
            (Kind::Workflow, Shutdown::Terminate) => json!({"spec": {"shutdown": "Terminate"}}),
            (Kind::PipelineRun, Shutdown::Stop) => {
                json!({"spec": {"status": "CancelledRunFinally"}})
            }
            (Kind::PipelineRun, Shutdown::Terminate) => json!({"spec": {"status": "Cancelled"}}),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} of namespace {}", self.plural(), self.namespace)
    }
}

/// A namespace becomes a part of a path: it has to be a DNS-1123 label.
fn check_namespace(namespace: &str) -> Result<()> {
    let valid = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let is_label = !namespace.is_empty()
        && namespace.len() <= 63
        && namespace.bytes().all(valid)
        && !namespace.starts_with('-')
        && !namespace.ends_with('-');
    if is_label {
        return Ok(());
    }
    Err(
        Error::usage(format!("{namespace:?} is no name of a namespace"))
            .hint("it has to be lower-case letters, digits and hyphens, 63 at most"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "a test's own words")]
    fn of(kind: &str, version: &str, namespace: Value) -> Result<Resource> {
        let manifest = json!({"apiVersion": version, "kind": kind,
            "metadata": {"namespace": namespace}});
        Resource::of(&manifest, "default")
    }

    #[test]
    fn an_object_belongs_to_the_namespace_that_it_names() {
        let path = |resource: Result<Resource>| resource.unwrap().path();
        assert_eq!(
            path(of("Workflow", WORKFLOW, "e2e".into())),
            "/apis/argoproj.io/v1alpha1/namespaces/e2e/workflows"
        );
        assert_eq!(
            path(of("PipelineRun", "tekton.dev/v1beta1", Value::Null)),
            "/apis/tekton.dev/v1beta1/namespaces/default/pipelineruns"
        );
    }

    #[test]
    fn what_is_unknown_or_leads_elsewhere_is_refused() {
        for (kind, version, namespace) in [
            ("Workflow", "argoproj.io/v1", "a"),
            ("Pod", "v1", "a"),
            ("PipelineRun", "tekton.dev/v9", "a"),
            ("Workflow", WORKFLOW, "a/../b"),
            ("Workflow", WORKFLOW, "-a"),
            ("Workflow", WORKFLOW, "a?b"),
        ] {
            assert!(
                of(kind, version, namespace.into()).is_err(),
                "{kind} {namespace}"
            );
        }
    }
}
