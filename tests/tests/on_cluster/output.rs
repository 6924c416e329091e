//! What steps print, and what is kept of those that succeed.

use e2e::{Cluster, text};
use serde_json::json;

use crate::job::{Job, phases};
use crate::manifest::{steps, template};

#[test]
fn all_output_is_shown_while_steps_run_and_all_of_it_is_kept() {
    let cluster = Cluster::connect();
    let script = "echo one; echo two; sleep 12; echo three";
    let job = Job::new(&cluster, &steps(&[("talks", script)]));
    let mut program = job.start_with(&["--follow=all", "--logs=all"]);
    let is_shown = || job.log().contains("[talks] two\n").then_some(());
    job.namespace.wait_for("its first lines", 90, is_shown);
    assert!(!job.log().contains("[talks] three\n"), "{}", job.log());
    assert_eq!(job.end_of(&mut program), 0, "{}", job.log());
    job.assert_result("SUCCESS");
    for line in ["one", "two", "three"] {
        let shown = job.log().matches(&format!("[talks] {line}\n")).count();
        assert_eq!(shown, 1, "{line}: {}", job.log());
    }
    let evidence = job.evidence("talks");
    assert!(
        evidence.contains("main.log\none\ntwo\nthree\n"),
        "{evidence}"
    );
}

#[test]
fn a_step_that_succeeds_at_its_second_attempt_is_flaky_in_junit() {
    let cluster = Cluster::connect();
    let mut workflow = steps(&[(
        "flaky",
        "echo attempt {{retries}}; exit $((1 - {{retries}}))",
    )]);
    template(&mut workflow, "flaky")["retryStrategy"] = json!({"limit": "2"});
    let job = Job::new(&cluster, &workflow);
    let output = job.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    job.assert_result("SUCCESS");
    let workflow = job.namespace.workflow().unwrap();
    assert_eq!(phases(&workflow, "flaky(0)"), ["Failed"]);
    let name = workflow["metadata"]["name"].as_str().unwrap();
    let junit = job.read(&format!("artifacts/junit_{name}.xml"));
    let junit = junit.unwrap_or_else(|| panic!("no JUnit: {:?}", job.files()));
    // TestGrid's rule: two cases of one name, one of them failed.
    assert_eq!(junit.matches("name=\"e2e/flaky\"").count(), 2, "{junit}");
    assert_eq!(junit.matches("<failure").count(), 1, "{junit}");
}
