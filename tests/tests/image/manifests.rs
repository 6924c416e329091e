//! What manifests/ has run in the image, with the rights that it gives and no others.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use e2e::{TestEnvironment, top};
use serde_json::Value;

use crate::docker::{Container, docker, image, succeed};

/// An object of manifests/.
fn object(path: &str) -> Value {
    let text = fs::read_to_string(top().join("manifests").join(path)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

fn strings(list: &Value) -> Vec<&str> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect()
}

/// Docker's flags for the container of a pod, and its command.
fn container(pod: &Value) -> (Vec<String>, Vec<&str>) {
    let container = &pod["containers"][0];
    assert_eq!(container["image"], "ghcr.io/test-worker/test-worker");
    let context = &container["securityContext"];
    let of_pod = &pod["securityContext"];
    let user = context["runAsUser"]
        .as_u64()
        .or_else(|| of_pod["runAsUser"].as_u64());
    let mut flags = vec![format!("--user={}", user.unwrap())];
    if context["readOnlyRootFilesystem"] == true {
        flags.push("--read-only".to_owned());
    }
    if context["allowPrivilegeEscalation"] == false {
        flags.push("--security-opt=no-new-privileges".to_owned());
    }
    for (flag, list) in [("--cap-drop", "drop"), ("--cap-add", "add")] {
        let names = strings(&context["capabilities"][list]);
        flags.extend(names.iter().map(|name| format!("{flag}={name}")));
    }
    let words = [strings(&container["command"]), strings(&container["args"])];
    (flags, words.concat())
}

/// A folder of this test as the volume of runs, as a node or a server has it.
fn volume(test: &TestEnvironment) -> String {
    let folder = test.path().join("runs");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
    format!(
        "--mount=type=bind,source={},target=/mnt/test-data-volume",
        folder.display()
    )
}

#[test]
fn prune_runs_may_remove_what_any_user_left() {
    let test = TestEnvironment::new();
    let volume = volume(&test);
    let steps = "umask 077; cd /mnt/test-data-volume; \
                 for run in old new; do mkdir -p $run/src/o/r $run/outputs; echo x >$run/src/o/r/file; done; \
                 find old -depth -exec touch --date='9 days ago' {} +";
    let as_a_step = ["run", "--rm", "--user=4321:4321", &volume, &image()];
    succeed(&[&as_a_step[..], &["sh", "-c", steps]].concat());
    let job = object("base/prune-runs.yaml");
    let (flags, words) = container(&job["spec"]["jobTemplate"]["spec"]["template"]["spec"]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let run = ["run", "--rm", &volume];
    let rights = succeed(
        &[
            &run[..],
            &flags,
            &[&image(), "grep", "CapEff", "/proc/self/status"],
        ]
        .concat(),
    );
    // CAP_DAC_OVERRIDE and CAP_FOWNER, of which the second one is for the sticky bit.
    assert!(rights.ends_with("000000000000000a"), "{rights}");
    succeed(&[&run[..], &flags, &[&image()], &words].concat());
    let runs = test.path().join("runs");
    assert!(!runs.join("old").exists() && runs.join("new/src/o/r").is_dir());
}

#[test]
fn the_debug_worker_waits_and_has_what_a_step_has() {
    let test = TestEnvironment::new();
    let worker = object("base/debug-worker.yaml");
    let (flags, words) = container(&worker["spec"]["template"]["spec"]);
    let volume = volume(&test);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let run = ["run", "--detach", "--tmpfs=/tmp", &volume];
    let worker = Container(succeed(&[&run[..], &flags, &[&image()], &words].concat()));
    let look = "id -u; cd /mnt/test-data-volume && touch mine && checkout --version && python3 -c 'import yaml'";
    let seen = docker(&["exec", &worker.0, "bash", "-c", look]);
    assert!(seen.status.success(), "{seen:?}");
    assert!(String::from_utf8_lossy(&seen.stdout).starts_with("65532\ncheckout "));
    assert!(test.path().join("runs/mine").is_file());
}
