//! What the demo leaves in its bucket, and what has to be in there.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what is not as the test expects fails it"
)]

use std::path::PathBuf;

use common::workflow::{self, Phase};
use e2e::TestEnvironment;
use serde_json::Value;

/// The results of a pull request in the demo's bucket.
pub(crate) struct Results(PathBuf);

impl Results {
    pub(crate) fn of(environment: &TestEnvironment, pull: u32, build: u32) -> Self {
        let folder =
            format!("demo/bucket/pr-logs/pull/example_greeter/{pull}/greeter-presubmit/{build}");
        Results(environment.path().join(folder))
    }

    pub(crate) fn text(&self, file: &str) -> String {
        let path = self.0.join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn json(&self, file: &str) -> Value {
        serde_json::from_str(&self.text(file)).unwrap()
    }

    /// The name of the one workflow that ran.
    pub(crate) fn workflow(&self) -> String {
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

    pub(crate) fn phase(&self) -> Phase {
        let path = self.0.join(self.workflow() + ".yaml");
        let document = workflow::read(&path).unwrap();
        workflow::status(&document.value).unwrap().phase
    }

    pub(crate) fn junit(&self, step: &str) -> String {
        let workflow = self.workflow();
        self.text(&format!("artifacts/junit_{workflow}/junit_{step}.xml"))
    }
}

/// The first pull request.
pub(crate) fn check_good(results: &Results) {
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

/// The second one.
pub(crate) fn check_broken(results: &Results) {
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
