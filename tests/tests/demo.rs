//! `make demo`, with the binaries under test, in a folder of the test's own.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what is not as the test expects fails it"
)]

use std::path::{Path, PathBuf};

use common::workflow::{self, Phase};
use e2e::{TestEnvironment, binary, is_running, text};
use serde_json::Value;

/// Runs the demo; gives what it printed.
fn run_demo(environment: &TestEnvironment) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/demo.sh");
    let output = environment
        .command(&script)
        .env("DEMO_DIR", environment.path().join("demo"))
        .env("DEMO_BIN", binary("submit-e2e").parent().unwrap())
        // What the caller's own job says must not reach the demo's.
        .env("JOB_SPEC", "{}")
        .env("ARTIFACTS", environment.path().join("foreign"))
        .output()
        .unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{}\n{stdout}\n{stderr}",
        output.status
    );
    stdout + &stderr
}

/// The results of a pull request in the demo's bucket.
struct Results(PathBuf);

impl Results {
    fn of(environment: &TestEnvironment, pull: u32, build: u32) -> Self {
        let folder =
            format!("demo/bucket/pr-logs/pull/example_greeter/{pull}/greeter-presubmit/{build}");
        Results(environment.path().join(folder))
    }

    fn text(&self, file: &str) -> String {
        let path = self.0.join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_str(&self.text(file)).unwrap()
    }

    /// The name of the one workflow that ran.
    fn workflow(&self) -> String {
        let names: Vec<String> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
            .collect();
        let [name] = &names[..] else {
            panic!("one workflow was expected: {names:?}");
        };
        name.clone()
    }

    fn phase(&self) -> Phase {
        let path = self.0.join(self.workflow() + ".yaml");
        let document = workflow::read(&path).unwrap();
        workflow::status(&document.value).unwrap().phase
    }

    fn junit(&self, step: &str) -> String {
        let workflow = self.workflow();
        self.text(&format!("artifacts/junit_{workflow}/junit_{step}.xml"))
    }
}

fn check_good(results: &Results) {
    let finished = results.json("finished.json");
    assert_eq!(finished["passed"], true, "{finished}");
    assert_eq!(finished["result"], "SUCCESS");
    assert_eq!(results.json("started.json")["pull"], "1");
    assert_eq!(results.phase(), Phase::Succeeded);
    assert_eq!(results.json("clone-records.json")[0]["failed"], false);
    for step in ["lint", "build", "unit-tests", "integration-tests"] {
        assert!(!results.junit(step).contains("<failure"), "{step}");
    }
    // The pull request's own test ran, so what was tested is the merged commit.
    let added = "fails where the greeting cannot be written";
    assert!(results.junit("integration-tests").contains(added));
    assert!(results.text("build-log.txt").contains(added));
}

fn check_broken(results: &Results) {
    let finished = results.json("finished.json");
    assert_eq!(finished["passed"], false, "{finished}");
    assert_eq!(finished["result"], "FAILURE");
    assert_eq!(results.phase(), Phase::Failed);
    let test = "refuses a name that does not fit";
    let junit = results.junit("unit-tests");
    assert!(
        junit.contains("<failure") && junit.contains(test),
        "{junit}"
    );
    assert!(!results.junit("integration-tests").contains("<failure"));
    let log = results.text("build-log.txt");
    assert!(log.contains(&format!("not ok 6 - {test}")), "{log}");
    assert!(log.contains("--step unit-tests"), "{log}");
}

/// The git server says its process id when it starts.
fn server(output: &str) -> u32 {
    let (_, after) = output.split_once("(git daemon, process ").unwrap();
    after.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn the_first_pull_request_is_good_and_the_second_is_not_on_every_run() {
    let environment = TestEnvironment::new();
    for _ in 0..2 {
        let output = run_demo(&environment);
        check_good(&Results::of(&environment, 1, 1001));
        check_broken(&Results::of(&environment, 2, 1002));
        assert!(!is_running(server(&output)), "{output}");
    }
    assert!(!environment.path().join("foreign").exists());
}
