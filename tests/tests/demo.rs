//! `make demo`, with the binaries under test, in a folder of the test's own.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what is not as the test expects fails it"
)]

#[path = "demo_results/mod.rs"]
mod results;

use std::path::Path;

use e2e::{TestEnvironment, binary, is_running, text};
use results::{Results, check_broken, check_good};

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
