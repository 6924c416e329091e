//! run-local through its binary: whole workflows, bad ones, and the ends that nobody likes.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see"
)]

mod support;

use std::path::Path;
use std::process::Command;

use e2e::{Running, TestEnvironment, binary, is_running, text, wait_until};

use support::{Run, manifest, with_shell};

#[test]
fn help_has_examples_and_exit_codes() {
    let environment = TestEnvironment::new();
    let help = text(
        &environment
            .bin("run-local")
            .arg("--help")
            .output()
            .unwrap()
            .stdout,
    );
    assert!(
        help.contains("EXAMPLES:") && help.contains("EXIT CODES:"),
        "{help}"
    );
    let version = environment
        .bin("run-local")
        .arg("--version")
        .output()
        .unwrap();
    assert!(text(&version.stdout).starts_with("run-local "));
}

#[test]
fn steps_run_group_after_group_and_a_group_at_once() {
    // The two of the second group wait for one another: one after the other would not end.
    let run = Run::of(
        &with_shell(
            "\
- name: main
  steps:
  - - {name: first, template: sh, arguments: {parameters: [{name: script, value: echo first}]}}
  - - name: left
      template: meet
      arguments: {parameters: [{name: own, value: left}, {name: other, value: right}]}
    - name: right
      template: meet
      arguments: {parameters: [{name: own, value: right}, {name: other, value: left}]}
- name: meet
  inputs: {parameters: [{name: own}, {name: other}]}
  container:
    image: busybox
    command: [sh, -c]
    args: ['touch /shared/$0; while [ ! -e /shared/$1 ]; do sleep 0.05; done; echo met', '{{inputs.parameters.own}}', '{{inputs.parameters.other}}']
    volumeMounts: [{name: shared, mountPath: /shared}]",
        )
        .replace("templates:", "volumes: [{name: shared, persistentVolumeClaim: {claimName: nfs}}]\ntemplates:"),
        &[],
    );
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(
        run.sorted_lines(),
        ["[first] first", "[left] met", "[right] met"]
    );
    assert_eq!(
        run.nodes(&["Pod", "StepGroup", "Steps"]),
        [
            "w Succeeded",
            "w[0] Succeeded",
            "w[0].first Succeeded",
            "w[1] Succeeded",
            "w[1].left Succeeded",
            "w[1].right Succeeded"
        ]
    );
    let status = run.status();
    assert_eq!(status.progress, "3/3");
    let first = status
        .nodes
        .values()
        .find(|node| node.display_name == "first")
        .unwrap();
    let group = status
        .nodes
        .values()
        .find(|node| node.name == "w[1]")
        .unwrap();
    assert_eq!(first.children, std::slice::from_ref(&group.id));
    assert_eq!(first.boundary_id, "w");
    assert!(run.environment.path().join("run/volumes/nfs/left").exists());
    assert!(!Path::new("/shared").exists());
}

#[test]
fn a_dag_runs_what_its_dependencies_allow() {
    let run = Run::of(
        &with_shell(
            "\
- name: main
  dag:
    tasks:
    - {name: ok, template: sh, arguments: {parameters: [{name: script, value: echo ok}]}}
    - {name: bad, template: sh, arguments: {parameters: [{name: script, value: 'echo reason; exit 3'}]}}
    - {name: after-ok, template: sh, dependencies: [ok], arguments: {parameters: [{name: script, value: 'echo {{tasks.ok.status}}'}]}}
    - {name: after-bad, template: sh, dependencies: [bad], arguments: {parameters: [{name: script, value: echo never}]}}
    - {name: cleanup, template: sh, depends: bad.Failed && ok, arguments: {parameters: [{name: script, value: 'echo {{tasks.bad.exitCode}}'}]}}",
        ),
        &[],
    );
    assert_eq!(run.code(), 1);
    assert_eq!(
        run.sorted_lines(),
        [
            "[after-ok] Succeeded",
            "[bad] reason",
            "[cleanup] 3",
            "[ok] ok"
        ]
    );
    assert_eq!(
        run.nodes(&["Pod", "Skipped"]),
        [
            "w.after-bad Omitted",
            "w.after-ok Succeeded",
            "w.bad Failed",
            "w.cleanup Succeeded",
            "w.ok Succeeded"
        ]
    );
    let stderr = run.stderr();
    assert!(
        stderr.contains("bad Failed: Error (exit code 3)"),
        "{stderr}"
    );
    assert!(stderr.contains("| reason"), "{stderr}");
    assert!(
        stderr.contains("run just this step again: run-local --step bad "),
        "{stderr}"
    );
}

