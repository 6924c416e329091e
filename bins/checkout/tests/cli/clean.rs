//! `--clean`, and what is left alone without it.

use std::fs;
use std::os::unix::fs::symlink;

use crate::fixture::{Fixture, succeed};
use e2e::text;

const FOLDER: &str = "src/kubeflow/testing";

/// Checks that a folder is refused without `--clean`, and made anew with it.
fn only_with_clean(what: &str, fixture: &Fixture) {
    let output = fixture.job(&[1]).output().unwrap();
    let stderr = text(&output.stderr);
    assert!(!output.status.success(), "{what}");
    assert!(stderr.contains("--clean"), "{what}: {stderr}");
    let mut command = fixture.job(&[1]);
    command.arg("--clean");
    let stderr = text(&succeed(command).stderr);
    assert!(stderr.contains("all of it is removed"), "{what}: {stderr}");
    assert_eq!(fixture.files(), ["README", "first"], "{what}");
    assert_eq!(fixture.git(&["status", "--porcelain"]), "", "{what}");
    assert_eq!(
        fixture.git(&["rev-parse", "HEAD^2"]),
        fixture.pulls[0],
        "{what}"
    );
}

#[test]
fn a_folder_of_somebody_else() {
    let fixture = Fixture::new();
    fixture.env.write(format!("{FOLDER}/sub/file"), "mine");
    only_with_clean("files", &fixture);
}

#[test]
fn a_clone_of_another_repository() {
    let fixture = Fixture::new();
    fixture.env.git("", &["clone", "--quiet", "work", FOLDER]);
    only_with_clean("another clone", &fixture);
}

#[test]
fn a_work_tree_of_another_repository() {
    let fixture = Fixture::new();
    fixture
        .env
        .write(format!("{FOLDER}/.git"), "gitdir: ../../../work/.git\n");
    only_with_clean("a work tree", &fixture);
    assert_eq!(fixture.env.git("work", &["status", "--porcelain"]), "");
}

#[test]
fn changes_of_somebody() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[2]));
    fixture.env.write(format!("{FOLDER}/README"), "mine");
    only_with_clean("changes", &fixture);
}

#[test]
fn an_untracked_file_in_a_finished_checkout() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[1]));
    fixture.env.write(format!("{FOLDER}/untracked"), "mine");
    succeed(fixture.job(&[1]));
    assert_eq!(fixture.files(), ["README", "first", "untracked"]);
    let mut command = fixture.job(&[1]);
    command.arg("--clean");
    succeed(command);
    assert_eq!(fixture.files(), ["README", "first"]);
}

#[test]
fn what_a_killed_run_wrote_of_another_commit_goes_without_it() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[2]));
    let target = fixture.head();
    succeed(fixture.job(&[1]));
    // As a run for pull request 2 leaves it that was killed before it wrote the index.
    let note = format!("{FOLDER}/.git/test-worker-checkout");
    fixture.env.write(note, format!("unfinished\n{target}"));
    fixture.env.write(format!("{FOLDER}/second"), "ha");
    succeed(fixture.job(&[1]));
    assert_eq!(fixture.files(), ["README", "first"]);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_file_in_the_place_of_the_folder() {
    let fixture = Fixture::new();
    fixture.env.write(FOLDER, "mine");
    only_with_clean("a file", &fixture);
}

#[test]
fn nothing_behind_a_link_is_touched_not_even_with_it() {
    // The link, and where the clone of a person is.
    for (link, theirs) in [
        ("src/kubeflow/testing", "theirs"),
        ("src/kubeflow", "theirs/testing"),
    ] {
        let fixture = Fixture::new();
        let path = |name: &str| fixture.env.path().join(name);
        fixture.env.git("", &["clone", "--quiet", "work", theirs]);
        fixture.env.write(format!("{theirs}/precious"), "mine");
        fs::create_dir_all(path(link).parent().unwrap()).unwrap();
        symlink(path("theirs"), path(link)).unwrap();
        for args in [&[][..], &["--clean"]] {
            let mut command = fixture.job(&[1]);
            command.args(args);
            let output = command.output().unwrap();
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{link} {args:?}: {stderr}");
            let said = format!(
                "{} leads to {}",
                path(link).display(),
                path("theirs").display()
            );
            assert!(stderr.contains(&said), "{link} {args:?}: {stderr}");
            assert_eq!(fixture.env.read(format!("{theirs}/precious")), "mine");
        }
        let git = fixture.env.git(theirs, &["status", "--porcelain"]);
        assert_eq!(git, "?? precious", "{link}");
    }
}

#[test]
fn the_sources_themselves_may_be_behind_a_link() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.env.path().join("disk")).unwrap();
    symlink("disk", fixture.env.path().join("src")).unwrap();
    for args in [&[][..], &["--clean"]] {
        let mut command = fixture.job(&[1]);
        command.args(args);
        succeed(command);
        assert_eq!(fixture.files(), ["README", "first"]);
    }
}

#[test]
fn a_file_where_a_folder_has_to_be_is_left_alone() {
    let fixture = Fixture::new();
    fixture.env.write("src/kubeflow", "mine");
    let mut command = fixture.job(&[1]);
    let output = command.arg("--clean").output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("src/kubeflow is none"), "{stderr}");
    assert_eq!(fixture.env.read("src/kubeflow"), "mine");
}
