//! What the tests of run-local share: a workflow out of its spec, and its run.
use std::process::Output;

use e2e::{TestEnvironment, text};

/// A workflow with these templates; the entrypoint is `main`.
pub(crate) fn manifest(spec: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata:\n  name: w\nspec:\n  \
         entrypoint: main\n{}",
        indent(spec)
    )
}

fn indent(text: &str) -> String {
    text.lines()
        .fold(String::new(), |all, line| all + "  " + line + "\n")
}

pub(crate) struct Run {
    pub(crate) environment: TestEnvironment,
    pub(crate) output: Output,
}

impl Run {
    pub(crate) fn of(spec: &str, arguments: &[&str]) -> Run {
        Run::in_environment(TestEnvironment::new(), spec, arguments)
    }

    pub(crate) fn in_environment(
        environment: TestEnvironment,
        spec: &str,
        arguments: &[&str],
    ) -> Run {
        environment.write("w.yaml", manifest(spec));
        let mut command = environment.bin("run-local");
        command.arg("w.yaml").args(arguments);
        if !arguments.contains(&"--run-dir") {
            command.args(["--run-dir", "run"]);
        }
        let output = command.output().unwrap();
        Run {
            environment,
            output,
        }
    }

    pub(crate) fn code(&self) -> i32 {
        self.output.status.code().unwrap()
    }

    pub(crate) fn stdout(&self) -> String {
        text(&self.output.stdout)
    }

    pub(crate) fn stderr(&self) -> String {
        text(&self.output.stderr)
    }

    /// The lines of stdout, sorted: steps that run at once write in any order.
    pub(crate) fn sorted_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.stdout().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// `NAME PHASE` of each node of these types, sorted.
    pub(crate) fn nodes(&self, types: &[&str]) -> Vec<String> {
        let status = self.status();
        let mut nodes: Vec<String> = status
            .nodes
            .values()
            .filter(|node| types.contains(&node.node_type.as_str()))
            .map(|node| format!("{} {}", node.name, node.phase))
            .collect();
        nodes.sort();
        nodes
    }

    pub(crate) fn status(&self) -> common::workflow::WorkflowStatus {
        let path = self.environment.path().join("run/workflow.yaml");
        common::workflow::status(&common::workflow::read(&path).unwrap().value).unwrap()
    }
}

const SHELL: &str = "\
- name: sh
  inputs: {parameters: [{name: script}]}
  script: {image: busybox, command: [sh, -e], source: '{{inputs.parameters.script}}'}
";

pub(crate) fn with_shell(templates: &str) -> String {
    format!("templates:\n{}{}", indent(SHELL), indent(templates))
}
