//! Bugs that run-local once had with folders, mounts and links, each by its cause.
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::support::{Run, manifest};
use e2e::{TestEnvironment, binary, text};

#[test]
fn a_folder_that_is_the_steps_own_keeps_its_mode() {
    let run = Run::of(
        "templates:\n- {name: main, container: {command: [stat, -c, '%a', /tmp]}}",
        &[],
    );
    let mode = std::fs::metadata("/tmp").unwrap().permissions().mode();
    assert_eq!(run.stdout(), format!("[w] {:o}\n", mode & 0o7777));
}

#[test]
fn a_mount_may_hide_the_run_folder() {
    let in_tmp = tempfile::tempdir_in("/tmp").unwrap();
    // A folder that does not become the step's own without need.
    let elsewhere = tempfile::tempdir_in("/var/tmp").unwrap();
    for (path, hides) in [
        (Path::new("/tmp"), &in_tmp),
        (in_tmp.path(), &in_tmp),
        (elsewhere.path(), &elsewhere),
    ] {
        let (path, hides) = (path.display(), hides.path());
        let run = Run::of(
            &format!(
                "\
volumes: [{{name: v, persistentVolumeClaim: {{claimName: c}}}}, {{name: w, emptyDir: {{}}}}]
templates:
- name: main
  outputs: {{parameters: [{{name: out, valueFrom: {{path: {path}/deep/out}}}}]}}
  script:
    command: [sh, -e]
    source: 'touch in-work; ls {path}; mkdir -p {path}/deep; echo x > {path}/deep/out; ls {path}/inner'
    volumeMounts: [{{name: v, mountPath: {path}}}, {{name: w, mountPath: {path}/inner}}]"
            ),
            &["--run-dir", &hides.join("run").display().to_string()],
        );
        assert_eq!(run.stdout(), "[w] inner\n", "{path}: {}", run.stderr());
        assert_eq!(run.code(), 0, "{path}: {}", run.stderr());
        assert_eq!(
            std::fs::read_to_string(hides.join("run/volumes/c/deep/out")).unwrap(),
            "x\n"
        );
        std::fs::remove_dir_all(hides.join("run")).unwrap();
    }
}

#[test]
fn a_link_on_the_way_to_the_run_folder_is_followed() {
    // By its name the run folder is in /tmp, which is always the step's own; really it is in
    // another folder that becomes the step's own.
    let environment = TestEnvironment::new();
    let real = tempfile::tempdir_in("/var/tmp").unwrap();
    let link = environment.path().join("link");
    std::os::unix::fs::symlink(real.path(), &link).unwrap();
    let mount = real.path().join("new").display().to_string();
    let run = Run::of(
        &format!(
            "\
volumes: [{{name: v, emptyDir: {{}}}}]
templates:
- name: main
  container:
    command: [ls, {mount}]
    volumeMounts: [{{name: v, mountPath: {mount}}}]"
        ),
        &["--run-dir", &link.join("run").display().to_string()],
    );
    assert_eq!(run.code(), 0, "{}{}", run.stdout(), run.stderr());
}

#[test]
fn an_output_is_read_past_a_link_on_its_path() {
    let environment = TestEnvironment::new();
    std::fs::create_dir(environment.path().join("real")).unwrap();
    let link = environment.path().join("link");
    std::os::unix::fs::symlink("real", &link).unwrap();
    let path = link.join("new").display().to_string();
    let run = Run::of(
        &format!(
            "\
volumes: [{{name: v, emptyDir: {{}}}}]
templates:
- name: main
  outputs: {{parameters: [{{name: out, valueFrom: {{path: {path}/out}}}}]}}
  container:
    command: [sh, -c, 'echo here > {path}/out']
    workingDir: {path}
    volumeMounts: [{{name: v, mountPath: {path}}}]"
        ),
        &[
            "--run-dir",
            &link.join("run").display().to_string(),
            "--status",
            "status.json",
        ],
    );
    assert_eq!(run.code(), 0, "{}{}", run.stdout(), run.stderr());
    assert!(run.environment.read("status.json").contains("\"here\""));
}

