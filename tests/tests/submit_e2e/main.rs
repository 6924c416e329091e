//! submit-e2e with run-local: from a Prow job's variables to the verdict in the bucket.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot do its work fails by a panic"
)]

mod job;

use std::process::Output;

use e2e::{binary, is_running, text, wait_until};
use job::{Job, manifest, template};

fn status(output: &Output) -> i32 {
    let code = output.status.code();
    code.unwrap_or_else(|| panic!("{}", text(&output.stderr)))
}

/// A script that puts a JUnit file where the job's artifacts are.
fn junit(xml: &str) -> String {
    let script = "d=$(printf %s '{{workflow.parameters.bucket}}' | sed s,file://,,); \
                  d=$d/pr-logs/pull/o_r/12/job/7/artifacts/junit_x; \
                  mkdir -p $d; printf %s \"XML\" > $d/junit_unit.xml";
    script.replace("XML", xml)
}

#[test]
fn a_change_goes_from_trigger_to_verdict_with_its_workflows_at_once() {
    let job = Job::new(&[("one", ""), ("two", "")]);
    // Each waits for the other: one after the other they would wait for ever.
    for (own, other) in [("one", "two"), ("two", "one")] {
        let script = format!(
            "touch {}; until test -e {}; do sleep 0.05; done; echo met $TEST_TARGET_NAME",
            job.path(own),
            job.path(other)
        );
        let text = manifest(&[("meet", &script)], "  activeDeadlineSeconds: 60\n");
        job.test.write(format!("src/o/r/{own}.yaml"), text);
    }
    let output = job.run(&[]);
    assert_eq!(status(&output), 0, "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.contains("[one/meet] met one\n"), "{printed}");
    assert!(printed.contains("[two/meet] met two\n"), "{printed}");

    let started = job.record("started.json");
    assert_eq!(started["pull"], "12");
    assert_eq!(
        started["repos"]["o/r"],
        format!("main:{},12:{}", job.base, job.head)
    );
    let finished = job.record("finished.json");
    assert_eq!(finished["passed"], true);
    assert_eq!(finished["result"], "SUCCESS");
    let files = job.files();
    let workflows: Vec<_> = files
        .iter()
        .filter(|name| name.strip_suffix(".yaml").is_some())
        .collect();
    assert_eq!(workflows.len(), 2, "{files:?}");
    for file in workflows {
        let name = file.strip_suffix(".yaml").unwrap();
        assert_eq!(finished["metadata"][format!("{name}-phase")], "Succeeded");
        let link = &started["metadata"]["links"][name]["url"];
        assert!(link.as_str().unwrap().ends_with(file));
        assert!(job.read(file).contains("phase: Succeeded"));
    }
    let log = job.read("build-log.txt");
    assert!(log.contains("[two/meet] met two\n"), "{log}");
    assert!(log.contains("SUCCESS: 2 of 2 workflows succeeded"), "{log}");
    let alias = job.test.read("bucket/pr-logs/directory/job/7.txt");
    assert_eq!(alias, format!("file://{}", job.folder().display()));
    let latest = job
        .test
        .read("bucket/pr-logs/directory/job/latest-build.txt");
    assert_eq!(latest, "7");
}

#[test]
fn a_failed_step_is_named_with_a_command_that_runs_it_again() {
    let steps = [("good", "true"), ("bad", "echo why; exit 3")];
    let job = Job::new(&[("e2e", &manifest(&steps, ""))]);
    let output = job.run(&[]);
    assert_eq!(status(&output), 1);
    assert_eq!(job.result(), "FAILURE");
    let log = job.read("build-log.txt");
    let start = log.find("FAILURE: 1 of 1 workflows did not succeed: e2e");
    let end = &log[start.expect("a summary")..];
    assert!(end.contains("step bad: Failed: "), "{end}");
    assert!(end.contains("results: file://"), "{end}");
    let (_, command) = end.split_once("to run it again: ").unwrap();
    let mut words = command.lines().next().unwrap().split(' ');
    assert_eq!(words.next(), Some("run-local"));
    let again = job.test.command(&binary("run-local")).args(words).output();
    let again = again.unwrap();
    assert_eq!(status(&again), 1, "{}", text(&again.stderr));
    assert!(
        text(&again.stdout).contains("why"),
        "{}",
        text(&again.stdout)
    );
}

#[test]
fn failed_tests_fail_a_job_whose_workflows_succeed() {
    let xml = "<testsuites><testsuite name='s'><testcase name='t'><failure message='no'/>\
               </testcase></testsuite></testsuites>";
    let job = Job::new(&[("e2e", &manifest(&[("unit", &junit(xml))], ""))]);
    assert_eq!(status(&job.run(&[])), 1);
    assert_eq!(job.result(), "FAILURE");
    assert!(job.read("build-log.txt").contains("test s t failed: no"));
}

#[test]
fn junit_that_is_malformed_fails_the_job() {
    let job = Job::new(&[("e2e", &manifest(&[("unit", &junit("<testsuite>"))], ""))]);
    assert_eq!(status(&job.run(&[])), 1);
    assert_eq!(job.result(), "FAILURE");
    let log = job.read("build-log.txt");
    assert!(
        log.contains("read artifacts/junit_x/junit_unit.xml as JUnit"),
        "{log}"
    );
}

#[test]
fn nothing_called_for_is_a_success_that_says_so() {
    let job = Job::new(&[("e2e", &manifest(&[("bad", "false")], ""))]);
    let config = "workflows:\n- {name: e2e, manifest: e2e.yaml, include_dirs: docs/*}\n";
    job.test.write("src/o/r/prow_config.yaml", config);
    assert_eq!(status(&job.run(&[])), 0);
    assert_eq!(job.result(), "SUCCESS");
    assert_eq!(
        job.files(),
        ["build-log.txt", "finished.json", "started.json"]
    );
    let log = job.read("build-log.txt");
    assert!(
        log.contains("no workflow is called for by this change"),
        "{log}"
    );
}

/// One workflow that writes its process id and stays until it is stopped, with an exit handler.
fn staying() -> Job {
    let job = Job::new(&[("e2e", "")]);
    let pid = job.path("pid");
    // Kubernetes takes `$$` in a command for an escaped `$`.
    let stay = format!("echo $$$$ > {pid}.new; mv {pid}.new {pid}; while :; do sleep 0.1; done");
    let handler = template("handler", &format!("touch {}", job.path("handled")));
    let text = manifest(&[("stay", &stay)], "  onExit: handler\n") + &handler;
    job.test.write("src/o/r/e2e.yaml", text);
    job
}

#[test]
fn a_time_out_ends_the_steps_runs_the_exit_handler_and_fails() {
    let job = staying();
    let (child, pid) = job.start(&["--timeout=5s"]);
    let output = child.wait_with_output();
    assert_eq!(status(&output), 124, "{}", text(&output.stderr));
    assert_eq!(job.result(), "FAILURE");
    assert!(!is_running(pid));
    assert!(job.test.path().join("handled").exists());
    let log = job.read("build-log.txt");
    assert!(
        log.contains("did not end within the job's --timeout"),
        "{log}"
    );
}

#[test]
fn killed_itself_it_leaves_no_step_running() {
    let job = staying();
    let (mut child, pid) = job.start(&[]);
    child.kill().unwrap();
    wait_until("the step is gone", || !is_running(pid));
    wait_until("the exit handler has run", || {
        job.test.path().join("handled").exists()
    });
}

#[test]
fn a_killed_engine_is_an_error_of_its_workflow() {
    let job = staying();
    let (child, pid) = job.start(&[]);
    let of_parent = ["-KILL".to_owned(), "-P".to_owned(), child.id().to_string()];
    let mut kill = job.test.command(std::path::Path::new("pkill"));
    assert!(kill.args(of_parent).status().unwrap().success());
    let output = child.wait_with_output();
    assert_eq!(status(&output), 1, "{}", text(&output.stderr));
    assert_eq!(job.result(), "FAILURE");
    assert!(!is_running(pid));
    let files = job.files();
    let workflow = files
        .iter()
        .find(|name| name.strip_suffix(".yaml").is_some())
        .unwrap();
    let workflow = job.read(workflow);
    assert!(workflow.contains("phase: Error"), "{workflow}");
    assert!(
        workflow.contains("run-local ended before the workflow did"),
        "{workflow}"
    );
}

#[test]
fn credentials_of_a_clone_uri_do_not_reach_the_bucket() {
    let job = Job::new(&[("e2e", &manifest(&[("look", "echo up")], ""))]);
    let spec = format!(
        r#"{{"type": "presubmit", "job": "job", "buildid": "7", "refs": {{"org": "o", "repo": "r",
            "base_ref": "main", "base_sha": "{}", "clone_uri": "https://me:t0ken@h/o/r",
            "pulls": [{{"number": 12, "sha": "{}"}}]}}}}"#,
        job.base, job.head
    );
    let output = job.command().env("JOB_SPEC", spec).output().unwrap();
    assert_eq!(status(&output), 0, "{}", text(&output.stderr));
    for name in job.files().iter().filter(|name| *name != "artifacts") {
        let content = job.read(name);
        assert!(!content.contains("t0ken"), "{name}: {content}");
    }
}

