//! `plan`, `show` and the dry run.

use e2e::{TestEnvironment, text};

use crate::support::{CONFIG, commit, decisions, plan, prow, repository, run, skip};

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
