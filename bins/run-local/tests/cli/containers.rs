//! `--runtime docker` as far as it needs no engine; the rest is tested with the image.

use crate::support::{Run, manifest};
use e2e::{TestEnvironment, text};

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
fn the_plan_shows_the_container_of_each_step() {
    let test = TestEnvironment::new();
    test.write("token/key", "s3cret");
    let spec = "\
volumes:
- {name: data, persistentVolumeClaim: {claimName: nfs-external}}
- {name: token, secret: {secretName: token}}
- {name: tools, emptyDir: {}}
templates:
- name: main
  securityContext: {fsGroup: 777}
  initContainers:
  - name: tools
    image: tools:1
    volumeMounts: [{name: tools, mountPath: /tools}]
  container:
    image: 'busybox:1'
    command: [echo, hi]
    workingDir: /data/{{workflow.name}}/src
    securityContext: {runAsUser: 7, readOnlyRootFilesystem: true}
    env:
    - {name: PLAIN, value: v4lue}
    - {name: KEY, valueFrom: {secretKeyRef: {name: token, key: key}}}
    volumeMounts:
    - {name: data, mountPath: /data}
    - {name: data, mountPath: /src, subPath: deep, readOnly: true}
    - {name: token, mountPath: /secret}
    - {name: tools, mountPath: /tools}
";
    test.write("w.yaml", manifest(spec));
    let mut command = test.bin("run-local");
    command.args(["w.yaml", "--run-dir=run", "--runtime=docker", "--dry-run"]);
    let output = command
        .args(["--secret=token=token", "--mount=token:ro"])
        .output()
        .unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let folder = test.path().display();
    let expected = format!(
        "\
  first tools: [tools:1] its own command
    --group-add=777
    --mount=type=bind,\"source={folder}/token\",\"target={folder}/token\",readonly
    --mount=type=bind,\"source=(a new folder)\",\"target=/tools\"
  [busybox:1] $ echo hi
    --user=7 --group-add=777 --read-only
    --workdir=/data/{{{{workflow.name}}}}/src
    --mount=type=bind,\"source={folder}/token\",\"target={folder}/token\",readonly
    --mount=type=bind,\"source={folder}/run/volumes/nfs-external\",\"target=/data\"
    --mount=type=bind,\"source={folder}/run/volumes/nfs-external/deep\",\"target=/src\",readonly
    --mount=type=bind,\"source={folder}/token\",\"target=/secret\",readonly
    --mount=type=bind,\"source=(a new folder)\",\"target=/tools\"
    --env=PLAIN --env=KEY
"
    );
    assert!(said.contains(&expected), "{said}");
    assert!(
        !said.contains("v4lue") && !said.contains("s3cret"),
        "{said}"
    );
    assert!(!test.path().join("run").exists());
}

/// A template with an init container.
fn with_init(init: &str) -> String {
    format!(
        "volumes: [{{name: shared, emptyDir: {{}}}}]
templates:
- name: main
  initContainers:
  - {init}
  container:
    image: i
    command: [sh, -c, 'cat /shared/file']
    volumeMounts: [{{name: shared, mountPath: /shared}}]
"
    )
}

#[test]
fn init_containers_run_before_the_step_and_share_its_volumes() {
    let run = Run::of(
        &with_init(
            "{name: first, image: i, mirrorVolumeMounts: true, command: [sh, -c, 'echo preparing; echo ready >/shared/file']}",
        ),
        &[],
    );
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert!(
        run.stdout().ends_with("first] preparing\n[w] ready\n"),
        "{}",
        run.stdout()
    );
}

#[test]
fn a_step_whose_init_container_fails_does_not_run() {
    let run = Run::of(
        &with_init(
            "{name: first, image: i, mirrorVolumeMounts: true, command: [sh, -c, 'echo broken >&2; exit 3']}",
        ),
        &[],
    );
    assert_eq!(run.code(), 1, "{}", run.stderr());
    assert!(
        run.stderr()
            .contains("init container first: Error (exit code 3)"),
        "{}",
        run.stderr()
    );
    assert!(!run.stdout().contains("[w] "), "{}", run.stdout());
}

#[test]
fn what_an_init_container_may_not_have_is_an_error_of_its_line() {
    for (init, why) in [
        (
            "{name: a, image: i, command: [x], restartPolicy: Always}",
            "restartPolicy",
        ),
        ("{image: i, command: [x]}", "name"),
        ("{name: ../a, image: i, command: [x]}", "name"),
        (
            "{name: a, image: i, command: [x], volumeMounts: [{name: none, mountPath: /x}]}",
            "no volume \"none\"",
        ),
        ("{name: a, image: i}", "there is no command"),
    ] {
        let run = Run::of(&with_init(init), &["--dry-run"]);
        assert_eq!(run.code(), 2, "{init}");
        assert!(run.stderr().contains(why), "{init}: {}", run.stderr());
    }
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
