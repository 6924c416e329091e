//! `--runtime docker` as far as it needs no engine; the rest is tested with the image.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

mod support;

use e2e::{TestEnvironment, text};
use support::{Run, manifest};

const ONE: &str = "\
templates:
- name: main
  container: {image: 'busybox:1', command: [echo, hi], securityContext: {runAsUser: 7}}
";

#[test]
fn the_plan_names_images_and_no_field_that_is_applied() {
    let run = Run::of(ONE, &["--dry-run", "--runtime", "docker"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert!(
        run.stdout().contains("[busybox:1] $ echo hi\n"),
        "{}",
        run.stdout()
    );
    assert!(!run.stdout().contains("not applied"), "{}", run.stdout());
    let process = Run::of(ONE, &["--dry-run"]);
    let left_out = "not applied on this machine: image, securityContext\n";
    assert!(process.stdout().contains(left_out), "{}", process.stdout());
}

#[test]
fn a_template_needs_an_image_or_a_command_by_its_runtime() {
    let image = ONE.replace("image: 'busybox:1', ", "");
    let run = Run::of(&image, &["--dry-run", "--runtime", "docker"]);
    assert_eq!(run.code(), 2);
    assert!(
        run.stderr().contains("there is no image"),
        "{}",
        run.stderr()
    );
    let command = ONE.replace("command: [echo, hi]", "args: [hi]");
    let run = Run::of(&command, &["--dry-run", "--runtime", "docker"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let run = Run::of(&command, &["--dry-run"]);
    assert_eq!(run.code(), 2);
    assert!(
        run.stderr().contains("there is no command"),
        "{}",
        run.stderr()
    );
}

#[test]
fn folders_for_containers_are_checked_and_go_with_them_only() {
    let run = Run::of(ONE, &["--dry-run", "--mount", "/tmp"]);
    assert_eq!(run.code(), 2);
    assert!(run.stderr().contains("--mount goes with --runtime docker"));
    let missing = [
        "--dry-run",
        "--runtime",
        "docker",
        "--mount",
        "/no/such/folder:ro",
    ];
    let run = Run::of(ONE, &missing);
    assert_eq!(run.code(), 2);
    assert!(
        run.stderr().contains("there is no such folder"),
        "{}",
        run.stderr()
    );
}

#[test]
fn without_docker_nothing_starts_and_the_error_says_what_to_do() {
    let test = TestEnvironment::new();
    test.write("w.yaml", manifest(ONE));
    let mut command = test.bin("run-local");
    command.args(["w.yaml", "--run-dir=run", "--runtime=docker"]);
    let output = command.env("PATH", test.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(
        said.contains("run docker") && said.contains("install Docker"),
        "{said}"
    );
    let mut command = test.bin("run-local");
    command.args(["w.yaml", "--run-dir=run", "--runtime=docker"]);
    test.write(
        "bin/docker",
        "#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n",
    );
    let program = test.path().join("bin/docker");
    std::fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let path = format!("{}:/usr/bin:/bin", test.path().join("bin").display());
    let output = command.env("PATH", path).output().unwrap();
    assert_eq!(output.status.code(), Some(75));
    assert!(text(&output.stderr).contains("Cannot connect to the Docker daemon"));
}