#[test]
fn continue_on_lets_the_next_group_run_and_the_workflow_succeed() {
    let run = Run::of(
        &with_shell(
            "\
- name: main
  steps:
  - - {name: bad, template: sh, continueOn: {failed: true}, arguments: {parameters: [{name: script, value: exit 1}]}}
  - - {name: next, template: sh, arguments: {parameters: [{name: script, value: 'echo {{steps.bad.status}}'}]}}",
        ),
        &[],
    );
    assert_eq!((run.code(), run.stdout().as_str()), (0, "[next] Failed\n"));
}

#[test]
fn outputs_results_and_items_reach_later_steps() {
    let run = Run::of(
        &with_shell(
            "\
- name: main
  dag:
    tasks:
    - {name: list, template: sh, arguments: {parameters: [{name: script, value: 'echo noise >&2; echo ''[\"x\", \"y\"]'''}]}}
    - {name: each, template: file, dependencies: [list], withParam: '{{tasks.list.outputs.result}}', arguments: {parameters: [{name: text, value: '{{item}}'}]}}
    - {name: all, template: sh, dependencies: [each], arguments: {parameters: [{name: script, value: 'echo ''{{tasks.each.outputs.parameters.out}}'''}]}}
    - {name: maps, template: sh, withItems: [{a: 1, b: two}], arguments: {parameters: [{name: script, value: 'echo {{item.a}}{{item.b}}'}]}}
    - {name: none, template: sh, dependencies: [maps], when: '{{tasks.maps.status}} == Failed', arguments: {parameters: [{name: script, value: echo never}]}}
- name: file
  inputs: {parameters: [{name: text}]}
  outputs: {parameters: [{name: out, valueFrom: {path: /tmp/out}}]}
  container: {image: b, command: [sh, -c, 'sleep 0.1; echo $0 > /tmp/out', '{{inputs.parameters.text}}!']}",
        ),
        &[],
    );
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert!(
        run.stdout().contains("[all] [\"x!\",\"y!\"]"),
        "{}",
        run.stdout()
    );
    assert!(run.stdout().contains("[maps(0:a:1,b:two)] 1two"));
    assert_eq!(
        run.nodes(&["TaskGroup"]),
        ["w.each Succeeded", "w.maps Succeeded"]
    );
    assert_eq!(run.nodes(&["Skipped"]), ["w.none Skipped"]);
}

#[test]
fn outputs_are_read_wherever_the_step_puts_them() {
    for (path, mount) in [
        ("/own-output", "/mnt/run-local-test"),
        ("/run-local-test/deep/output", "/run-local-test/deep"),
        ("/tmp/output", "/tmp/run-local-test"),
        ("/mnt/run-local-test/output", "/mnt/run-local-test"),
    ] {
        let run = Run::of(
            &format!(
                "\
volumes: [{{name: v, emptyDir: {{}}}}]
templates:
- name: main
  outputs: {{parameters: [{{name: out, valueFrom: {{path: {path}}}}}]}}
  container:
    image: b
    command: [sh, -c, 'echo here > {path}']
    volumeMounts: [{{name: v, mountPath: {mount}}}]"
            ),
            &[],
        );
        assert_eq!(run.code(), 0, "{path}: {}", run.stderr());
        let status = run.status();
        let outputs = status.nodes["w"].outputs.clone().unwrap();
        assert_eq!(
            outputs.parameters[0].value.as_deref(),
            Some("here"),
            "{path}"
        );
        for left in [path, mount] {
            assert!(!Path::new(left).exists(), "{left} is the step's own");
        }
    }
}