#[test]
fn sigterm_ends_the_steps_and_leaves_an_aborted_record() {
    let job = staying();
    let (child, pid) = job.start(&[]);
    let mut kill = job.test.command(std::path::Path::new("kill"));
    kill.arg(child.id().to_string()).status().unwrap();
    let output = child.wait_with_output();
    assert_eq!(status(&output), 143, "{}", text(&output.stderr));
    let finished = job.record("finished.json");
    assert_eq!(finished["passed"], false);
    assert_eq!(finished["result"], "ABORTED");
    assert!(!is_running(pid));
    assert!(job.test.path().join("handled").exists());
    let files = job.files();
    assert!(
        files
            .iter()
            .any(|name| name.strip_suffix(".yaml").is_some()),
        "{files:?}"
    );
}

#[test]
fn a_workflow_that_cannot_be_run_starts_none_and_names_its_line() {
    let good = manifest(&[("good", "true")], "");
    let bad = manifest(&[("bad", "true")], "").replace("template: bad", "template: gone");
    let job = Job::new(&[("good", &good), ("bad", &bad)]);
    let output = job.run(&[]);
    assert_eq!(status(&output), 2);
    assert_eq!(job.result(), "FAILURE");
    assert_eq!(
        job.files(),
        ["build-log.txt", "finished.json", "started.json"]
    );
    let log = job.read("build-log.txt");
    assert!(log.contains("src/o/r/bad.yaml:10: "), "{log}");
    assert!(!log.contains("good: started"), "{log}");
}

