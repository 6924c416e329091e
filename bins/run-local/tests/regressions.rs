//! Bugs that run-local once had, each by its cause.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see"
)]

mod support;

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
