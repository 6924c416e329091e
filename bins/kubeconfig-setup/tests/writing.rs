//! The file: merged, whole at any time, its owner's alone, and without secrets.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute only, not their helpers"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use e2e::{Running, TestEnvironment, text};
use serde_json::{Value, json};
use support::{Google, command, yaml, zonal};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// `get` of a server with a token.
fn given(environment: &TestEnvironment, host: &str, kubeconfig: &Path) -> Command {
    if !environment.path().join("token").exists() {
        environment.write("token", "SECRET");
    }
    let mut command = command(environment);
    command
        .args(["get", "--token-file=token", "--kubeconfig"])
        .arg(kubeconfig)
        .arg(format!("--server=https://{host}"));
    command
}

fn contexts(kubeconfig: &Path) -> Vec<String> {
    let config = yaml(kubeconfig);
    let contexts = config["contexts"].as_array().unwrap().iter();
    let mut names: Vec<String> = contexts
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn ten_steps_that_write_at_once_all_are_in_the_file() {
    let environment = TestEnvironment::new();
    let kubeconfig = environment.path().join("run/.kube/config");
    let mut writers = Vec::new();
    for number in 0..10 {
        let mut command = given(&environment, &format!("h{number}"), &kubeconfig);
        writers.push(Running::start(command.stderr(Stdio::piped())));
    }
    // Whoever reads meanwhile sees a whole file.
    let mut reads = 0;
    while writers
        .iter_mut()
        .any(|writer| writer.try_wait().unwrap().is_none())
    {
        if kubeconfig.exists() {
            assert!(yaml(&kubeconfig)["current-context"].is_string());
            reads += 1;
        }
    }
    assert!(reads > 0);
    for writer in writers {
        let output = writer.wait_with_output();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let expected: Vec<String> = (0..10).map(|number| format!("h{number}")).collect();
    assert_eq!(contexts(&kubeconfig), expected);
    assert_eq!(mode(&kubeconfig), 0o600);
    // Nothing is left but the file and the lock that stays.
    let folder = std::fs::read_dir(kubeconfig.parent().unwrap()).unwrap();
    let mut left: Vec<_> = folder.map(|it| it.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".config.flock", "config"]);
}

#[test]
fn writers_that_are_killed_leave_a_whole_file_and_hold_nobody_up() {
    let environment = TestEnvironment::new();
    let kubeconfig = environment.path().join("config");
    assert!(
        given(&environment, "first", &kubeconfig)
            .status()
            .unwrap()
            .success()
    );
    for number in 0_u64..30 {
        let mut command = given(&environment, &format!("k{number}"), &kubeconfig);
        let mut running = Running::start(command.stderr(Stdio::null()));
        std::thread::sleep(std::time::Duration::from_micros(number * 700));
        let _ = running.kill();
        let _ = running.wait();
        assert!(contexts(&kubeconfig).contains(&"first".to_owned()));
    }
    assert!(
        given(&environment, "last", &kubeconfig)
            .status()
            .unwrap()
            .success()
    );
    assert!(contexts(&kubeconfig).contains(&"last".to_owned()));
}

#[test]
fn kubectl_is_waited_for_and_what_a_dead_writer_left_is_not() {
    let environment = TestEnvironment::new();
    let kubeconfig = environment.path().join("config");
    // The file that kubectl makes while it writes.
    let lock = environment.write("config.lock", "");
    let mut command = given(&environment, "h", &kubeconfig);
    let output = command.arg("--timeout=300ms").output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("config.lock is held by another process"));
    let mut waits = Running::start(given(&environment, "h", &kubeconfig).stderr(Stdio::null()));
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(waits.try_wait().unwrap().is_none());
    std::fs::remove_file(&lock).unwrap();
    assert!(waits.wait().unwrap().success());
    environment.write("config.lock", "kubeconfig-setup\n");
    assert!(
        given(&environment, "h2", &kubeconfig)
            .status()
            .unwrap()
            .success()
    );
    assert!(!lock.exists());
}

