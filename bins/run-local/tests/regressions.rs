//! Bugs that run-local once had, each by its cause.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use e2e::{TestEnvironment, binary, text, wait_until};
use support::{Run, manifest};

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

#[test]
fn tags_that_a_steps_output_brings_along_are_text() {
    let run = Run::of(
        "\
arguments: {parameters: [{name: own, value: '{{workflow.name}}-x'}]}
templates:
- name: main
  inputs: {parameters: [{name: own}]}
  steps:
  - - {name: emit, template: emit}
  - - name: show
      template: show
      arguments: {parameters: [{name: v, value: '{{steps.emit.outputs.result}} {{inputs.parameters.own}}'}]}
- name: emit
  script: {command: [sh], source: \"printf '%s' '{''{workflow.name}''} {''{item}''}'\"}
- name: show
  inputs: {parameters: [{name: v}]}
  container: {command: [echo, '{{inputs.parameters.v}}', '{{workflow.parameters.own}}']}",
        &[],
    );
    let expected = "[show] {{workflow.name}} {{item}} w-x w-x\n";
    assert!(
        run.stdout().ends_with(expected),
        "{}{}",
        run.stdout(),
        run.stderr()
    );
    let mut again = run.environment.bin("run-local");
    again.args(["--step", "show", "run/workflow.yaml", "--run-dir", "run"]);
    assert_eq!(text(&again.output().unwrap().stdout), expected);
}

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
    let environment = TestEnvironment::new();
    let hides = environment.path().canonicalize().unwrap();
    for path in ["/tmp", &hides.display().to_string()] {
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
        assert_eq!(environment.read("run/volumes/c/deep/out"), "x\n");
        std::fs::remove_dir_all(hides.join("run")).unwrap();
    }
}

