//! Bugs that run-local once had, each by its cause.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see"
)]

mod support;

use e2e::text;
use support::Run;

#[test]
fn a_deadline_beyond_the_clock_is_none() {
    for (whole, step) in [
        ("activeDeadlineSeconds: 18446744073709551615\n", ""),
        ("", "activeDeadlineSeconds: 18446744073709551615, "),
    ] {
        let run = Run::of(
            &format!(
                "{whole}templates:\n- {{name: main, {step}container: {{command: [echo, up]}}}}"
            ),
            &[],
        );
        assert_eq!((run.code(), run.stdout().as_str()), (0, "[w] up\n"));
    }
}

#[test]
fn a_step_runs_again_with_the_parameters_of_the_command_line() {
    let first = Run::of(
        "\
arguments: {parameters: [{name: other, value: 1}, {name: needed}]}
templates:
- name: main
  steps: [[{name: use, template: use}]]
- name: use
  container: {command: [echo, '{{workflow.parameters.needed}}', '{{workflow.parameters.other}}']}",
        &["-p", "needed=given"],
    );
    assert_eq!(first.stdout(), "[use] given 1\n", "{}", first.stderr());
    let again = |manifest: &str, more: &[&str]| {
        let mut command = first.environment.bin("run-local");
        let fixed = ["--step", "use", manifest, "--run-dir", "run"];
        command.args(fixed).args(more).output().unwrap()
    };
    let output = again("run/workflow.yaml", &[]);
    assert_eq!(text(&output.stdout), "[use] given 1\n");
    let output = again("w.yaml", &["-p", "needed=now"]);
    assert_eq!(
        text(&output.stdout),
        "[use] now 1\n",
        "{}",
        text(&output.stderr)
    );
    let output = again("w.yaml", &["-p", "needed=now", "-p", "no=x"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}