#[test]
fn retries_stop_at_the_limit_and_obey_the_expression() {
    let run = Run::of(
        "\
volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]
templates:
- name: main
  dag:
    tasks:
    - {name: flaky, template: third}
    - {name: hopeless, template: exits, arguments: {parameters: [{name: code, value: '1'}]}}
    - {name: transient, template: exits, arguments: {parameters: [{name: code, value: '75'}]}}
- name: third
  retryStrategy: {limit: 5, backoff: {duration: '0', factor: 2}}
  container:
    image: b
    command: [sh, -c, 'echo {{retries}} >> /v/n; test $(wc -l < /v/n) = 3']
    volumeMounts: [{name: v, mountPath: /v}]
- name: exits
  inputs: {parameters: [{name: code}]}
  retryStrategy: {limit: '2', expression: 'lastRetry.exitCode == \"75\"'}
  container: {image: b, command: [sh, -c, 'exit {{inputs.parameters.code}}']}",
        &[],
    );
    assert_eq!(run.code(), 1);
    assert_eq!(run.environment.read("run/volumes/c/n"), "0\n1\n2\n");
    assert_eq!(
        run.nodes(&["Pod", "Retry"]),
        [
            "w.flaky Succeeded",
            "w.flaky(0) Failed",
            "w.flaky(1) Failed",
            "w.flaky(2) Succeeded",
            "w.hopeless Failed",
            "w.hopeless(0) Failed",
            "w.transient Failed",
            "w.transient(0) Failed",
            "w.transient(1) Failed",
            "w.transient(2) Failed"
        ]
    );
    assert!(
        !run.stderr().contains("--step flaky"),
        "a flaky step that succeeded is no failure"
    );
}

#[test]
fn the_exit_handler_runs_after_a_failure_and_knows_it() {
    let run = Run::of(
        &format!(
            "onExit: bye\n{}",
            with_shell(
                "\
- name: main
  steps: [[{name: bad, template: sh, arguments: {parameters: [{name: script, value: exit 4}]}}]]
- name: bye
  container: {image: b, command: [echo, '{{workflow.status}}', '{{workflow.failures}}']}"
            )
        ),
        &[],
    );
    assert_eq!(run.code(), 1);
    assert!(
        run.stdout()
            .starts_with("[onExit] Failed [{\"displayName\":\"bad\"")
    );
}

#[test]
fn deadlines_of_a_step_and_of_the_workflow_are_kept() {
    let step = Run::of(
        "templates:\n- {name: main, activeDeadlineSeconds: 1, container: {image: b, command: [sleep, '100']}}",
        &[],
    );
    assert_eq!(step.code(), 1);
    assert!(step.stderr().contains("longer than the specified deadline"));
    let whole = Run::of(
        "activeDeadlineSeconds: 1\nonExit: bye\ntemplates:\n\
         - {name: main, container: {image: b, command: [sleep, '100']}}\n\
         - {name: bye, container: {image: b, command: [echo, bye]}}",
        &[],
    );
    assert_eq!(
        (whole.code(), whole.stdout().as_str()),
        (124, "[onExit] bye\n")
    );
    assert_eq!(
        whole.status().message,
        "Workflow exceeded its activeDeadlineSeconds"
    );
}

#[test]
fn parallelism_bounds_how_many_steps_run_at_once() {
    let run = Run::of(
        "\
parallelism: 2
volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]
templates:
- name: main
  dag: {tasks: [{name: t, template: one, withSequence: {count: 6}}]}
- name: one
  container:
    image: b
    command: [sh, -c, 'mkdir /v/{{pod.name}}; ls /v | wc -l; sleep 0.2; rmdir /v/{{pod.name}}']
    volumeMounts: [{name: v, mountPath: /v}]",
        &[],
    );
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let most = run.stdout().lines().filter_map(|l| l.chars().last()).max();
    assert_eq!((run.stdout().lines().count(), most), (6, Some('2')));
}

