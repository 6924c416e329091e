//! The names of kubeflow/testing's scripts, as existing jobs call them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use e2e::{GitServer, SshServer, TestEnvironment, text};
use serde_json::Value;

use crate::docker::{docker, image, run};

/// A server with o/r: main, and a pull request with a workflow.
struct Repository {
    test: TestEnvironment,
    base: String,
    head: String,
}

impl Repository {
    fn new() -> Self {
        let test = TestEnvironment::new();
        let work = test.path().join("work");
        fs::create_dir(&work).unwrap();
        test.git("work", &["init", "--quiet", "--initial-branch=main"]);
        test.write("work/README", "base\n");
        test.git("work", &["add", "."]);
        test.git("work", &["commit", "--quiet", "--message=base"]);
        let base = test.git("work", &["rev-parse", "HEAD"]);
        test.write(
            "work/prow_config.yaml",
            "workflows:\n  - {name: w, manifest: w.yaml}\n",
        );
        test.write(
            "work/w.yaml",
            "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: w}\nspec:\n  \
             entrypoint: main\n  templates:\n    - name: main\n      container: {image: i, command: \
             [sh, -c, 'echo the step ran as $(id -u)']}\n",
        );
        test.git("work", &["checkout", "--quiet", "-b", "change"]);
        test.git("work", &["add", "."]);
        test.git("work", &["commit", "--quiet", "--message=pull"]);
        let head = test.git("work", &["rev-parse", "HEAD"]);
        test.git(
            "",
            &["clone", "--quiet", "--bare", "work", "served/o/r.git"],
        );
        test.git("served/o/r.git", &["update-ref", "refs/pull/7/head", &head]);
        Repository { test, base, head }
    }

    /// Prow's variables, as flags of docker.
    fn variables(&self, url: &str) -> Vec<String> {
        [
            ("GIT_BASE_URL", url),
            ("JOB_NAME", "j"),
            ("JOB_TYPE", "presubmit"),
            ("BUILD_ID", "9"),
            ("REPO_OWNER", "o"),
            ("REPO_NAME", "r"),
            ("PULL_BASE_REF", "main"),
            ("PULL_BASE_SHA", &self.base),
            ("PULL_NUMBER", "7"),
            ("PULL_PULL_SHA", &self.head),
            ("PULL_REFS", &format!("main:{},7:{}", self.base, self.head)),
        ]
        .map(|(name, value)| format!("--env={name}={value}"))
        .to_vec()
    }

    /// A folder that everybody may write to, as a volume.
    fn volume(&self, name: &str, target: &str) -> String {
        let folder = self.test.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        format!(
            "--mount=type=bind,source={},target={target}",
            folder.display()
        )
    }
}

fn strings(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn a_job_that_names_no_command_checks_out_and_runs_its_workflows() {
    let repository = Repository::new();
    let server = GitServer::start(&repository.test, &repository.test.path().join("served"));
    let mut flags = repository.variables(&server.url());
    flags.push("--network=host".to_owned());
    flags.push("--env=BUCKET=file:///results".to_owned());
    flags.push(repository.volume("results", "/results"));
    flags.push(repository.volume("src", "/src"));
    let output = run(&strings(&flags), &[]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("the step ran as 12345"), "{said}");
    let results = repository
        .test
        .path()
        .join("results/pr-logs/pull/o_r/7/j/9");
    let finished = fs::read_to_string(results.join("finished.json")).unwrap();
    let finished: Value = serde_json::from_str(&finished).unwrap();
    assert_eq!(finished["passed"], true);
    let log = fs::read_to_string(results.join("build-log.txt")).unwrap();
    assert!(
        log.contains("is at ") && log.contains("the step ran"),
        "{log}"
    );
}

#[test]
fn a_checkout_that_fails_is_a_verdict_as_well() {
    let repository = Repository::new();
    let mut flags = repository.variables("git://127.0.0.1:9");
    flags.push("--network=host".to_owned());
    flags.push("--env=BUCKET=file:///results".to_owned());
    flags.push(repository.volume("results", "/results"));
    let output = run(&strings(&flags), &[]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(!output.status.success(), "{said}");
    let results = repository
        .test
        .path()
        .join("results/pr-logs/pull/o_r/7/j/9");
    let finished = fs::read_to_string(results.join("finished.json")).unwrap();
    let finished: Value = serde_json::from_str(&finished).unwrap();
    assert_eq!(finished["passed"], false);
    assert!(said.contains("could not be checked out"), "{said}");
}

#[test]
fn the_scripts_are_called_as_ever() {
    let repository = Repository::new();
    let server = GitServer::start(&repository.test, &repository.test.path().join("served"));
    let mut flags = repository.variables(&server.url());
    flags.push("--network=host".to_owned());
    flags.push(repository.volume("src", "/src"));
    let output = run(&strings(&flags), &["/usr/local/bin/checkout.sh", "/src"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let head = || {
        let git = ["git", "-C", "/src/o/r", "rev-parse", "HEAD"];
        let output = run(&strings(&flags), &git);
        text(&output.stdout).trim().to_owned()
    };
    assert_eq!(head(), repository.head);
    let repos = format!("--repos=o/r@{}", repository.base);
    let words = ["/usr/local/bin/checkout_repos.sh", &repos, "--src_dir=/src"];
    let output = run(&strings(&flags), &words);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(head(), repository.base);
}

#[test]
fn a_pull_request_is_merged_by_a_user_without_a_name() {
    let repository = Repository::new();
    // Something to merge with.
    repository
        .test
        .git("work", &["checkout", "--quiet", "main"]);
    repository.test.write("work/other", "more\n");
    repository.test.git("work", &["add", "."]);
    repository
        .test
        .git("work", &["commit", "--quiet", "--message=more"]);
    repository
        .test
        .git("work", &["push", "--quiet", "../served/o/r.git", "main"]);
    let base = repository.test.git("work", &["rev-parse", "HEAD"]);
    let repository = Repository { base, ..repository };
    let server = GitServer::start(&repository.test, &repository.test.path().join("served"));
    let mut flags = repository.variables(&server.url());
    flags.push("--network=host".to_owned());
    flags.push(repository.volume("src", "/src"));
    let output = run(&strings(&flags), &["checkout", "--src-dir=/src"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let merged = repository.test.path().join("src/o/r");
    assert!(merged.join("other").is_file() && merged.join("w.yaml").is_file());
}

#[test]
fn ssh_works_for_the_images_own_user() {
    let repository = Repository::new();
    let server = SshServer::start(&repository.test);
    let url = format!(
        "{}{}",
        server.url(),
        repository.test.path().join("served").display()
    );
    let mut flags = repository.variables(&url);
    flags.push("--network=host".to_owned());
    flags.push(repository.volume("src", "/src"));
    // As a secret is mounted.
    let keys = repository.volume("keys", "/keys");
    for (from, to) in [(server.key(), "key"), (server.known_hosts(), "known_hosts")] {
        let copy = repository.test.path().join("keys").join(to);
        fs::copy(from, &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).unwrap();
    }
    flags.push(keys);
    flags.push("--env=SSH_KEY_FILES=/keys/key".to_owned());
    flags.push("--env=SSH_KNOWN_HOSTS=/keys/known_hosts".to_owned());
    let image = image();
    let careful = ["run", "--rm", "--read-only", "--tmpfs=/tmp"];
    let words = [&image, "checkout", "--src-dir=/src"];
    let output = docker(&[&careful[..], &strings(&flags), &words].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(repository.test.path().join("src/o/r/w.yaml").is_file());
}