#[test]
fn a_secret_is_never_written_to() {
    let environment = TestEnvironment::new();
    environment.write("token/key", "s3cret");
    let run = Run::in_environment(
        environment,
        "\
volumes: [{name: t, secret: {secretName: token}}]
templates:
- name: main
  steps: [[{name: a, template: a}, {name: b, template: b}]]
- {name: a, container: {command: [touch, /run-local-test/new], volumeMounts: [{name: t, mountPath: /run-local-test}]}}
- {name: b, container: {command: ['true'], volumeMounts: [{name: t, mountPath: /run-local-test, subPath: absent}]}}",
        &["--secret", "token=token"],
    );
    assert_eq!(run.code(), 1);
    assert!(
        run.stdout().contains("Read-only file system"),
        "{}",
        run.stdout()
    );
    assert!(
        run.stderr().contains("\"absent\" is no key of \"t\""),
        "{}",
        run.stderr()
    );
    let folder = run.environment.path().join("token");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
}

#[test]
fn read_only_folders_of_the_last_run_are_removed() {
    let spec = "\
templates:
- {name: main, container: {command: [sh, -c, 'mkdir -p a/b; touch a/b/f; chmod 555 a/b a']}}";
    let first = Run::of(spec, &[]);
    assert_eq!(first.code(), 0, "{}", first.stderr());
    // Root may remove them anyway.
    let second = Run::in_environment(first.environment, spec, &[]);
    assert_eq!(second.code(), 0, "{}", second.stderr());
}

#[test]
fn folders_that_a_volume_does_not_have_yet_are_made() {
    let environment = TestEnvironment::new();
    environment.write("token/key", "s3cret");
    let run = Run::in_environment(
        environment,
        "\
volumes: [{name: t, secret: {secretName: token}}, {name: v, emptyDir: {}}]
templates:
- name: main
  container:
    command: [sh, -c, 'pwd; cat /run-local-test/a/b/key']
    workingDir: /run-local-test/new/folder
    volumeMounts:
    - {name: t, mountPath: /run-local-test/a/b/key, subPath: key}
    - {name: v, mountPath: /run-local-test}",
        &["--secret", "token=token"],
    );
    let expected = "[w] /run-local-test/new/folder\n[w] s3cret\n";
    assert_eq!(run.stdout(), expected, "{}", run.stderr());
}

#[test]
fn an_opened_folder_deep_in_another_is_the_steps_own() {
    let environment = TestEnvironment::new();
    let deep = environment.path().join("deep/folder");
    std::fs::create_dir_all(&deep).unwrap();
    let path = deep.display().to_string();
    let run = Run::of(
        &format!(
            "\
volumes: [{{name: v, emptyDir: {{}}}}]
templates:
- name: main
  outputs: {{parameters: [{{name: out, valueFrom: {{path: {path}/out}}}}]}}
  container:
    command: [sh, -c, 'echo here > {path}/out; ls {path}']
    volumeMounts: [{{name: v, mountPath: {path}/new}}, {{name: v, mountPath: /run-local-test}}]"
        ),
        &[],
    );
    assert_eq!(run.stdout(), "[w] new\n[w] out\n", "{}", run.stderr());
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let left = std::fs::read_dir(deep).unwrap().count();
    assert_eq!(left, 0, "nothing of it is left on this machine");
}

