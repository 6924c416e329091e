//! Whether run-local can run a manifest, asked before any is run.

use common::app::Stop;
use common::exec::{self, Cause, Limits};
use common::{Error, Result, ResultExt, env, yaml};
use serde_json::Value;

use super::{Local, MARGIN, PROGRAM, not_started};
use crate::siblings::last_error;
use crate::workflows::Workflow;

/// How much of what run-local says of a manifest is read.
const MOST_SAID: usize = 64 * 1024;

impl Local {
    /// Checks that each workflow is of a kind that can be run on this machine.
    pub(in crate::engine) fn can_run(workflows: &[Workflow]) -> Result<()> {
        for workflow in workflows {
            let what = match workflow.kind {
                "tekton" => "a Tekton PipelineRun",
                "workflow_template" => "a WorkflowTemplate, which is on a cluster",
                _ => continue,
            };
            let name = &workflow.entry;
            return Err(Error::usage(format!(
                "workflow {name:?}: the engine local cannot run {what}"
            ))
            .hint(
                "run it on a cluster with --engine argo, or leave it out here with --only NAME",
            ));
        }
        Ok(())
    }

    /// Writes the manifests, and asks run-local whether it can run each.
    pub(in crate::engine) async fn check(&self, workflows: &[Workflow], stop: &Stop) -> Result<()> {
        for workflow in workflows {
            let file = self.manifest(workflow);
            let text = yaml::to_string(&workflow.manifest)?;
            std::fs::write(&file, text).or_failed(|| format!("write {}", file.display()))?;
        }
        for workflow in workflows {
            let rendered = self.command(&self.manifest(workflow), workflow);
            let Some(found) = mistake(rendered, workflow, stop).await? else {
                continue;
            };
            let Some(document) = &workflow.document else {
                return Err(found);
            };
            // The lines that people know are those of their own file; some mistakes are only
            // in the rendered one.
            let own = self
                .command(&document.path, workflow)
                .args(values(&workflow.manifest));
            let own = mistake(own, workflow, stop).await?;
            return Err(own.unwrap_or(found));
        }
        Ok(())
    }
}

/// What run-local has against the manifest of a command.
async fn mistake(
    command: exec::Command,
    workflow: &Workflow,
    stop: &Stop,
) -> Result<Option<Error>> {
    let command = command.arg("--dry-run").env(env::LOG_FORMAT, "text");
    let limits = Limits {
        deadline: None,
        grace: MARGIN,
    };
    let captured = exec::capture(&command, limits, stop, MOST_SAID).await;
    let captured = captured.map_err(|error| not_started(&command, error))?;
    if let Cause::Stopped(signal) = captured.ended.cause {
        let what = format!("interrupted: {command}");
        return Err(Error::interrupted(signal, what));
    }
    if captured.ended.success() {
        return Ok(None);
    }
    let what = format!("workflow {:?} cannot be run", workflow.entry);
    let error = match captured.ended.code() {
        2 => Error::usage(what),
        code => Error::failed(format!("{what} ({PROGRAM} ended with exit code {code})")),
    };
    Ok(Some(error.because(last_error(&captured.stderr))))
}

/// `-p NAME=VALUE` for each parameter of a rendered manifest.
fn values(manifest: &Value) -> Vec<String> {
    let parameters = manifest.pointer("/spec/arguments/parameters");
    let parameters = parameters.and_then(Value::as_array).into_iter().flatten();
    let option = |parameter: &Value| {
        let name = parameter["name"].as_str()?;
        Some(format!(
            "--parameter={name}={}",
            parameter["value"].as_str()?
        ))
    };
    parameters.filter_map(option).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_values_of_a_rendered_manifest_become_options() {
        let parameters = json!([{"name": "a", "value": "-x=1"}, {"name": "b"}, "c"]);
        let manifest = json!({"spec": {"arguments": {"parameters": parameters}}});
        assert_eq!(values(&manifest), ["--parameter=a=-x=1"]);
        assert!(values(&json!({})).is_empty());
    }
}
