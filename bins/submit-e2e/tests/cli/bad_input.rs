//! Bad input: a clear error, exit 2, and nothing half-written.

use e2e::{TestEnvironment, text};

use crate::support::{CONFIG, MANIFEST, prow, repository};

/// The error of `show`, and that `run` leaves a finished record beside a started one.
fn refused(test: &TestEnvironment) -> String {
    let output = prow(test, "presubmit").arg("show").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
    let bucket = format!("file://{}", test.path().join("bucket").display());
    let output = prow(test, "presubmit")
        .args(["run", "--bucket", &bucket])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let folder = test.path().join("bucket/pr-logs/pull/o_r/12/job/7");
    assert!(folder.join("started.json").exists());
    let finished = std::fs::read_to_string(folder.join("finished.json")).unwrap();
    assert!(finished.contains("\"FAILURE\""), "{finished}");
    let log = std::fs::read_to_string(folder.join("build-log.txt")).unwrap();
    let start = log.find("ERROR FAILURE").expect("a summary");
    log[start..].replace(&test.path().display().to_string(), "[ROOT]")
}

#[test]
fn mistakes_name_file_and_line_and_start_nothing() {
    let entry = |fields: &str| format!("workflows:\n- name: e2e\n{fields}");
    for (config, manifest, expected) in [
        (
            "workflows: [\n".to_owned(),
            MANIFEST,
            "src/o/r/prow_config.yaml:",
        ),
        (
            entry("  manifest: nope.yaml\n"),
            MANIFEST,
            "src/o/r/prow_config.yaml:3: workflow \"e2e\": manifest: read [ROOT]/src/o/r/nope.yaml",
        ),
        (
            entry("  manifest: ../../../outside.yaml\n"),
            MANIFEST,
            "src/o/r/prow_config.yaml:3: workflow \"e2e\": manifest: \"../../../outside.yaml\" leaves",
        ),
        (
            entry("  manifest: link.yaml\n"),
            MANIFEST,
            "src/o/r/prow_config.yaml:3: workflow \"e2e\": manifest: \"link.yaml\" leaves",
        ),
        (
            entry("  manifest: test/e2e.yaml\n  params: {x: 1}\n"),
            MANIFEST,
            "src/o/r/prow_config.yaml:4: workflow \"e2e\": test/e2e.yaml declares no parameter \"x\"",
        ),
        (
            entry("  py_func: a.b\n"),
            MANIFEST,
            "src/o/r/prow_config.yaml:3: workflow \"e2e\": cannot import a.b: No module named 'a'",
        ),
        (
            entry("  app_dir: a/b/c\n  component: b\n"),
            MANIFEST,
            "src/o/r/prow_config.yaml:3: workflow \"e2e\": app_dir: read [ROOT]/src/a/b/c",
        ),
        (
            entry("  tekton_run: a/b/c.yaml\n"),
            MANIFEST,
            "src/o/r/prow_config.yaml:3: workflow \"e2e\": tekton_run: ",
        ),
        (
            entry("  manifest: test/e2e.yaml\n"),
            "kind: Pod\n",
            "src/o/r/test/e2e.yaml:1: kind is not Workflow",
        ),
        (
            entry("  manifest: test/e2e.yaml\n"),
            "a: b: c\n",
            "src/o/r/test/e2e.yaml:1",
        ),
    ] {
        let test = repository(&config);
        test.write("src/o/r/test/e2e.yaml", manifest);
        let outside = test.write("outside.yaml", MANIFEST);
        std::os::unix::fs::symlink(outside, test.path().join("src/o/r/link.yaml")).unwrap();
        let error = refused(&test);
        assert!(error.contains(expected), "{config}{error}");
    }
}

#[test]
fn a_job_spec_that_is_not_json_writes_nothing() {
    let test = repository(CONFIG);
    let bucket = format!("--bucket=file://{}", test.path().join("bucket").display());
    let mut command = prow(&test, "presubmit");
    let output = command
        .env("JOB_SPEC", "{type: x}")
        .args(["run", &bucket])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("JOB_SPEC is not the JSON that Prow sets"));
    assert!(!test.path().join("bucket").exists());
}

#[test]
fn wrong_usage_is_told_before_anything_is_written() {
    let test = repository(CONFIG);
    for (args, expected) in [
        (&["run"][..], "no bucket is given for the results"),
        (&["run", "--bucket=ftp://x"], "is not a bucket's URL"),
        (
            &["plan", "--only=x"],
            "--only \"x\": no workflow has this name",
        ),
        (&["run", "--engine=moon"], "invalid value 'moon'"),
        (&["run", "--timeout=soon"], "invalid value 'soon'"),
        (
            &["plan", "--repos-dir=/nowhere"],
            "the repository under test is not in /nowhere/o/r",
        ),
    ] {
        let output = prow(&test, "presubmit").args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            text(&output.stderr).contains(expected),
            "{args:?}: {}",
            text(&output.stderr)
        );
    }
}
