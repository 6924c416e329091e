//! Whole workflows: what runs when, and what reaches what.

use std::path::Path;

use e2e::{TestEnvironment, binary, text};

use crate::support::{Run, manifest, with_shell};

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
