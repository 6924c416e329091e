//! Steps as containers: what they see, how they end, and what is left of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::workflow::Phase;
use e2e::{Running, text, wait_until};

use crate::docker::{docker, image, succeed};
use crate::runtime::Run;

#[test]
fn a_step_has_the_mounts_variables_user_and_folder_of_its_pod() {
    let run = Run::new(
        r#"
  securityContext: {runAsUser: 4321, fsGroup: 777}
  volumes:
    - name: data
      persistentVolumeClaim: {claimName: nfs-external}
    - name: token
      secret: {secretName: token}
    - name: scratch
      emptyDir: {}
  templates:
    - name: main
      container:
        image: IMAGE
        command: [sh, -ec]
        args:
          - |
            id -u; id -G; pwd; hostname | cut -c1-2
            echo "$PLAIN|$LINES|$KEY|${HOST_VARIABLE-unset}|${PASSED-unset}"
            cat /secret/key; echo
            touch /data/kept /scratch/mine; touch /data/sub/x
            touch /read-only/x 2>/dev/null || echo kept
        workingDir: /data/{{workflow.name}}/src
        env:
          - {name: PLAIN, value: "a b'c\"d $ ` \\ é"}
          - {name: LINES, value: "one\ntwo"}
          - {name: KEY, valueFrom: {secretKeyRef: {name: token, key: key}}}
        volumeMounts:
          - {name: data, mountPath: /data}
          - {name: data, mountPath: /data/sub, subPath: deep/er}
          - {name: data, mountPath: /read-only, readOnly: true}
          - {name: token, mountPath: /secret}
          - {name: scratch, mountPath: /scratch}
"#,
    );
    let key = run.test.write("token/key", "s3cret");
    // A person's secret is nobody else's to read.
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = run.command(&["--secret=token=token", "--pass-env=PASSED"]);
    let output = command
        .env("HOST_VARIABLE", "x")
        .env("PASSED", "y")
        .output()
        .unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let log = run.log("w");
    let expected = "4321\n0 777\n/data/w/src\nw\n\
                    a b'c\"d $ ` \\ é|one\ntwo|s3cret|unset|y\ns3cret\nkept\n";
    assert_eq!(log, expected);
    let volume = run.folder().join("volumes/nfs-external");
    assert!(volume.join("kept").is_file() && volume.join("deep/er/x").is_file());
    assert!(
        !said.contains("not applied on this machine: image"),
        "{said}"
    );
    assert_eq!(run.containers(), [""; 0]);
}

#[test]
fn init_containers_bring_the_programs_to_a_step_of_another_image() {
    let run = Run::new(&format!(
        r"
  volumes: [{{name: tools, emptyDir: {{}}}}]
  templates:
    - name: main
      initContainers:
        - name: tools
          image: {}
          command: [tools, install, /tools]
          mirrorVolumeMounts: true
      container:
        image: IMAGE
        command: [/tools/run-tests, --junit=/tmp/junit.xml, --, echo, the step ran]
        volumeMounts: [{{name: tools, mountPath: /tools}}]
",
        crate::docker::tools_image()
    ));
    let said = run.succeed(&[]);
    assert!(said.contains("the step ran"), "{said}");
    assert_eq!(run.containers(), [""; 0]);
}

#[test]
fn outputs_results_and_scripts_are_as_in_a_cluster() {
    let run = Run::new(
        r#"
  templates:
    - name: main
      steps:
        - - {name: make, template: make}
        - - name: use
            template: use
            arguments: {parameters: [{name: x, value: "{{steps.make.outputs.result}}/{{steps.make.outputs.parameters.p}}/{{steps.make.outputs.parameters.missing}}"}]}
    - name: make
      outputs:
        parameters:
          - {name: p, valueFrom: {path: /tmp/deep/p}}
          - {name: missing, valueFrom: {path: /tmp/none, default: none}}
      script:
        image: IMAGE
        command: [python3]
        source: |
          import os, sys
          os.makedirs("/tmp/deep")
          open("/tmp/real", "w").write("from a file\n")
          os.symlink("/tmp/real", "/tmp/deep/p")
          print("not the result", file=sys.stderr)
          print("the result")
    - name: use
      inputs: {parameters: [{name: x}]}
      container: {image: IMAGE, command: [echo], args: ["{{inputs.parameters.x}}"]}
"#,
    );
    let said = run.succeed(&[]);
    assert!(
        said.contains("[use] the result/from a file/none\n"),
        "{said}"
    );
}

