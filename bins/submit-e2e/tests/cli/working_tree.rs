//! A person's own use: no Prow variable is set.

use std::path::Path;

use e2e::{TestEnvironment, text};

use crate::support::{CONFIG, commit, decisions, plan, repository, run, skip};

fn own(test: &TestEnvironment, folder: impl AsRef<Path>) -> assert_cmd::Command {
    let mut command = test.bin("submit-e2e");
    command.current_dir(test.path().join(folder));
    command
}

/// What the log says the working tree was taken for.
fn taken(test: &TestEnvironment, folder: &str, args: &[&str]) -> String {
    let output = own(test, folder).arg("plan").args(args).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let log = text(&output.stderr);
    let line = log
        .lines()
        .find(|line| line.contains("as a pull request of"));
    let (_, said) = line.unwrap().split_once("as a pull request of ").unwrap();
    said.to_owned()
}

#[test]
fn a_branch_is_a_pull_request_onto_the_default_branch() {
    let test = repository(CONFIG);
    assert_eq!(
        decisions(plan(&mut own(&test, "src/o/r"))),
        [
            run("src/a.c matches src/*"),
            run("docs/old.txt matches docs/*"),
            skip("job_types is periodic, this is a presubmit job"),
        ]
    );
    let said = taken(&test, "src/o/r/docs/..", &[]);
    assert!(said.starts_with("local/r onto main (main, "), "{said}");
    assert!(said.ends_with("; nothing is uncommitted"), "{said}");
}

#[test]
fn uncommitted_changes_are_included_and_the_repository_is_only_read() {
    let test = repository(CONFIG);
    test.git("src/o/r", &["checkout", "--quiet", "main"]);
    test.write("src/o/r/.gitignore", "*.o\n");
    commit(&test, "ignore");
    test.write("src/o/r/docs/old.txt", "edited\n");
    test.write("src/o/r/src/new.c", "untracked\n");
    test.write("src/o/r/src/new.o", "ignored\n");
    let state = || {
        let files = walk(&test.path().join("src/o/r/.git"));
        (files, test.git("src/o/r", &["status", "--porcelain"]))
    };
    test.git("src/o/r", &["status"]);
    let before = state();
    let [e2e, docs, _] = decisions(plan(&mut own(&test, "src/o/r/src")));
    assert_eq!(e2e, run("src/new.c matches src/*"));
    assert_eq!(docs, run("docs/old.txt matches docs/*"));
    assert_eq!(state(), before);
    let said = taken(&test, "src/o/r", &[]);
    assert!(
        said.ends_with("; 2 uncommitted files are included"),
        "{said}"
    );
}

