//! The commands of the guides work as they are written. Blocks marked `sh` are run from the top
//! of each guide to its end, in a working tree of the example with a change that is not committed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

mod manifests;

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::{GitServer, TestEnvironment, binary, text, top};

/// The blocks of a guide that begin with this line.
fn blocks<'a>(guide: &'a str, fence: &str) -> Vec<&'a str> {
    let parts = guide.split(fence).skip(1);
    parts
        .filter_map(|part| part.split("\n```").next())
        .collect()
}

/// A clone of the example with an edit, and the server that it was cloned from.
fn working_tree() -> (TestEnvironment, GitServer) {
    let test = TestEnvironment::new();
    let origin = test.path().join("origin/example-org");
    fs::create_dir_all(&origin).unwrap();
    let copied = Command::new("cp")
        .arg("-R")
        .arg(top().join("examples/greeter"))
        .arg(origin.join("greeter"))
        .status();
    assert!(copied.unwrap().success());
    let folder = "origin/example-org/greeter";
    test.git(folder, &["init", "--quiet", "--initial-branch=main"]);
    test.git(folder, &["add", "--all"]);
    test.git(folder, &["commit", "--quiet", "-m", "x"]);
    let server = GitServer::start(&test, &test.path().join("origin"));
    let url = format!("{}/example-org/greeter", server.url());
    test.git("", &["clone", "--quiet", &url, "tree"]);
    let usage = test.read("tree/src/main.c");
    test.write("tree/src/main.c", format!("{usage}\n/* changed */\n"));
    (test, server)
}

fn run_guide(name: &str) {
    let guide = fs::read_to_string(top().join("docs").join(name)).unwrap();
    let commands = blocks(&guide, "\n```sh\n");
    assert!(!commands.is_empty(), "{name} has no block to run");
    let (test, server) = working_tree();
    let programs = binary("submit-e2e");
    let path = std::env::join_paths(
        std::iter::once(programs.parent().unwrap().to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let output = test
        .command(Path::new("bash"))
        .args(["-euo", "pipefail", "-c", &commands.join("\n")])
        .current_dir(test.path().join("tree"))
        .env("PATH", path.unwrap())
        .env("GIT_BASE_URL", server.url())
        .output()
        .unwrap();
    let (printed, log) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{name}: {printed}\n{log}");
}

#[test]
fn infrastructure() {
    run_guide("infrastructure.md");
}

#[test]
fn repositories() {
    run_guide("repositories.md");
}

#[test]
fn workflows() {
    run_guide("workflows.md");
}

#[test]
fn debugging() {
    run_guide("debugging.md");
}

#[test]
fn prow_jobs() {
    run_guide("prow-jobs.md");
}

/// The guides have people install the version that the tests run.
#[test]
fn what_is_installed_and_named_is_what_tests_run_on() {
    let installed = fs::read_to_string(top().join("manifests/argo/kustomization.yaml")).unwrap();
    let pinned = installed.split("?ref=").nth(1).unwrap().trim();
    let module = fs::read_to_string(top().join("tests/cluster/programs/go.mod")).unwrap();
    let line = format!("github.com/argoproj/argo-workflows/v3 {pinned}");
    assert!(module.contains(&line), "{pinned} is not in {module}");
    // What the guide says that was tested.
    let guide = fs::read_to_string(top().join("docs/infrastructure.md")).unwrap();
    let said = guide.split("run on Kubernetes ").nth(1).unwrap();
    let (kubernetes, argo) = said.split_once(" with Argo Workflows ").unwrap();
    let argo = argo.split(". ").next().unwrap();
    assert!(module.contains(&format!("k8s.io/kubernetes v{kubernetes}.")));
    assert!(pinned.starts_with(&format!("v{argo}.")));
}

/// A link to a file that is not there helps nobody.
#[test]
fn links_of_the_guides_lead_to_files() {
    let mut seen = 0;
    for entry in fs::read_dir(top().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        let guide = fs::read_to_string(&path).unwrap();
        for link in guide.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if !target.is_empty() && !target.starts_with("https:") {
                let file = path.parent().unwrap().join(target);
                assert!(file.exists(), "{}: {target} is not there", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} links were found");
    assert_eq!(
        blocks("\n```sh\na\nb\n```\nx\n```sh\nc\n```\n", "\n```sh\n"),
        ["a\nb", "c"]
    );
}
