//! A person's own use with a real checkout step: the working tree of a clone, as a pull request.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

use std::process::Output;

use e2e::{GitServer, TestEnvironment, text};

const WORKFLOW: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: own-}
spec:
  entrypoint: all
  volumes: [{name: v, persistentVolumeClaim: {claimName: nfs-external}}]
  templates:
  - name: all
    steps:
    - - {name: checkout, template: checkout}
    - - {name: look, template: look}
  - name: checkout
    container: {command: [checkout, --src-dir=/mnt/v/src], volumeMounts: [{name: v, mountPath: /mnt/v}]}
  - name: look
    container: {command: [cat, $(REPO_OWNER)/$(REPO_NAME)/file], workingDir: /mnt/v/src, volumeMounts: [{name: v, mountPath: /mnt/v}]}
";

/// A clone, made with these options, of a repository with some history; the working tree has
/// an edit that is not committed.
fn edited_clone(options: &[&str]) -> (TestEnvironment, GitServer) {
    let test = TestEnvironment::new();
    test.write(
        "origin/o/r/prow_config.yaml",
        "workflows: [{name: own, manifest: w.yaml}]\n",
    );
    test.write("origin/o/r/w.yaml", WORKFLOW);
    test.git("origin/o/r", &["init", "--quiet", "--initial-branch=main"]);
    for content in ["first\n", "second\n", "third\n"] {
        test.write("origin/o/r/file", content);
        test.git("origin/o/r", &["add", "--all"]);
        test.git("origin/o/r", &["commit", "--quiet", "-m", "x"]);
    }
    let server = GitServer::start(&test, &test.path().join("origin"));
    let url = format!("{}/o/r", server.url());
    let clone = [&["clone", "--quiet"], options, &[url.as_str(), "clone"]].concat();
    test.git("", &clone);
    test.write("clone/file", "edited\n");
    (test, server)
}

fn run(test: &TestEnvironment) -> Output {
    let mut command = test.bin("submit-e2e");
    command
        .current_dir(test.path().join("clone"))
        .output()
        .unwrap()
}

#[test]
fn an_edit_in_a_clone_is_tested_as_a_pull_request() {
    for options in [&[][..], &["--depth=1"]] {
        let (test, _server) = edited_clone(options);
        let output = run(&test);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{options:?}: {}",
            text(&output.stdout)
        );
        let printed = text(&output.stdout);
        assert!(
            printed.contains("[look] edited\n"),
            "{options:?}: {printed}"
        );
        let log = text(&output.stderr);
        assert!(log.contains("as a pull request of o/r onto main"), "{log}");
        assert!(log.contains("1 uncommitted file is included"), "{log}");
        assert_eq!(test.git("clone", &["status", "--porcelain"]), "M file");
    }
}

#[test]
fn what_a_partial_clone_lacks_is_fetched_for_its_steps_and_not_into_it() {
    for filter in ["--filter=blob:none", "--filter=tree:0"] {
        let (test, _server) = edited_clone(&[filter]);
        // The base moves on to a file that the clone has not seen.
        test.write("origin/o/r/file", "fourth\n");
        test.git("origin/o/r", &["commit", "--quiet", "--all", "-m", "x"]);
        test.git("clone", &["checkout", "--quiet", "file"]);
        test.git("clone", &["fetch", "--quiet"]);
        test.write("clone/another", "new\n");
        let objects = || test.git("clone", &["count-objects", "--verbose"]);
        let before = objects();
        let output = run(&test);
        let printed = text(&output.stdout);
        let log = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{filter}: {printed}{log}");
        assert!(printed.contains("[look] fourth\n"), "{filter}: {printed}");
        assert!(log.contains("1 uncommitted file is included"), "{log}");
        assert_eq!(objects(), before, "{filter}");
        assert_eq!(test.git("clone", &["status", "--porcelain"]), "?? another");
    }
}