#[test]
fn what_was_there_stays_and_a_link_stays_a_link() {
    let environment = TestEnvironment::new();
    let own = environment.write(
        "real/config",
        "apiVersion: v1\nkind: Config\nx-own: {deep: [1, 'true']}\ncurrent-context: mine\n\
         contexts:\n- name: mine\n  context: {cluster: c, user: u, namespace: 'n'}\n",
    );
    std::fs::set_permissions(&own, PermissionsExt::from_mode(0o644)).unwrap();
    let link = environment.path().join("link");
    std::os::unix::fs::symlink(&own, &link).unwrap();
    let mut command = given(&environment, "h:6443", &link);
    assert!(command.arg("--namespace=ci").status().unwrap().success());
    assert!(link.is_symlink());
    let config = yaml(&own);
    assert_eq!(config["x-own"], json!({"deep": [1, "true"]}));
    assert_eq!(config["contexts"][0]["context"]["namespace"], "n");
    assert_eq!(config["contexts"][1]["name"], "h_6443");
    assert_eq!(config["contexts"][1]["context"]["namespace"], "ci");
    assert_eq!(config["current-context"], "h_6443");
    assert_eq!(mode(&own), 0o600);
    assert!(!environment.read("real/config").contains("SECRET"));
}

#[test]
fn what_is_no_kubeconfig_stays_as_it_is() {
    let environment = TestEnvironment::new();
    for content in ["- a\n", "a: [\n", "users: {a: 1}\n", "text"] {
        let kubeconfig = environment.write("config", content);
        let output = given(&environment, "h", &kubeconfig).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{content:?}");
        assert_eq!(environment.read("config"), content);
    }
    let folder = environment.path().to_owned();
    assert!(
        !given(&environment, "h", &folder)
            .status()
            .unwrap()
            .success()
    );
    let output = given(&environment, "h", Path::new("/dev/null"))
        .output()
        .unwrap();
    assert!(!output.status.success());
}

#[test]
fn the_file_is_where_the_variables_say_and_a_persons_own_is_not_touched() {
    let environment = TestEnvironment::new();
    let google = Google::with(vec![zonal("c")]);
    let get = |variables: &[(&str, &str)]| {
        let mut command = google.command(&environment);
        command.args([
            "get",
            "--project=p-1",
            "--zone=us-central1-a",
            "--cluster=c",
        ]);
        command.envs(variables.iter().copied()).output().unwrap()
    };
    let root = environment.path();
    let path = |name: &str| root.join(name).display().to_string();
    let both = format!("{}:{}", path("first"), path("second"));
    assert!(
        get(&[("KUBECONFIG", &both), ("KUBE_CONFIG", "third")])
            .status
            .success()
    );
    assert!(root.join("first").exists() && !root.join("second").exists());
    assert!(get(&[("KUBE_CONFIG", "third")]).status.success());
    assert!(root.join("third").exists());
    assert!(get(&[("SRC_DIR", &path("run/src"))]).status.success());
    assert!(root.join("run/.kube/config").exists());
    let output = get(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--kubeconfig"));
    assert!(!root.join("home/.kube").exists());
}

#[test]
fn one_context_of_another_file_comes_without_its_secrets() {
    let environment = TestEnvironment::new();
    environment.write(
        "other/config",
        "clusters:\n- name: kind\n  cluster: {server: 'https://127.0.0.1:1', certificate-authority: ca.crt}\n\
         contexts:\n- name: kind-ci\n  context: {cluster: kind, user: admin}\n\
         - name: unused\n  context: {cluster: kind, user: admin}\ncurrent-context: unused\n\
         users:\n- name: admin\n  user: {client-certificate-data: QQ==, client-key-data: U0VDUkVU}\n",
    );
    let mut command = command(&environment);
    command.args(["get", "--from-kubeconfig=other/config", "--context=kind-ci"]);
    let output = command
        .args(["--kubeconfig=k", "--output=json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let written: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(written["context"], "kind-ci");
    assert_eq!(written["server"], "https://127.0.0.1:1");
    let kubeconfig = environment.path().join("k");
    assert_eq!(contexts(&kubeconfig), ["kind-ci"]);
    assert!(!environment.read("k").contains("U0VDUkVU"));
    let config = yaml(&kubeconfig);
    let authority = environment
        .path()
        .join("other/ca.crt")
        .display()
        .to_string();
    assert_eq!(
        config["clusters"][0]["cluster"]["certificate-authority"],
        authority
    );
    // And the plugin finds the secret again.
    let exec = &config["users"][0]["user"]["exec"];
    let args = exec["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap());
    let program = Path::new(exec["command"].as_str().unwrap());
    let output = environment.command(program).args(args).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["status"]["clientKeyData"], "SECRET");
}
