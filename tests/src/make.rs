//! The Makefile at the top of this repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::text;

/// The top of this repository.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What `make ARGS…` would run at the top of this repository, a command a line.
pub fn make_would_run(args: &[&str]) -> String {
    let output = Command::new("make")
        .args(["--dry-run", "--no-print-directory"])
        .args(args)
        .current_dir(top())
        .env_remove("MAKEFLAGS")
        .output()
        .expect("run make");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).replace("\\\n", " ")
}
