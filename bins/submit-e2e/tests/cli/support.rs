//! The repository that most tests are about, and submit-e2e as a Prow job of it.

use e2e::{TestEnvironment, text};

pub(crate) const MANIFEST: &str = "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: e2e-}
spec:
  entrypoint: unit
  arguments: {parameters: [{name: bucket}, {name: registry, value: none}]}
  templates:
  - name: unit
    container: {image: alpine, command: ['true']}
";

pub(crate) const CONFIG: &str = "workflows:
- name: e2e
  manifest: test/e2e.yaml
  job_types: [presubmit, postsubmit]
  include_dirs: src/*
  params: {registry: example.com}
- name: docs
  manifest: test/e2e.yaml
  include_dirs: [docs/*, '*.md']
- name: nightly
  py_func: tests.nightly.create
  job_types: periodic
";

/// A repository `src/o/r` with a branch `change` that changes `src/a.c` and renames a document.
pub(crate) fn repository(config: &str) -> TestEnvironment {
    let test = TestEnvironment::new();
    test.write("src/o/r/prow_config.yaml", config);
    test.write("src/o/r/test/e2e.yaml", MANIFEST);
    test.write(
        "src/o/r/docs/old.txt",
        "text that is long enough to be a rename\n",
    );
    test.git("src/o/r", &["init", "--quiet", "--initial-branch=main"]);
    commit(&test, "base");
    test.git("src/o/r", &["checkout", "--quiet", "-b", "change"]);
    test.write("src/o/r/src/a.c", "int a;\n");
    test.git("src/o/r", &["mv", "docs/old.txt", "new.txt"]);
    commit(&test, "change");
    test
}

pub(crate) fn commit(test: &TestEnvironment, message: &str) {
    test.git("src/o/r", &["add", "--all"]);
    test.git("src/o/r", &["commit", "--quiet", "-m", message]);
}

/// submit-e2e as a Prow job of this type would start it.
pub(crate) fn prow(test: &TestEnvironment, job_type: &str) -> assert_cmd::Command {
    let sha = |rev| test.git("src/o/r", &["rev-parse", rev]);
    let mut command = test.bin("submit-e2e");
    command
        .env("JOB_NAME", "job")
        .env("JOB_TYPE", job_type)
        .env("BUILD_ID", "7")
        .env("SRC_DIR", test.path().join("src"))
        .env("REPO_OWNER", "o")
        .env("REPO_NAME", "r");
    match job_type {
        "presubmit" | "batch" => command
            .env("PULL_BASE_REF", "main")
            .env("PULL_BASE_SHA", sha("main"))
            .env(
                "PULL_REFS",
                format!("main:{},12:{}", sha("main"), sha("change")),
            ),
        "postsubmit" => command
            .env("PULL_BASE_SHA", sha("change"))
            .env("PULL_BASE_REF", "main"),
        _ => &mut command,
    };
    command
}

pub(crate) fn plan(command: &mut assert_cmd::Command) -> Vec<(String, bool, String)> {
    let output = command.args(["plan", "--output", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| {
        let field = |name: &str| row[name].as_str().unwrap().to_owned();
        (
            field("name"),
            row["run"].as_bool().unwrap(),
            field("reason"),
        )
    })
    .collect()
}

pub(crate) fn decisions(rows: Vec<(String, bool, String)>) -> [(bool, String); 3] {
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(_, run, reason)| (run, reason))
        .collect();
    rows.try_into().unwrap()
}

pub(crate) fn run(reason: &str) -> (bool, String) {
    (true, reason.to_owned())
}

pub(crate) fn skip(reason: &str) -> (bool, String) {
    (false, reason.to_owned())
}