#[test]
fn a_step_ends_with_the_exit_code_of_its_own_command() {
    for (script, code, message) in [
        ("exit 125", "125", "Error (exit code 125)"),
        // The first process of a container cannot kill itself. Two dollars are one to Kubernetes.
        (
            "sh -c 'kill -9 $$$$'; exit $?",
            "137",
            "Error (exit code 137)",
        ),
    ] {
        let run = Run::new(&format!(
            "  templates:\n    - name: main\n      container: {{image: IMAGE, command: [sh, -c], args: [\"{script}\"]}}\n"
        ));
        let output = run.run(&[]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let pod = run.pod();
        assert_eq!(pod.message, message);
        assert_eq!(pod.outputs.unwrap().exit_code.as_deref(), Some(code));
    }
}

#[test]
fn what_cannot_start_is_an_error_that_says_why() {
    for (container, why) in [
        (
            "{image: IMAGE, command: [no-such-program]}",
            "no-such-program",
        ),
        (
            "{image: 'test-worker/nowhere:v1', imagePullPolicy: Never, command: ['true']}",
            "is not on this machine, and imagePullPolicy is Never",
        ),
        (
            "{image: '--privileged', command: ['true']}",
            "is not an image's name",
        ),
        (
            "{image: IMAGE, command: ['true'], securityContext: {runAsUser: 0, runAsNonRoot: true}}",
            "would run as root",
        ),
    ] {
        let run = Run::new(&format!(
            "  templates:\n    - name: main\n      container: {container}\n"
        ));
        let output = run.run(&[]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(run.pod().phase, Phase::Error);
        assert!(said.contains(why), "{said}");
        assert_eq!(run.containers(), [""; 0]);
    }
}

#[test]
fn a_manifest_that_no_container_can_be_made_of_starts_nothing() {
    for (container, why) in [
        ("{command: ['true']}", "there is no image"),
        (
            "{image: i, command: ['true'], securityContext: {privileged: true}}",
            "gives no container the whole machine",
        ),
    ] {
        let run = Run::new(&format!(
            "  templates:\n    - name: main\n      container: {container}\n"
        ));
        let output = run.run(&[]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(
            text(&output.stderr).contains(why),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn words_of_the_manifest_reach_no_shell_and_no_option() {
    let run = Run::new(
        r"
  templates:
    - name: main
      container:
        image: IMAGE
        command: [printf]
        args: ['%s\n', '--volume=/:/host', '$(touch /tmp/x)', '; touch /tmp/y', '--', '-it']
",
    );
    run.succeed(&[]);
    let expected = "--volume=/:/host\n$(touch /tmp/x)\n; touch /tmp/y\n--\n-it\n";
    assert_eq!(run.log("w"), expected);
}

#[test]
fn the_images_own_command_runs_where_the_manifest_has_none() {
    let run = Run::new(
        "  templates:\n    - name: main\n      container: {image: IMAGE, args: [echo, own]}\n",
    );
    assert!(run.succeed(&[]).contains("[w] own\n"));
}

const WAITS: &str = r#"
  templates:
    - name: main
      container:
        image: IMAGE
        command: [sh, -c]
        args: ["trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.1; done"]
"#;

fn started(run: &Run, command: &mut std::process::Command) -> Running {
    let log = run.test.path().join("run/steps/w/log.txt");
    let running = Running::start(
        command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped()),
    );
    wait_until("the step runs", || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains("ready"))
    });
    running
}

#[test]
fn a_signal_reaches_the_step_and_leaves_nothing() {
    let run = Run::new(WAITS);
    let running = started(&run, &mut run.command(&[]));
    assert_eq!(run.containers().len(), 1);
    let status = std::process::Command::new("kill")
        .arg(running.id().to_string())
        .status();
    assert!(status.unwrap().success());
    let output = running.wait_with_output();
    assert_eq!(output.status.code(), Some(143), "{}", text(&output.stderr));
    assert!(run.log("w").contains("asked"));
    assert_eq!(run.containers(), [""; 0]);
}

#[test]
fn a_time_limit_ends_a_container_that_does_not_listen() {
    let run = Run::new(
        r#"
  templates:
    - name: main
      activeDeadlineSeconds: 3
      container: {image: IMAGE, command: [sh, -c], args: ["trap '' TERM; echo ready; while :; do sleep 0.1; done"]}
"#,
    );
    let begin = Instant::now();
    let output = run.run(&["--grace-period=1s"]);
    assert!(begin.elapsed() < Duration::from_secs(40));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        run.pod()
            .message
            .contains("longer than the specified deadline")
    );
    assert_eq!(run.containers(), [""; 0]);
}

#[test]
fn a_killed_run_local_takes_its_containers_along() {
    let run = Run::new(WAITS);
    let mut running = started(&run, &mut run.command(&[]));
    assert_eq!(run.containers().len(), 1);
    running.kill().unwrap();
    drop(running);
    wait_until("the container is gone", || run.containers().is_empty());
}

#[test]
fn what_a_killed_run_left_all_the_same_is_removed_by_the_next() {
    let run = Run::new(
        "  templates:\n    - name: main\n      container: {image: IMAGE, command: ['true']}\n",
    );
    run.succeed(&[]);
    let label = format!("--label={}", run.label());
    let left = succeed(&["run", "--detach", &label, &image(), "sleep", "3600"]);
    assert_eq!(run.containers().len(), 1);
    let other = succeed(&["run", "--detach", "--rm", &image(), "sleep", "3600"]);
    run.succeed(&[]);
    assert_eq!(run.containers(), [""; 0]);
    assert!(!docker(&["inspect", &left]).status.success());
    // Nobody else's containers are touched.
    assert_eq!(
        succeed(&["inspect", "--format={{.State.Running}}", &other]),
        "true"
    );
    docker(&["rm", "--force", &other]);
}

#[test]
fn the_command_that_is_printed_does_the_same_in_a_shell() {
    let run = Run::new(
        r#"
  arguments: {parameters: [{name: who, value: nobody}]}
  templates:
    - name: main
      steps: [[{name: greet, template: greet, arguments: {parameters: [{name: who, value: "{{workflow.parameters.who}}"}]}}]]
    - name: greet
      inputs: {parameters: [{name: who}]}
      container: {image: IMAGE, command: [sh, -c], args: ["echo hello {{inputs.parameters.who}} from $(hostname | cut -c1-2); exit 9"]}
"#,
    );
    let output = run.run(&["-p", "who=two words"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let again = said
        .lines()
        .find_map(|line| line.split_once("run just this step again: "));
    let again = again.unwrap_or_else(|| panic!("{said}")).1;
    assert!(again.contains("--runtime docker"), "{again}");
    let mut shell = run.test.command(std::path::Path::new("sh"));
    if let Ok(engine) = std::env::var("DOCKER_HOST") {
        shell.env("DOCKER_HOST", engine);
    }
    let bin = e2e::binary("run-local");
    let path = format!(
        "{}:{}",
        bin.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let second = shell
        .env("PATH", path)
        .arg("-c")
        .arg(again)
        .output()
        .unwrap();
    assert_eq!(
        second.status.code(),
        output.status.code(),
        "{}",
        text(&second.stderr)
    );
    let lines = |output: &std::process::Output| text(&output.stdout);
    assert_eq!(lines(&second), lines(&output));
}
