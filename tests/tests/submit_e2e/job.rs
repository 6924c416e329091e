//! A Prow job of a small repository.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use e2e::{Running, TestEnvironment, binary, wait_until};
use serde_json::{Value, json};

/// A repository `src/o/r` with these workflows, as the presubmit of pull request 12.
pub(crate) struct Job {
    pub(crate) test: TestEnvironment,
    pub(crate) base: String,
    pub(crate) head: String,
}

/// A manifest whose steps run after each other, each a shell script by name.
pub(crate) fn manifest(steps: &[(&str, &str)], more: &str) -> String {
    let head = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {{generateName: x-}}\n\
         spec:\n  entrypoint: all\n{more}  arguments: {{parameters: [{{name: bucket}}]}}\n  \
         templates:\n  - name: all\n    steps:\n"
    );
    let calls = steps
        .iter()
        .map(|(name, _)| format!("    - - {{name: {name}, template: {name}}}\n"));
    let templates = steps.iter().map(|(name, script)| template(name, script));
    head + &calls.chain(templates).collect::<String>()
}

pub(crate) fn template(name: &str, script: &str) -> String {
    let script = json!(script);
    format!("  - name: {name}\n    container: {{image: x, command: [sh, -c, {script}]}}\n")
}

impl Job {
    pub(crate) fn new(workflows: &[(&str, &str)]) -> Job {
        let test = TestEnvironment::new();
        for (name, manifest) in workflows {
            test.write(format!("src/o/r/{name}.yaml"), manifest);
        }
        let entry = |(name, _): &(&str, &str)| {
            format!("- {{name: {name}, manifest: {name}.yaml, include_dirs: src/*}}\n")
        };
        let entries: String = workflows.iter().map(entry).collect();
        test.write("src/o/r/prow_config.yaml", format!("workflows:\n{entries}"));
        test.git("src/o/r", &["init", "--quiet", "--initial-branch=main"]);
        let commit = || {
            test.git("src/o/r", &["add", "--all"]);
            test.git("src/o/r", &["commit", "--quiet", "-m", "x"]);
            test.git("src/o/r", &["rev-parse", "HEAD"])
        };
        let base = commit();
        test.write("src/o/r/src/a.c", "int a;\n");
        let head = commit();
        Job { test, base, head }
    }

    /// The path of a file of the test, for scripts.
    pub(crate) fn path(&self, name: &str) -> String {
        self.test.path().join(name).display().to_string()
    }

    pub(crate) fn command(&self) -> std::process::Command {
        let mut command = self.test.command(&binary("submit-e2e"));
        command
            .env("JOB_NAME", "job")
            .env("JOB_TYPE", "presubmit")
            .env("BUILD_ID", "7")
            .env("REPO_OWNER", "o")
            .env("REPO_NAME", "r")
            .env("PULL_BASE_REF", "main")
            .env("PULL_BASE_SHA", &self.base)
            .env("PULL_REFS", format!("main:{},12:{}", self.base, self.head))
            .args(["run", "--repos-dir", "src", "--run-dir", "run", "--bucket"])
            .arg(format!("file://{}", self.path("bucket")));
        command
    }

    pub(crate) fn run(&self, more: &[&str]) -> Output {
        self.command().args(more).output().unwrap()
    }

    /// Starts it, and waits until a step has written its process id to the file `pid`.
    pub(crate) fn start(&self, more: &[&str]) -> (Running, u32) {
        let mut command = self.command();
        command
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = Running::start(&mut command);
        wait_until("a step runs", || self.test.path().join("pid").exists());
        let pid = self.test.read("pid").trim().parse().unwrap();
        (child, pid)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.test.path().join("bucket/pr-logs/pull/o_r/12/job/7")
    }

    pub(crate) fn read(&self, name: &str) -> String {
        self.test.read(self.folder().join(name))
    }

    pub(crate) fn record(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    pub(crate) fn result(&self) -> Value {
        self.record("finished.json")["result"].clone()
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder()).unwrap();
        let mut names: Vec<_> = (entries)
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}