#[test]
fn secrets_are_read_only_folders_and_variables() {
    let environment = TestEnvironment::new();
    environment.write("token/key", "s3cret");
    let spec = "\
volumes: [{name: t, secret: {secretName: token}}, {name: o, configMap: {name: other, optional: true}}]
templates:
- name: main
  container:
    image: b
    command: [sh, -c, 'cat /etc/own/token/key; echo; echo $KEY-$(KEY); touch /etc/own/token/x || echo read-only']
    env: [{name: KEY, valueFrom: {secretKeyRef: {name: token, key: key}}}]
    volumeMounts: [{name: t, mountPath: /etc/own/token, readOnly: true}, {name: o, mountPath: /opt/o}]";
    let run = Run::in_environment(environment, spec, &["--secret", "token=token"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert!(
        run.stdout().starts_with("[w] s3cret\n[w] s3cret-s3cret\n"),
        "{}",
        run.stdout()
    );
    assert!(run.stdout().ends_with("[w] read-only\n"));
    let missing = Run::of(spec, &[]);
    assert_eq!(missing.code(), 2);
    assert!(
        missing
            .stderr()
            .contains("give its folder by --secret token=DIR")
    );
    assert!(
        !missing.environment.path().join("run").exists(),
        "nothing half-written"
    );
}

#[test]
fn where_no_namespace_is_allowed_paths_are_rewritten() {
    let environment = TestEnvironment::new();
    environment.write(
        "w.yaml",
        manifest(
            "\
volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]
templates:
- name: main
  steps:
  - - {name: write, template: write}
  - - {name: read, template: read, arguments: {parameters: [{name: number, value: '{{steps.write.outputs.parameters.number}}'}]}}
- name: write
  outputs: {parameters: [{name: number, valueFrom: {path: /tmp/run-local-test-n}}]}
  script:
    image: b
    command: [sh, -e]
    source: 'echo data > /mnt/data/f; echo 7 > /tmp/run-local-test-n'
    volumeMounts: [{name: v, mountPath: /mnt/data}]
- name: read
  inputs: {parameters: [{name: number}]}
  container:
    image: b
    command: [sh, -c, 'cat \"$FILE\"; cat f; echo {{inputs.parameters.number}}']
    env: [{name: FILE, value: /mnt/data/f}]
    workingDir: /mnt/data
    volumeMounts: [{name: v, mountPath: /mnt/data}]",
        ),
    );
    // A kernel that allows none, as far as this process can tell.
    let forbid = "echo 0 > /proc/sys/user/max_mnt_namespaces && \
                  echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let output = environment
        .command(Path::new("unshare"))
        .args(["-Ur", "sh", "-c", forbid, "sh"])
        .arg(binary("run-local"))
        .args(["w.yaml", "--run-dir", "run"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "[read] data\n[read] data\n[read] 7\n");
    assert!(text(&output.stderr).contains("no private mount namespace here"));
    assert!(!Path::new("/tmp/run-local-test-n").exists());
}

#[test]
fn one_step_runs_again_with_the_inputs_that_it_had() {
    let first = Run::of(
        &with_shell(
            "\
- name: main
  steps:
  - - {name: make, template: sh, arguments: {parameters: [{name: script, value: echo made}]}}
  - - {name: use, template: sh, arguments: {parameters: [{name: script, value: 'echo {{steps.make.outputs.result}}'}]}}",
        ),
        &[],
    );
    assert_eq!(first.code(), 0, "{}", first.stderr());
    let again = |manifest: &str, step: &str| {
        let mut command = first.environment.bin("run-local");
        command
            .args(["--step", step, manifest, "--run-dir", "run"])
            .output()
            .unwrap()
    };
    let used = again("run/workflow.yaml", "use");
    assert_eq!(text(&used.stdout), "[use] made\n");
    let unknown = again("w.yaml", "use");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("the input \"script\" comes from another step"));
    let missing = again("w.yaml", "nothing");
    assert!(text(&missing.stderr).contains("steps of this workflow: make, use"));
    assert_eq!(
        first.status().phase.to_string(),
        "Succeeded",
        "the run's status is left alone"
    );
}

#[test]
fn a_second_run_keeps_the_volumes_and_nothing_else() {
    let spec = "\
volumes: [{name: kept, persistentVolumeClaim: {claimName: c}}, {name: new, emptyDir: {}}]
templates:
- name: main
  container:
    image: b
    command: [sh, -c, 'echo x >> /kept/f; echo x >> /new/f; echo x >> /tmp/f; echo x >> f; cat /kept/f /new/f /tmp/f f | wc -l']
    volumeMounts: [{name: kept, mountPath: /kept}, {name: new, mountPath: /new}]";
    let first = Run::of(spec, &[]);
    assert_eq!(first.stdout(), "[w] 4\n", "{}", first.stderr());
    let second = Run::in_environment(first.environment, spec, &[]);
    assert_eq!(second.stdout(), "[w] 5\n");
}

#[test]
fn a_dry_run_prints_the_plan_and_starts_nothing() {
    let run = Run::of(
        &with_shell(
            "\
- name: main
  dag:
    tasks:
    - {name: a, template: sh, arguments: {parameters: [{name: script, value: echo}]}}
    - {name: b, template: c, dependencies: [a]}
- {name: c, container: {image: b, command: [echo, it's], resources: {requests: {cpu: 1}}}}",
        ),
        &["--dry-run"],
    );
    insta::assert_snapshot!(run.environment.snapshot(&run.output), @"
    status: 0
    ----- stdout
    workflow w (w.yaml)
    run folder [ROOT]/run
    status [ROOT]/run/workflow.yaml
    entrypoint main
      a
        $ sh -e SCRIPT
      b after a
        $ echo \"it's\"
    not applied on this machine: image, resources
    ----- stderr
    ");
    assert!(!run.environment.path().join("run").exists());
}

#[test]
fn mistakes_name_file_line_template_and_field() {
    let leaf = "- {name: main, container: {image: b, command: [echo]}}";
    for (spec, expected) in [
        ("templates: [", "w.yaml:7: unclosed bracket"),
        (
            "templates:\n- {name: other, container: {command: [a]}}",
            "w.yaml:6: spec: there is no template \"main\"",
        ),
        (
            "templates:\n- name: main\n  container:\n    command: [a]\n    lifecycle: {preStop: {exec: {command: [b]}}}",
            "w.yaml:11: template \"main\": run-local does not support the field \"container.lifecycle\"",
        ),
        (
            "templates:\n- name: main\n  dag:\n    tasks:\n    - {name: a, template: main, dependencies: [b]}\n    - {name: b, template: main, dependencies: [a]}",
            "w.yaml:10: template \"main\": tasks wait for one another in a circle: a -> b -> a",
        ),
        (
            "templates:\n- name: main\n  steps:\n  - - {name: a, template: nowhere}",
            "w.yaml:10: template \"main\": step \"a\": there is no template \"nowhere\"",
        ),
        (
            "templates:\n- name: main\n  container:\n    command: [echo, '{{inputs.parameters.x}}']",
            "w.yaml:10: template \"main\": failed to resolve {{inputs.parameters.x}}",
        ),
        (
            "templates:\n- {name: main, container: {image: b}}",
            "there is no command",
        ),
        (
            "templates:\n- {name: n, container: {command: [a]}}",
            "put it into quotes",
        ),
        (
            "templates:\n- {name: main, suspend: {}}",
            "runs templates with one of container, script, steps and dag",
        ),
        (
            "templates:\n- {name: main, container: {command: [yes]}}",
            "an item of command is not a string\n    n, y, no, yes",
        ),
        (
            "activeDeadlineSeconds: 10m\ntemplates: []",
            "w.yaml:7: spec: activeDeadlineSeconds: \"10m\" is not a number of seconds",
        ),
        (
            "templates:\n- {name: main, daemon: true, container: {command: [a]}}",
            "run-local does not support the field \"daemon\"",
        ),
        (
            "hooks: {exit: {template: main}}\ntemplates: []",
            "run-local does not support the field \"spec.hooks\"",
        ),
        (
            "arguments: {parameters: [{name: p}]}\ntemplates: []",
            "the parameter \"p\" has no value",
        ),
        (
            "volumes: [{name: v, persistentVolumeClaim: {claimName: ../x}}]\ntemplates: []",
            "w.yaml:7",
        ),
    ] {
        let run = Run::of(spec, &[]);
        assert_eq!(run.code(), 2, "{spec}\n{}", run.stderr());
        assert!(run.stderr().contains(expected), "{spec}\n{}", run.stderr());
        assert!(
            !run.environment.path().join("run").exists(),
            "nothing half-written: {spec}"
        );
    }
    let unknown = Run::of(&format!("templates:\n{leaf}"), &["-p", "x=1"]);
    assert_eq!(unknown.code(), 2);
    assert!(
        unknown
            .stderr()
            .contains("declares no parameter of this name")
    );
}

#[test]
fn a_command_that_does_not_exist_fails_its_step_and_says_so() {
    let run = Run::of(
        "templates:\n- {name: main, container: {image: b, command: [no-such]}}",
        &[],
    );
    assert_eq!(run.code(), 1);
    assert!(
        run.stdout()
            .contains("run-local: run no-such: No such file"),
        "{}",
        run.stdout()
    );
    assert!(run.stderr().contains("Error (exit code 127)"));
}

#[test]
fn hostile_values_stay_values() {
    let run = Run::of(
        "\
arguments: {parameters: [{name: p, value: 'x'}]}
templates:
- name: main
  container: {image: b, command: [printf, '%s\\n', '{{workflow.parameters.p}}']}",
        &["-p", "p=$(touch pwned); {{workflow.name}} --version"],
    );
    assert_eq!(
        run.stdout(),
        "[w] $(touch pwned); {{workflow.name}} --version\n"
    );
}

/// Starts a workflow whose only step prints its process id and then ignores SIGTERM.
fn start_stubborn(environment: &TestEnvironment) -> (Running, u32) {
    environment.write(
        "w.yaml",
        manifest(
            "\
onExit: bye
volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]
templates:
- name: main
  container:
    image: b
    command: [sh, -c, 'trap \"\" TERM; setsid sleep 1000 & echo $! $$$$ > /v/new; mv /v/new /v/pids; while :; do sleep 0.1; done']
    volumeMounts: [{name: v, mountPath: /v}]
- name: bye
  container: {image: b, command: [sh, -c, 'echo bye > /v/bye'], volumeMounts: [{name: v, mountPath: /v}]}",
        ),
    );
    let child = Running::start(
        environment
            .command(&binary("run-local"))
            .args(["w.yaml", "--run-dir", "run", "--grace-period", "1s"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null()),
    );
    let pids = environment.path().join("run/volumes/c/pids");
    wait_until("the step runs", || pids.exists());
    let fled = std::fs::read_to_string(pids)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    (child, fled)
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .args([name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn sigterm_ends_the_steps_runs_the_exit_handler_and_leaves_nothing() {
    let environment = TestEnvironment::new();
    let (mut child, fled) = start_stubborn(&environment);
    signal("-TERM", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(environment.read("run/volumes/c/bye"), "bye\n");
    wait_until("the process that fled is gone", || !is_running(fled));
    let status = environment.read("run/workflow.yaml");
    assert!(status.contains("Stopped with strategy"), "{status}");
}

#[test]
fn hang_ups_ask_but_do_not_insist() {
    let environment = TestEnvironment::new();
    let (mut child, fled) = start_stubborn(&environment);
    for _ in 0..3 {
        signal("-HUP", child.id());
    }
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(environment.read("run/volumes/c/bye"), "bye\n");
    assert!(!is_running(fled));
}

#[test]
fn a_second_signal_cuts_the_grace_short() {
    let environment = TestEnvironment::new();
    environment.write(
        "w.yaml",
        manifest("templates:\n- {name: main, container: {image: b, command: [sh, -c, 'trap \"\" INT; echo up; while :; do sleep 0.1; done']}}"),
    );
    let mut child = Running::start(
        environment
            .command(&binary("run-local"))
            .args(["w.yaml", "--run-dir", "run", "--grace-period", "1h"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null()),
    );
    let log = environment.path().join("run/steps/w/log.txt");
    wait_until("the step runs", || {
        std::fs::read_to_string(&log).is_ok_and(|log| !log.is_empty())
    });
    signal("-INT", child.id());
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(
        child.try_wait().unwrap().is_none(),
        "one signal leaves the grace time"
    );
    signal("-INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn killed_itself_it_takes_its_step_along() {
    let environment = TestEnvironment::new();
    let (mut child, fled) = start_stubborn(&environment);
    let pids = environment.read("run/volumes/c/pids");
    let step = pids.trim().split(' ').nth(1).unwrap().parse().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the step is gone", || !is_running(step));
    signal("-KILL", fled);
}