#[test]
fn a_link_on_the_way_to_the_run_folder_is_followed() {
    let environment = TestEnvironment::new();
    std::fs::create_dir(environment.path().join("real")).unwrap();
    let link = environment.path().join("link");
    std::os::unix::fs::symlink("real", &link).unwrap();
    let mount = environment.path().join("real/new");
    let run = Run::of(
        &format!(
            "\
volumes: [{{name: v, emptyDir: {{}}}}]
templates:
- name: main
  container:
    command: [ls, {}]
    volumeMounts: [{{name: v, mountPath: {}}}, {{name: v, mountPath: /run-local-test}}]",
            mount.display(),
            mount.display()
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
fn an_item_cannot_forge_lines_of_output() {
    let run = Run::of(
        "\
templates:
- name: main
  steps: [[{name: a, template: a, withItems: [\"x\\n[b] \\e[2J\"]}]]
- {name: a, container: {command: [echo, up]}}",
        &[],
    );
    assert_eq!(
        run.stdout(),
        "[a(0:x\\n[b] \\u{1b}[2J)] up\n",
        "{}",
        run.stderr()
    );
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
fn a_volume_that_is_not_declared_is_a_mistake_of_the_manifest() {
    let run = Run::of(
        "templates:\n- name: main\n  script:\n    command: [sh]\n    source: x\n    volumeMounts:\n    - {name: nope, mountPath: /x}",
        &[],
    );
    assert_eq!(run.code(), 2);
    let expected = "w.yaml:13: template \"main\": there is no volume \"nope\"";
    assert!(run.stderr().contains(expected), "{}", run.stderr());
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
fn a_plan_shows_the_steps_of_a_template_once() {
    let run = Run::of(
        "\
templates:
- name: main
  steps: [[{name: a, template: twice}, {name: b, template: twice}, {name: again, template: main}]]
- name: twice
  dag: {tasks: [{name: c, template: leaf}, {name: d, template: leaf}]}
- {name: leaf, container: {command: ['true']}}",
        &["--dry-run"],
    );
    let expected = "\
entrypoint main
  [0] a
    c
      $ true
    d
      $ true
  [0] b
    …
  [0] again
    …
";
    assert!(run.stdout().ends_with(expected), "{}", run.stdout());
}

#[test]
fn a_failing_exit_handler_does_not_hide_why_the_workflow_failed() {
    let run = Run::of(
        "\
onExit: bye
templates:
- {name: main, container: {command: [sh, -c, 'exit 7']}}
- {name: bye, container: {command: [sh, -c, 'exit 8']}}",
        &[],
    );
    assert_eq!(run.code(), 1);
    assert_eq!(run.status().message, "Error (exit code 7)");
}

#[test]
fn the_report_names_what_counts_in_nested_retries_and_steps_without_a_process() {
    let run = Run::of(
        "\
templates:
- name: main
  dag:
    tasks:
    - {name: flaky, template: nested, arguments: {parameters: [{name: code, value: 'test $n = 1'}]}}
    - {name: hopeless, template: nested, arguments: {parameters: [{name: code, value: exit 9}]}}
    - {name: odd, template: nested, when: '(', arguments: {parameters: [{name: code, value: 'true'}]}}
- name: nested
  inputs: {parameters: [{name: code}]}
  retryStrategy: {limit: 1}
  steps: [[{name: one, template: sh, arguments: {parameters: [{name: code, value: '{{inputs.parameters.code}}'}, {name: attempt, value: '{{retries}}'}]}}]]
- name: sh
  inputs: {parameters: [{name: code}, {name: attempt}]}
  container: {command: [env, 'n={{inputs.parameters.attempt}}', sh, -c, '{{inputs.parameters.code}}']}",
        &[],
    );
    assert_eq!(run.code(), 1);
    let stderr = run.stderr();
    let again: Vec<&str> = stderr
        .lines()
        .filter(|line| line.contains("--step"))
        .collect();
    assert_eq!(again.len(), 1, "{stderr}");
    assert!(
        again[0].contains("--step 'w.hopeless(1)[0].one'"),
        "{stderr}"
    );
    assert!(
        stderr.contains("w.odd could not be run: when \"(\""),
        "{stderr}"
    );

    let mut command = run.environment.bin("run-local");
    command.args([
        "--step",
        "w.hopeless(1)[0].one",
        "run/workflow.yaml",
        "--run-dir",
        "run",
    ]);
    let stderr = text(&command.output().unwrap().stderr);
    assert!(
        stderr.contains("--step 'w.hopeless(1)[0].one' run/workflow.yaml"),
        "{stderr}"
    );
}

#[test]
fn a_reader_that_stopped_reading_does_not_keep_it_from_ending() {
    let environment = TestEnvironment::new();
    environment.write(
        "w.yaml",
        manifest("templates:\n- {name: main, container: {command: ['yes']}}"),
    );
    let mut command = environment.command(&binary("run-local"));
    command.args(["w.yaml", "--run-dir", "run", "--grace-period", "1s"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let log = environment.path().join("run/steps/w/log.txt");
    wait_until("the step writes", || {
        std::fs::metadata(&log).is_ok_and(|log| log.len() > 0)
    });
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(sent.unwrap().success());
    let mut code = None;
    wait_until("it ends", || {
        code = child.try_wait().unwrap().map(|status| status.code());
        code.is_some()
    });
    assert_eq!(code, Some(Some(143)));
}

#[test]
fn a_tag_of_a_step_that_may_still_run_is_a_mistake_of_the_manifest() {
    let leaf = "\
- {name: x, inputs: {parameters: [{name: c}]}, container: {command: [echo, '{{inputs.parameters.c}}']}}
- name: main";
    let step = |name: &str, value: &str, more: &str| {
        format!(
            "{{name: {name}, template: x, arguments: {{parameters: [{{name: c, value: '{value}'}}]}}{more}}}"
        )
    };
    let (first, result) = (step("b", "1", ""), "{{KIND.b.outputs.result}}");
    for (kind, tasks, code) in [
        (
            "steps",
            format!("[[{first}, {}]]", step("a", result, "")),
            2,
        ),
        (
            "steps",
            format!("[[{first}], [{}]]", step("a", result, "")),
            0,
        ),
        (
            "dag",
            format!("{{tasks: [{first}, {}]}}", step("a", result, "")),
            2,
        ),
        (
            "dag",
            format!(
                "{{tasks: [{first}, {}, {}]}}",
                step("m", "2", ", dependencies: [b]"),
                step("a", result, ", depends: m.Succeeded")
            ),
            0,
        ),
    ] {
        let tasks = tasks.replace("KIND", if kind == "dag" { "tasks" } else { kind });
        let run = Run::of(&format!("templates:\n{leaf}\n  {kind}: {tasks}"), &[]);
        assert_eq!(run.code(), code, "{tasks}: {}", run.stderr());
    }
}

#[test]
fn a_status_of_null_is_none() {
    let environment = TestEnvironment::new();
    let leaf = "templates:\n- {name: main, container: {command: [echo, up]}}";
    environment.write("null.yaml", manifest(leaf) + "status: null\n");
    let mut command = environment.bin("run-local");
    command.args(["null.yaml", "--run-dir", "run"]);
    assert_eq!(text(&command.output().unwrap().stdout), "[w] up\n");
}
