//! `plan`, `show` and bad input, through the built binary.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot do its work fails by a panic"
)]

use e2e::{TestEnvironment, text};

const MANIFEST: &str = "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: e2e-}
spec:
  entrypoint: unit
  arguments: {parameters: [{name: bucket}, {name: registry, value: none}]}
  templates:
  - name: unit
    container: {image: alpine, command: ['true']}
";

const CONFIG: &str = "workflows:
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
fn repository(config: &str) -> TestEnvironment {
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

fn commit(test: &TestEnvironment, message: &str) {
    test.git("src/o/r", &["add", "--all"]);
    test.git("src/o/r", &["commit", "--quiet", "-m", message]);
}

/// submit-e2e as a Prow job of this type would start it.
fn prow(test: &TestEnvironment, job_type: &str) -> assert_cmd::Command {
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

fn plan(command: &mut assert_cmd::Command) -> Vec<(String, bool, String)> {
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

fn decisions(rows: Vec<(String, bool, String)>) -> [(bool, String); 3] {
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(_, run, reason)| (run, reason))
        .collect();
    rows.try_into().unwrap()
}

fn run(reason: &str) -> (bool, String) {
    (true, reason.to_owned())
}

fn skip(reason: &str) -> (bool, String) {
    (false, reason.to_owned())
}

#[test]
fn help_has_examples_and_subcommands() {
    let output = TestEnvironment::new()
        .bin("submit-e2e")
        .arg("--help")
        .output()
        .unwrap();
    let help = text(&output.stdout);
    for part in ["EXAMPLES:", "plan", "show", "--engine", "--grace-period"] {
        assert!(help.contains(part), "{part} is missing:\n{help}");
    }
}

#[test]
fn plan_prints_a_table_for_people() {
    let test = repository(CONFIG);
    let output = prow(&test, "presubmit").arg("plan").output().unwrap();
    insta::assert_snapshot!(test.snapshot(&output), @"
    status: 0
    ----- stdout
    NAME     KIND      RUN  REASON
    e2e      manifest  yes  src/a.c matches src/*
    docs     manifest  yes  docs/old.txt matches docs/*
    nightly  py_func   no   job_types is periodic, this is a presubmit job
    ----- stderr
    [TIME] INFO  changed files: 3
    ");
}

#[test]
fn plan_answers_in_the_shape_of_the_contract() {
    let test = repository(CONFIG);
    let output = prow(&test, "periodic")
        .args(["plan", "--output=json"])
        .output()
        .unwrap();
    insta::assert_snapshot!(text(&output.stdout), @r#"
    [
      {
        "name": "e2e",
        "kind": "manifest",
        "run": false,
        "reason": "job_types is presubmit, postsubmit, this is a periodic job"
      },
      {
        "name": "docs",
        "kind": "manifest",
        "run": true,
        "reason": "periodic jobs run it whatever has changed"
      },
      {
        "name": "nightly",
        "kind": "py_func",
        "run": true,
        "reason": "periodic jobs run it whatever has changed"
      }
    ]
    "#);
}

#[test]
fn each_job_type_selects_by_its_own_changes() {
    let test = repository(CONFIG);
    let of_change = [
        run("src/a.c matches src/*"),
        run("docs/old.txt matches docs/*"),
        skip("job_types is periodic, this is a presubmit job"),
    ];
    assert_eq!(decisions(plan(&mut prow(&test, "presubmit"))), of_change);
    let postsubmit = decisions(plan(&mut prow(&test, "postsubmit")));
    assert_eq!(postsubmit[..2], of_change[..2]);
    let batch = decisions(plan(&mut prow(&test, "batch")));
    assert_eq!(batch[..2], of_change[..2]);
}

#[test]
fn a_presubmit_is_compared_with_where_it_left_its_base() {
    let test = repository(CONFIG);
    test.git("src/o/r", &["checkout", "--quiet", "main"]);
    test.write("src/o/r/docs/later.md", "on the base only\n");
    test.git("src/o/r", &["rm", "--quiet", "docs/old.txt"]);
    commit(&test, "later");
    test.git(
        "src/o/r",
        &["checkout", "--quiet", "-B", "change", "main~1"],
    );
    test.write("src/o/r/src/a.c", "int a;\n");
    commit(&test, "change");
    let [e2e, docs, _] = decisions(plan(&mut prow(&test, "presubmit")));
    assert_eq!(e2e, run("src/a.c matches src/*"));
    assert_eq!(docs, skip("none of 1 changed file matches docs/*, *.md"));
}

#[test]
fn a_base_that_is_not_here_is_looked_for_by_its_branch() {
    let test = repository(CONFIG);
    test.git(
        "src/o/r",
        &["update-ref", "refs/remotes/origin/main", "main"],
    );
    let mut command = prow(&test, "presubmit");
    command.env("PULL_BASE_SHA", "1234567812345678123456781234567812345678");
    assert_eq!(
        decisions(plan(&mut command))[0],
        run("src/a.c matches src/*")
    );
}

#[test]
fn everything_runs_when_the_changes_cannot_be_computed() {
    let test = repository(CONFIG);
    let mut command = prow(&test, "presubmit");
    command
        .env("PULL_BASE_REF", "gone")
        .env("PULL_BASE_SHA", "1234567812345678123456781234567812345678");
    let output = command.args(["plan", "--output=json"]).output().unwrap();
    assert!(text(&output.stdout).contains("the changed files are not known"));
    assert!(text(&output.stderr).contains("so every workflow runs"));
}

#[test]
fn the_first_commit_changes_all_its_files() {
    let test = repository(CONFIG);
    test.git("src/o/r", &["checkout", "--quiet", "main"]);
    let first = test.git("src/o/r", &["rev-parse", "main"]);
    let mut command = prow(&test, "postsubmit");
    command.env("PULL_BASE_SHA", first);
    assert_eq!(
        decisions(plan(&mut command))[1],
        run("docs/old.txt matches docs/*")
    );
}

#[test]
fn without_a_folder_of_repositories_the_working_tree_is_the_one_under_test() {
    let test = repository(CONFIG);
    let mut command = prow(&test, "presubmit");
    command
        .env("SRC_DIR", "")
        .current_dir(test.path().join("src/o/r/docs/.."));
    assert_eq!(
        decisions(plan(&mut command))[0],
        run("src/a.c matches src/*")
    );
}

#[test]
fn show_prints_the_manifests_as_they_are_submitted() {
    let test = repository(CONFIG);
    let mut command = prow(&test, "presubmit");
    let output = command
        .args([
            "show",
            "--output=json",
            "--bucket=file:///b",
            "--namespace=ci",
        ])
        .output()
        .unwrap();
    let manifests: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(manifests.as_array().unwrap().len(), 2);
    let name = manifests[0]["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("job-e2e-12-"), "{name}");
    assert_eq!(manifests[0]["metadata"]["namespace"], "ci");
    assert_eq!(
        manifests[0]["spec"]["arguments"]["parameters"],
        serde_json::json!([{"name": "bucket", "value": "file:///b"}, {"name": "registry", "value": "example.com"}])
    );
    let output = prow(&test, "presubmit").arg("show").output().unwrap();
    assert_eq!(
        text(&output.stdout).matches("\n---\napiVersion: ").count(),
        1
    );
}

#[test]
fn show_says_why_it_prints_nothing() {
    let test = repository(CONFIG);
    let mut command = prow(&test, "presubmit");
    let output = command
        .args(["show", "--workflow=nightly"])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "");
    let log = text(&output.stderr);
    let why = "nothing would be submitted: job_types is periodic, this is a presubmit job";
    assert!(log.contains(why), "{log}");
}

#[test]
fn a_dry_run_prints_its_plan_and_writes_nothing() {
    let test = repository(CONFIG);
    let bucket = format!("--bucket=file://{}", test.path().join("bucket").display());
    let output = prow(&test, "presubmit")
        .args(["run", "--dry-run", &bucket])
        .output()
        .unwrap();
    let plan = text(&output.stdout);
    assert!(
        plan.starts_with("job: presubmit job build 7\nrun folder: "),
        "{plan}"
    );
    assert!(plan.contains("/pr-logs/pull/o_r/12/job/7\n"), "{plan}");
    assert_eq!(plan.matches(" --status ").count(), 2, "{plan}");
    assert!(!test.path().join("bucket").exists());
    assert!(!test.path().join("home/.cache").exists());
}

mod bad_input;
mod clones;
mod clusters;
mod kinds;
mod ksonnet;
mod python;
mod working_tree;
