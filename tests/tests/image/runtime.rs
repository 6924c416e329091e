//! run-local with steps as containers: what a test needs for that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::workflow::{NodeStatus, WorkflowStatus};
use e2e::{TestEnvironment, binary, text};

use crate::docker::{image, succeed};

/// A workflow in a test's own folder.
pub(crate) struct Run {
    pub(crate) test: TestEnvironment,
}

impl Run {
    /// `spec` is that of the workflow; IMAGE in it is the image under test.
    pub(crate) fn new(spec: &str) -> Self {
        let test = TestEnvironment::new();
        let spec = spec.replace("IMAGE", &image());
        test.write(
            "w.yaml",
            format!("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {{name: w}}\nspec:\n  entrypoint: main\n{spec}"),
        );
        Run { test }
    }

    /// run-local for it, not started.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = self.test.command(&binary("run-local"));
        if let Ok(engine) = std::env::var("DOCKER_HOST") {
            command.env("DOCKER_HOST", engine);
        }
        command.args(["w.yaml", "--runtime=docker", "--run-dir=run"]);
        command.args(more);
        command
    }

    pub(crate) fn run(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    /// Runs it; everything that it printed.
    pub(crate) fn succeed(&self, more: &[&str]) -> String {
        let output = self.run(more);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{said}");
        said
    }

    /// The run folder's real path.
    pub(crate) fn folder(&self) -> PathBuf {
        fs::canonicalize(self.test.path().join("run")).unwrap()
    }

    pub(crate) fn label(&self) -> String {
        format!("io.test-worker.run-folder={}", self.folder().display())
    }

    /// The containers of the run folder, running or not.
    pub(crate) fn containers(&self) -> Vec<String> {
        let label = format!("label={}", self.label());
        let list = succeed(&["ps", "--all", "--quiet", "--filter", &label]);
        list.lines().map(str::to_owned).collect()
    }

    pub(crate) fn status(&self) -> WorkflowStatus {
        let path = self.test.path().join("run/workflow.yaml");
        common::workflow::status(&common::workflow::read(&path).unwrap().value).unwrap()
    }

    /// The pod of the one leaf.
    pub(crate) fn pod(&self) -> NodeStatus {
        let status = self.status();
        let mut pods = status.nodes.into_values();
        pods.find(|node| node.node_type == "Pod").unwrap()
    }

    /// What the log of a step has.
    pub(crate) fn log(&self, step: &str) -> String {
        let path = Path::new("run/steps").join(step).join("log.txt");
        self.test.read(path)
    }
}
