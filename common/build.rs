//! Gives the binaries their version: `git describe` and the commit, or what the
//! image build says in `TEST_WORKER_VERSION` where there is no repository.

use std::process::Command;

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn main() {
    println!("cargo::rerun-if-env-changed=TEST_WORKER_VERSION");
    // The log of HEAD is written at every commit, checkout and reset: one file to watch.
    if let Some(log) = git(&[
        "rev-parse",
        "--path-format=absolute",
        "--git-path",
        "logs/HEAD",
    ]) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    let version = std::env::var("TEST_WORKER_VERSION")
        .ok()
        .filter(|version| !version.is_empty())
        .or_else(|| {
            let describe = git(&["describe", "--tags", "--always", "--dirty"])?;
            Some(format!("{describe} ({})", git(&["rev-parse", "HEAD"])?))
        })
        .unwrap_or_else(|| format!("{} (commit unknown)", env!("CARGO_PKG_VERSION")));
    println!("cargo::rustc-env=TEST_WORKER_VERSION={version}");
}
