//! Bugs that run-local once had, each by its cause; those about files are in a file of their own.
use crate::support::{Run, manifest};
use e2e::{Running, TestEnvironment, binary, text, wait_until};

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
        stderr.contains("odd could not be run: when \"(\""),
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
fn a_reader_who_does_not_read_on_does_not_hold_up_the_end() {
    let environment = TestEnvironment::new();
    environment.write(
        "w.yaml",
        manifest("templates:\n- {name: main, container: {command: ['yes']}}"),
    );
    let mut child = Running::start(
        environment
            .command(&binary("run-local"))
            .args(["w.yaml", "--run-dir", "run", "--grace-period", "1s"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null()),
    );
    let log = environment.path().join("run/steps/w/log.txt");
    // The pipe is full when the log has stopped to grow.
    let (mut length, mut same) = (0, 0);
    wait_until("run-local waits for its reader", || {
        let now = std::fs::metadata(&log).map_or(0, |log| log.len());
        same = if now > 0 && now == length {
            same + 1
        } else {
            0
        };
        length = now;
        same > 10
    });
    let terminate = ["-TERM".to_owned(), child.id().to_string()];
    std::process::Command::new("kill")
        .args(terminate)
        .status()
        .unwrap();
    wait_until("it has ended", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(143));
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

#[test]
fn a_loop_runs_again_by_one_of_its_items() {
    let run = Run::of(
        "\
templates:
- name: main
  steps: [[{name: each, template: x, withItems: [a, b], arguments: {parameters: [{name: c, value: '{{item}}'}]}}]]
- {name: x, inputs: {parameters: [{name: c}]}, container: {command: [echo, '{{inputs.parameters.c}}']}}",
        &[],
    );
    let again = |step: &str| {
        let mut command = run.environment.bin("run-local");
        command.args(["--step", step, "run/workflow.yaml", "--run-dir", "run"]);
        command.output().unwrap()
    };
    let whole = again("each");
    assert_eq!(whole.status.code(), Some(2));
    let stderr = text(&whole.stderr);
    assert!(
        stderr.contains("each(0:a)") && stderr.contains("each(1:b)"),
        "{stderr}"
    );
    assert_eq!(text(&again("each(1:b)").stdout), "[each(1:b)] b\n");
}