/// Every file of a folder with its content.
fn walk(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn the_base_is_the_upstream_unless_that_is_the_branch_itself() {
    let test = repository(CONFIG);
    let url = test.path().join("src/o/r").display().to_string();
    test.git("src/o/r", &["branch", "release", "main"]);
    test.git("src/o/r", &["checkout", "--quiet", "main"]);
    test.git("", &["clone", "--quiet", &url, "clone"]);
    test.git(
        "clone",
        &[
            "checkout",
            "--quiet",
            "-b",
            "topic",
            "--track",
            "origin/release",
        ],
    );
    let said = taken(&test, "clone", &[]);
    assert!(
        said.starts_with("o/r onto release (origin/release, "),
        "{said}"
    );
    // Pushed under its own name: not its own base.
    test.git(
        "clone",
        &[
            "checkout",
            "--quiet",
            "-b",
            "change",
            "--track",
            "origin/change",
        ],
    );
    let said = taken(&test, "clone", &[]);
    assert!(said.starts_with("o/r onto main (origin/main, "), "{said}");
    test.git("clone", &["checkout", "--quiet", "main"]);
    let said = taken(&test, "clone", &[]);
    assert!(said.starts_with("o/r onto main (origin/main, "), "{said}");
    test.git(
        "clone",
        &["checkout", "--quiet", "--detach", "origin/change"],
    );
    let said = taken(&test, "clone", &[]);
    assert!(said.starts_with("o/r onto main (origin/main, "), "{said}");
    let said = taken(&test, "clone", &["--base", "origin/release"]);
    assert!(said.starts_with("o/r onto release (--base, "), "{said}");
    let said = taken(&test, "clone", &["--base", "HEAD~1"]);
    assert!(said.starts_with("o/r onto base (--base, "), "{said}");
}

#[test]
fn a_linked_work_tree_is_a_working_tree_as_well() {
    let test = repository(CONFIG);
    test.git(
        "src/o/r",
        &[
            "worktree",
            "add",
            "--quiet",
            "-b",
            "other",
            "../../../linked",
            "main",
        ],
    );
    test.write("linked/src/b.c", "new\n");
    let [e2e, docs, _] = decisions(plan(&mut own(&test, "linked/src")));
    assert_eq!(e2e, run("src/b.c matches src/*"));
    assert!(!docs.0);
}

#[test]
fn what_is_no_base_or_no_repository_is_told() {
    let test = repository(CONFIG);
    test.git("", &["init", "--quiet", "--initial-branch=main", "unborn"]);
    test.git("", &["clone", "--quiet", "src/o/r", "alone"]);
    test.git("alone", &["remote", "remove", "origin"]);
    for (folder, args, expected) in [
        ("unborn", &[][..], "[ROOT]/unborn has no commit yet"),
        (
            "home",
            &[],
            "[ROOT]/home is in no git working tree: fatal: not a git repository",
        ),
        (
            "alone",
            &[],
            "no branch is known that this working tree would be merged into",
        ),
        (
            "alone",
            &["--base=-x"],
            "--base \"-x\" names no commit of this repository",
        ),
        (
            "alone",
            &["--base=nope"],
            "--base \"nope\" names no commit of this repository",
        ),
    ] {
        let output = own(&test, folder).arg("plan").args(args).output().unwrap();
        let log = text(&output.stderr).replace(&test.path().display().to_string(), "[ROOT]");
        assert_eq!(output.status.code(), Some(2), "{log}");
        assert!(log.contains(expected), "{expected}\n{log}");
    }
}

#[test]
fn a_change_as_young_as_the_index_is_not_missed_by_its_copy() {
    let test = repository(CONFIG);
    // What else would tell git of the change, and cannot be set.
    test.git("src/o/r", &["config", "core.trustctime", "false"]);
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let put = |path: &str, content: Option<&str>| {
        if let Some(content) = content {
            test.write(path, content);
        }
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(test.path().join(path));
        file.unwrap().set_modified(time).unwrap();
    };
    put("src/o/r/src/a.c", Some("int a;\n"));
    test.git("src/o/r", &["update-index", "--refresh"]);
    put("src/o/r/src/a.c", Some("int b;\n"));
    put("src/o/r/.git/index", None);
    let said = taken(&test, "src/o/r", &[]);
    assert!(said.ends_with("; 1 uncommitted file is included"), "{said}");
}

#[test]
fn a_run_folder_that_is_a_repositorys_does_not_lose_its_gitignore() {
    let test = repository(CONFIG);
    for folder in ["src/o/r", "src/o/r/docs"] {
        test.write(format!("{folder}/.gitignore"), "*.o\n");
        let output = own(&test, folder).args(["--run-dir", "."]).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2));
        let log = text(&output.stderr);
        assert!(log.contains(" is a folder of a repository"), "{log}");
        assert_eq!(test.read(format!("{folder}/.gitignore")), "*.o\n");
    }
    assert!(!test.path().join("src/o/r/build-log.txt").exists());
}

#[test]
fn a_new_file_outside_of_a_sparse_checkout_is_included_and_the_rest_is_not_missed() {
    let test = repository(CONFIG);
    test.git("src/o/r", &["sparse-checkout", "set", "src"]);
    assert!(!test.path().join("src/o/r/test").exists());
    test.write("src/o/r/docs/new.txt", "new\n");
    let args = ["--config-file", "../../../config.yaml"];
    test.write("config.yaml", CONFIG);
    let said = taken(&test, "src/o/r", &args);
    assert!(said.ends_with("; 1 uncommitted file is included"), "{said}");
}