#[test]
fn a_relative_output_starts_at_the_working_folder() {
    for working_dir in ["", "workingDir: /run-local-test, "] {
        let run = Run::of(
            &format!(
                "\
volumes: [{{name: v, emptyDir: {{}}}}]
templates:
- name: main
  outputs: {{parameters: [{{name: out, valueFrom: {{path: out}}}}]}}
  container: {{{working_dir}command: [sh, -c, 'echo here > out'], volumeMounts: [{{name: v, mountPath: /run-local-test}}]}}"
            ),
            &[],
        );
        assert_eq!(run.code(), 0, "{}{}", run.stdout(), run.stderr());
        let outputs = run.status().nodes["w"].outputs.clone().unwrap();
        assert_eq!(outputs.parameters[0].value.as_deref(), Some("here"));
    }
}

#[test]
fn a_status_that_cannot_be_written_does_not_hide_the_failure() {
    let environment = TestEnvironment::new();
    std::fs::create_dir(environment.path().join("gone")).unwrap();
    let folder = environment.path().join("gone").display().to_string();
    let run = Run::of(
        &format!(
            "templates:\n- {{name: main, container: {{command: [sh, -c, 'echo why; rm -r {folder}; exit 1']}}}}"
        ),
        &["--status", &format!("{folder}/w.yaml")],
    );
    assert_eq!(run.code(), 1);
    assert!(run.stderr().contains("| why"), "{}", run.stderr());
    assert!(run.stderr().contains("gone/w.yaml"), "{}", run.stderr());
}

#[test]
fn two_runs_do_not_share_a_run_folder() {
    let environment = TestEnvironment::new();
    let fifo = environment.path().join("fifo").display().to_string();
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let run = environment.write("run/workflow.yaml", "");
    environment.write(
        "w.yaml",
        manifest(&format!(
            "templates:\n- {{name: main, container: {{command: [sh, -c, 'echo up > {fifo}; cat {fifo}']}}}}"
        )),
    );
    let start = || {
        let mut command = environment.command(&binary("run-local"));
        command.args(["w.yaml", "--run-dir", "run"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let first = start();
    // The step runs once it writes here.
    assert_eq!(std::fs::read_to_string(&fifo).unwrap(), "up\n");
    let before = std::fs::read_to_string(&run).unwrap();
    let second = start().wait_with_output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    let stderr = text(&second.stderr);
    assert!(stderr.contains("another run-local runs in "), "{stderr}");
    assert_eq!(std::fs::read_to_string(&run).unwrap(), before);
    std::fs::write(&fifo, "on\n").unwrap();
    let first = first.wait_with_output().unwrap();
    assert_eq!(text(&first.stdout), "[w] on\n", "{}", text(&first.stderr));
}

#[test]
fn an_output_that_is_a_pipe_or_too_large_is_an_error_and_no_stop() {
    for (script, why) in [
        ("mkfifo /tmp/out", "it is no file"),
        (
            "head -c 300000 /dev/zero | tr '\\0' x > /tmp/out",
            "it is larger than 262144 bytes",
        ),
    ] {
        let run = Run::of(
            &format!(
                "\
templates:
- name: main
  outputs: {{parameters: [{{name: out, valueFrom: {{path: /tmp/out}}}}]}}
  script: {{command: [sh, -e], source: \"{script}\"}}",
                script = script.replace('\\', "\\\\")
            ),
            &[],
        );
        assert_eq!(run.code(), 1, "{}", run.stderr());
        assert!(run.stderr().contains(why), "{}", run.stderr());
    }
}

#[test]
fn a_long_result_keeps_its_end() {
    let run = Run::of(
        "\
templates:
- name: main
  steps:
  - - {name: long, template: long}
  - - {name: use, template: use, arguments: {parameters: [{name: text, value: '{{steps.long.outputs.result}}'}]}}
- {name: long, script: {command: [sh], source: 'seq 100000'}}
- name: use
  inputs: {parameters: [{name: text}]}
  script: {command: [sh], source: \"tail -n 2 <<'EOF'\\n{{inputs.parameters.text}}\\nEOF\\n\"}",
        &[],
    );
    assert!(
        run.stdout().ends_with("[use] 99999\n[use] 100000\n"),
        "{}",
        run.stderr()
    );
}