#[test]
fn a_bucket_that_cannot_be_written_is_unavailable_and_nothing_runs() {
    let job = staying();
    job.test.write("bucket", "a file");
    let output = job.run(&[]);
    assert_eq!(status(&output), 75);
    let log = text(&output.stderr);
    assert!(log.contains("started.json"), "{log}");
    assert!(!job.test.path().join("pid").exists());
}

#[test]
fn a_bucket_that_fails_midway_is_unavailable() {
    let job = Job::new(&[("e2e", "")]);
    let script = format!("rm -rf {0}; echo > {0}", job.path("bucket"));
    job.test
        .write("src/o/r/e2e.yaml", manifest(&[("break", &script)], ""));
    let output = job.run(&[]);
    let log = text(&output.stderr);
    assert_eq!(status(&output), 75, "{log}");
    assert!(log.contains("finished.json"), "{log}");
}

#[test]
fn a_decorated_job_leaves_the_records_to_prows_sidecar() {
    let job = Job::new(&[("e2e", "")]);
    let artifacts = job.path("artifacts");
    let xml = "<testsuite name='s'><testcase name='t'><error message='no'/></testcase></testsuite>";
    let script =
        format!("mkdir {artifacts}/sub; printf %s \"{xml}\" > {artifacts}/sub/junit_a.xml");
    job.test
        .write("src/o/r/e2e.yaml", manifest(&[("unit", &script)], ""));
    std::fs::create_dir(&artifacts).unwrap();
    let output = job.command().env("ARTIFACTS", &artifacts).output().unwrap();
    let log = text(&output.stderr);
    assert_eq!(status(&output), 1, "{log}");
    assert!(log.contains("test s t failed: no"), "{log}");
    assert!(!job.test.path().join("bucket").exists());
    let entries = std::fs::read_dir(&artifacts).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let names: Vec<_> = names.iter().map(|name| name.to_str().unwrap()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names[0].starts_with("job-e2e-12-") && names[0].strip_suffix(".yaml").is_some(),
        "{names:?}"
    );
}

#[test]
fn a_decorated_job_makes_the_folder_of_artifacts_that_no_step_has_made() {
    let job = Job::new(&[("e2e", &manifest(&[("unit", "true")], ""))]);
    let artifacts = job.path("logs/artifacts");
    let output = job.command().env("ARTIFACTS", &artifacts).output().unwrap();
    assert_eq!(status(&output), 0, "{}", text(&output.stderr));
    assert_eq!(std::fs::read_dir(&artifacts).unwrap().count(), 1);
}

#[test]
fn a_second_run_of_the_same_build_leaves_its_own_verdict() {
    let job = Job::new(&[("e2e", "")]);
    let script = format!("test ! -e {0} && touch {0}", job.path("marker"));
    job.test
        .write("src/o/r/e2e.yaml", manifest(&[("once", &script)], ""));
    assert_eq!(status(&job.run(&[])), 0);
    assert_eq!(job.result(), "SUCCESS");
    assert_eq!(status(&job.run(&[])), 1);
    assert_eq!(job.result(), "FAILURE");
}

#[test]
fn a_working_tree_is_tested_with_its_uncommitted_changes() {
    let job = Job::new(&[("e2e", "")]);
    let checkout = format!("checkout --src-dir {}", job.path("checked-out"));
    let look = format!("cat {}", job.path("checked-out/o/r/src/new.c"));
    let steps = [("checkout", checkout.as_str()), ("look", look.as_str())];
    job.test.write("src/o/r/e2e.yaml", manifest(&steps, ""));
    let url = "git@example.com:o/r.git";
    job.test.git("src/o/r", &["remote", "add", "origin", url]);
    job.test.write("src/o/r/src/new.c", "not committed\n");
    let mut command = job.test.command(&binary("submit-e2e"));
    command
        .current_dir(job.path("src/o/r"))
        .args(["--run-dir", "run"]);
    let output = command.output().unwrap();
    let (printed, log) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(status(&output), 0, "{printed}{log}");
    assert!(printed.contains("[look] not committed\n"), "{printed}");
    assert!(log.contains("2 uncommitted files are included"), "{log}");
    // The run's own folder, in the working tree, is no part of the change.
    let changes = job.test.git("src/o/r", &["status", "--porcelain"]);
    assert_eq!(changes, "M e2e.yaml\n?? src/new.c");
    let bucket = "src/o/r/run/bucket/pr-logs/pull/o_r/0/local";
    assert!(job.test.path().join(bucket).is_dir());
}
