//! The command line: help, single steps, second runs, dry runs, and mistakes.

use e2e::{TestEnvironment, text};

use crate::support::{Run, with_shell};

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
