//! The docker program, and containers as a careful cluster starts them.

use std::process::{Command, Output, Stdio};

use e2e::text;

/// A user that no image knows.
pub(crate) const SOMEBODY: &str = "12345:12345";

/// The image under test.
pub(crate) fn image() -> String {
    named("TEST_WORKER_IMAGE")
}

/// That of the tools alone.
pub(crate) fn tools_image() -> String {
    named("TEST_WORKER_TOOLS")
}

fn named(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable}: run `make image-test`"))
}

/// `docker ARGS…`.
pub(crate) fn docker(args: &[&str]) -> Output {
    Command::new("docker")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The same for what has to succeed; gives what it printed, trimmed.
pub(crate) fn succeed(args: &[&str]) -> String {
    let output = docker(args);
    assert!(
        output.status.success(),
        "docker {args:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout).trim().to_owned()
}

/// A run of the image as a user that it does not know, who can write to nothing but /tmp;
/// `flags` are docker's.
pub(crate) fn run(flags: &[&str], words: &[&str]) -> Output {
    let image = image();
    let careful = [
        "run",
        "--rm",
        "--read-only",
        "--tmpfs=/tmp",
        "--user",
        SOMEBODY,
    ];
    let careful = [
        &careful[..],
        &["--cap-drop=ALL", "--security-opt=no-new-privileges"],
    ];
    docker(&[&careful.concat()[..], flags, &[&image], words].concat())
}

/// The same for what has to succeed.
pub(crate) fn printed(flags: &[&str], words: &[&str]) -> String {
    let output = run(flags, words);
    assert!(
        output.status.success(),
        "{words:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout).trim().to_owned()
}

/// A container that runs in the background, removed when dropped.
pub(crate) struct Container(pub(crate) String);

impl Container {
    pub(crate) fn start(flags: &[&str], words: &[&str]) -> Self {
        let image = image();
        let detached = [
            "run",
            "--detach",
            "--read-only",
            "--tmpfs=/tmp",
            "--user",
            SOMEBODY,
        ];
        Container(succeed(&[&detached[..], flags, &[&image], words].concat()))
    }

    pub(crate) fn logs(&self) -> String {
        let output = docker(&["logs", &self.0]);
        text(&output.stdout) + &text(&output.stderr)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.0]);
    }
}
