//! The immutable tag is what the shell rule of the old tool gives.

use std::path::Path;

use e2e::{TestEnvironment, text};

use crate::site::{Site, end};

/// The rule, with the day in UTC.
const RULE: &str = "echo v$(date -u +%Y%m%d)-$(git describe --tags --always --dirty)-$(git diff \
                    | sha256sum | cut -c1-6)";

fn by_rule(env: &TestEnvironment, folder: &str) -> String {
    let output = env
        .command(Path::new("sh"))
        .args(["-c", RULE])
        .current_dir(env.path().join(folder))
        .output()
        .unwrap();
    text(&output.stdout)
}

fn by_us(env: &TestEnvironment, folder: &str) -> String {
    let output = env
        .bin("build-image")
        .args(["tag", "--context", folder])
        .output()
        .unwrap();
    super::site::said(&output)
}

/// Until both fall into one day.
fn check(env: &TestEnvironment, folder: &str) -> String {
    loop {
        let before = by_rule(env, folder);
        let ours = by_us(env, folder);
        if before == by_rule(env, folder) {
            assert_eq!(ours, before);
            return ours;
        }
    }
}

fn repository() -> TestEnvironment {
    let env = TestEnvironment::new();
    env.git("", &["init", "--quiet", "work"]);
    env.write("work/sub/file", "one\n");
    env.git("work", &["add", "--all"]);
    env.git("work", &["commit", "--quiet", "--message=one"]);
    env
}

#[test]
fn clean_dirty_staged_tagged_and_untagged_trees_have_the_tag_of_the_rule() {
    let env = repository();
    let commit = env.git("work", &["rev-parse", "--short", "HEAD"]);
    // The hash of nothing.
    assert!(check(&env, "work").ends_with(&format!("-{commit}-e3b0c4\n")));
    env.write("work/untracked", "new\n");
    assert!(check(&env, "work").ends_with(&format!("-{commit}-e3b0c4\n")));
    env.write("work/sub/file", b"two\n\xff\n");
    let dirty = check(&env, "work");
    assert!(dirty.contains("-dirty-") && !dirty.ends_with("-e3b0c4\n"));
    assert_eq!(check(&env, "work/sub"), dirty);
    env.git("work", &["add", "sub/file"]);
    assert!(check(&env, "work").ends_with("-dirty-e3b0c4\n"));
    env.git("work", &["commit", "--quiet", "--message=two"]);
    env.git("work", &["tag", "v1.0"]);
    assert!(check(&env, "work").ends_with("-v1.0-e3b0c4\n"));
    env.git(
        "work",
        &["commit", "--quiet", "--allow-empty", "--message=three"],
    );
    assert!(check(&env, "work").contains("-v1.0-1-g"));
}

#[test]
fn an_image_is_not_taken_for_that_of_a_tree_its_tag_says_nothing_of() {
    let site = Site::new([]);
    let env = &site.env;
    env.git("context", &["init", "--quiet"]);
    env.write("context/.dockerignore", "out\n");
    env.git("context", &["add", "--all"]);
    env.git("context", &["commit", "--quiet", "--message=one"]);
    let tag = || by_us(env, "context").trim().to_owned();
    site.registry.put("team/app", &tag(), "one");
    let image = site.image();
    let build = |more: &[&str]| {
        let args = ["--context", "context", "--image", &image];
        end(&site.command(&[&args, more].concat()).output().unwrap())
    };
    let (code, log) = build(&[]);
    assert_eq!(code, Some(0), "{log}");
    // What the build does not see is not in doubt.
    env.write("context/out/binary", "x");
    let (code, log) = build(&[]);
    assert_eq!(code, Some(0), "{log}");
    env.write("context/src/new.go", "x");
    let (code, log) = build(&[]);
    assert_eq!(code, Some(2), "{log}");
    assert!(
        log.contains("may be another tree's") && log.contains("new to git: src/new.go"),
        "{log}"
    );
    std::fs::remove_dir_all(env.path().join("context/src")).unwrap();
    env.write("context/file", "staged\n");
    env.git("context", &["add", "file"]);
    site.registry.put("team/app", &tag(), "two");
    let (code, log) = build(&[]);
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("new to git: file"), "{log}");
    assert!(site.cloud.asked().is_empty());
    // Whoever names a tag, or has both compared, has decided.
    let (code, log) = build(&["--rebuild", "--async"]);
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(site.cloud.started().len(), 1);
}

#[test]
fn a_persons_viewer_of_differences_does_not_change_the_tag() {
    let env = repository();
    env.write("work/sub/file", "two\n");
    let before = by_us(&env, "work");
    env.git("work", &["config", "diff.external", "false"]);
    env.git("work", &["config", "color.ui", "always"]);
    assert_eq!(by_us(&env, "work"), before);
}

#[test]
fn a_folder_without_git_has_no_tag() {
    let env = TestEnvironment::new();
    let output = env.bin("build-image").arg("tag").output().unwrap();
    let (code, log) = super::site::end(&output);
    assert_eq!(code, Some(1));
    assert!(
        log.contains("not a git repository") && log.contains("--tag names another one"),
        "{log}"
    );
}
