//! `prune`, through the built binary.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use e2e::{TestEnvironment, text};

const DAY: Duration = Duration::from_hours(24);

/// A file of a run, last changed so many days ago, and its folders with it.
fn file(test: &TestEnvironment, path: &str, days: u32) {
    let file = test.write(path, "x");
    let time = SystemTime::now() - DAY * days;
    for place in file
        .ancestors()
        .take_while(|place| *place != test.path().join("runs"))
    {
        File::open(place).unwrap().set_modified(time).unwrap();
    }
}

fn prune(test: &TestEnvironment, args: &[&str]) -> std::process::Output {
    let mut command = test.bin("submit-e2e");
    command.args(["prune", "--runs-dir", "runs"]).args(args);
    command.output().unwrap()
}

fn runs(test: &TestEnvironment) -> Vec<String> {
    let entries = fs::read_dir(test.path().join("runs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn old_runs_leave_and_what_is_no_run_stays() {
    let test = TestEnvironment::new();
    file(&test, "runs/old/src/o/r/a", 8);
    file(&test, "runs/new/outputs/a", 6);
    file(&test, "runs/cache/o/r.git/HEAD", 80);
    file(&test, "runs/note.txt", 80);
    // Killed in the middle of its work, an earlier one left this.
    file(&test, "runs/.removing-older/src/a", 80);
    let output = prune(&test, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(runs(&test), ["cache", "new", "note.txt"]);
    let log = text(&output.stderr);
    assert!(log.contains("1 runs removed"), "{log}");
    assert!(
        log.contains("2 entries of runs are not the folder of a run"),
        "{log}"
    );
}

#[test]
fn a_young_file_deep_in_an_old_run_keeps_it() {
    let test = TestEnvironment::new();
    file(&test, "runs/old/src/o/r/old", 30);
    test.write("runs/old/src/o/r/deep/new", "x");
    file(&test, "runs/old/outputs/a", 30);
    assert!(prune(&test, &[]).status.success());
    assert_eq!(runs(&test), ["old"]);
}

#[test]
fn a_link_is_not_followed_out_of_the_folder() {
    let test = TestEnvironment::new();
    file(&test, "kept/precious", 80);
    file(&test, "runs/old/src/a", 8);
    symlink(
        test.path().join("kept"),
        test.path().join("runs/old/src/link"),
    )
    .unwrap();
    symlink(test.path().join("kept"), test.path().join("runs/link")).unwrap();
    // The link itself is as new as this test.
    let args = ["--max-age", "0s", "--min-age", "0s"];
    assert!(prune(&test, &args).status.success());
    assert_eq!(runs(&test), ["link"]);
    assert!(test.path().join("kept/precious").exists());
}

#[test]
fn a_dry_run_prints_and_removes_nothing() {
    let test = TestEnvironment::new();
    file(&test, "runs/old/build-log.txt", 9);
    let output = prune(&test, &["--dry-run"]);
    assert!(output.status.success());
    let shown = text(&output.stdout);
    assert!(shown.starts_with("runs/old  "), "{shown}");
    assert!(shown.ends_with("unchanged for 9days\n"), "{shown}");
    assert_eq!(runs(&test), ["old"]);
}

#[test]
fn above_the_size_the_oldest_leave_and_the_rest_is_warned_of() {
    let test = TestEnvironment::new();
    file(&test, "runs/a/src/a", 3);
    file(&test, "runs/b/src/a", 2);
    file(&test, "runs/c/src/a", 0);
    let output = prune(&test, &["--max-size", "1"]);
    assert!(output.status.success());
    assert_eq!(runs(&test), ["c"]);
    assert!(text(&output.stderr).contains("larger than --max-size"));
}

#[test]
fn a_folder_that_is_not_there_is_wrong_usage_where_it_was_named() {
    let test = TestEnvironment::new();
    let output = prune(&test, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--runs-dir"));
    let output = test.bin("submit-e2e").arg("prune").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    fs::create_dir_all(test.path().join("runs")).unwrap();
    assert!(prune(&test, &[]).status.success());
}
