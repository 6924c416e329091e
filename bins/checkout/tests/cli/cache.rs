//! `--cache`: what is saved, what is trusted, what is forgotten, and who waits for whom.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use crate::fixture::{Fixture, succeed};
use e2e::{Running, wait_until};

/// A checkout of pull request 1 into a folder that is new, with the cache.
fn run(fixture: &Fixture, args: &[&str]) -> Output {
    let _ = fs::remove_dir_all(fixture.env.path().join("src"));
    let mut command = fixture.job(&[1]);
    command.args(["--cache", "cache", "--records", "records.json"]);
    command.args(args);
    let output = succeed(command);
    assert_eq!(fixture.files(), ["README", "first"]);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
    output
}

/// Whether the last run took its files from the mirror.
fn was_warm(fixture: &Fixture) -> bool {
    !fixture
        .env
        .read("records.json")
        .contains("test-worker-files")
}

fn mirrors(fixture: &Fixture) -> Vec<PathBuf> {
    let entries = fs::read_dir(fixture.env.path().join("cache")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "git"))
        .collect()
}

fn packs(fixture: &Fixture) -> Vec<PathBuf> {
    let folder = mirrors(fixture)[0].join("objects/pack");
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut packs: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "pack"))
        .collect();
    packs.sort();
    packs
}

/// Puts a pipe that nobody writes to in a place.
fn pipe(path: &Path) {
    let _ = fs::remove_file(path);
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

fn write(path: &PathBuf, content: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn a_second_job_takes_from_the_mirror_what_the_first_fetched() {
    let fixture = Fixture::new();
    run(&fixture, &[]);
    assert!(!was_warm(&fixture));
    let head = fixture.head();
    run(&fixture, &[]);
    assert!(was_warm(&fixture));
    assert_eq!(fixture.head(), head);
    assert_eq!(fixture.git(&["describe", "--tags"])[..6], *"v1.0-3");
}

#[test]
fn a_checkout_stays_whole_when_the_cache_goes_away() {
    let fixture = Fixture::new();
    run(&fixture, &["--filter=none"]);
    run(&fixture, &["--filter=none"]);
    fs::remove_dir_all(fixture.env.path().join("cache")).unwrap();
    fixture.git(&["fsck", "--full", "--strict"]);
    assert!(
        !fixture
            .folder()
            .join(".git/objects/info/alternates")
            .exists()
    );
    assert_eq!(fixture.git(&["rev-list", "--count", "HEAD"]), "4");
}

#[test]
fn what_is_new_on_the_server_is_fetched_and_stored() {
    let mut fixture = Fixture::new();
    run(&fixture, &[]);
    fixture.base = crate::fixture::commit(&fixture.env, "README", "three\n");
    let served = "../served/kubeflow/testing.git";
    fixture
        .env
        .git("work", &["push", "--quiet", served, "main"]);
    run(&fixture, &[]);
    assert!(was_warm(&fixture));
    assert_eq!(fixture.env.read("src/kubeflow/testing/README"), "three\n");
    run(&fixture, &[]);
    assert!(
        !fixture
            .env
            .read("records.json")
            .contains("--filter blob:none")
    );
}

#[test]
fn a_tag_that_the_server_has_no_more_is_not_in_a_checkout() {
    let fixture = Fixture::new();
    run(&fixture, &[]);
    let served = "served/kubeflow/testing.git";
    fixture.env.git(served, &["tag", "--delete", "v1.0"]);
    fixture.env.git(served, &["tag", "v2.0", &fixture.base]);
    run(&fixture, &[]);
    assert_eq!(fixture.git(&["tag"]), "v2.0");
}

#[test]
fn a_damaged_mirror_is_told_and_replaced() {
    type Damage = fn(&[PathBuf]);
    let damage: [(&str, Damage); 10] = [
        ("a bit that fell over", |packs| {
            for pack in packs {
                let mut content = fs::read(pack).unwrap();
                let middle = content.len() / 2;
                content[middle] ^= 4;
                write(pack, &content);
            }
        }),
        ("a pack cut short", |packs| {
            let content = fs::read(&packs[0]).unwrap();
            write(&packs[0], &content[..content.len() / 2]);
        }),
        ("a pack that is gone", |packs| {
            fs::remove_file(&packs[0]).unwrap();
        }),
        ("an index that is gone", |packs| {
            fs::remove_file(packs[0].with_extension("idx")).unwrap();
        }),
        ("an index in which a bit fell over", |packs| {
            let index = packs[0].with_extension("idx");
            let mut content = fs::read(&index).unwrap();
            content[8 + 1024] ^= 1;
            write(&index, &content);
        }),
        ("another pack in the place of one", |packs| {
            let content = fs::read(&packs[1]).unwrap();
            write(&packs[0], &content);
        }),
        ("a pipe in the place of a pack", |packs| pipe(&packs[0])),
        ("a link in the place of a pack", |packs| {
            fs::remove_file(&packs[0]).unwrap();
            symlink("/dev/zero", &packs[0]).unwrap();
        }),
        ("a pipe in the place of an index", |packs| {
            pipe(&packs[0].with_extension("idx"));
        }),
        ("a pack that does not say that it is a part", |packs| {
            for pack in packs {
                fs::remove_file(pack.with_extension("promisor")).unwrap();
            }
        }),
    ];
    for (what, damage) in damage {
        let fixture = Fixture::new();
        run(&fixture, &[]);
        let head = fixture.head();
        let packs = packs(&fixture);
        assert!(packs.len() > 1, "{packs:?}");
        damage(&packs);
        let output = run(&fixture, &[]);
        let stderr = e2e::text(&output.stderr);
        assert!(
            stderr.contains("is damaged and is replaced"),
            "{what}: {stderr}"
        );
        assert_eq!(fixture.head(), head, "{what}");
        fixture.git(&["fsck", "--connectivity-only"]);
        let output = run(&fixture, &[]);
        let stderr = e2e::text(&output.stderr);
        assert!(
            was_warm(&fixture) && !stderr.contains("damaged"),
            "{what}: {stderr}"
        );
    }
}

#[test]
fn what_is_no_mirror_in_the_place_of_one_is_replaced() {
    type Damage = fn(&Path);
    let damage: [(&str, Damage); 4] = [
        ("a file", |mirror| {
            fs::remove_dir_all(mirror).unwrap();
            fs::write(mirror, "a file").unwrap();
        }),
        ("a pipe", |mirror| {
            fs::remove_dir_all(mirror).unwrap();
            pipe(mirror);
        }),
        ("a link", |mirror| {
            let other = mirror.with_file_name("other");
            fs::rename(mirror, &other).unwrap();
            symlink(other, mirror).unwrap();
        }),
        ("a pipe in the place of its note", |mirror| {
            pipe(&mirror.join("test-worker-mirror"));
        }),
    ];
    for (what, damage) in damage {
        let fixture = Fixture::new();
        run(&fixture, &[]);
        damage(&mirrors(&fixture)[0]);
        let stderr = e2e::text(&run(&fixture, &[]).stderr);
        let said = "is no mirror and is replaced";
        assert_eq!(stderr.matches(said).count(), 1, "{what}: {stderr}");
        let stderr = e2e::text(&run(&fixture, &[]).stderr);
        assert!(
            was_warm(&fixture) && !stderr.contains("WARN"),
            "{what}: {stderr}"
        );
    }
}

#[test]
fn a_mirror_of_a_server_without_partial_clones_is_no_damage() {
    let fixture = Fixture::new();
    let serving = e2e::Serving {
        partial_clone: false,
        ..e2e::Serving::default()
    };
    let folder = fixture.env.path().join("served");
    let server = e2e::GitServer::start_with(&fixture.env, &folder, serving);
    let url = format!("--git-base-url={}", server.url());
    for _ in 0..3 {
        let stderr = e2e::text(&run(&fixture, &[&url]).stderr);
        assert!(!stderr.contains("WARN"), "{stderr}");
    }
    fixture.git(&["gc", "--quiet"]);
}

#[test]
fn what_a_killed_store_left_is_of_no_harm() {
    let fixture = Fixture::new();
    run(&fixture, &[]);
    let mirror = mirrors(&fixture).remove(0);
    fs::remove_file(mirror.join("test-worker-mirror")).unwrap();
    fs::write(mirror.join("objects/pack/pack-1.new"), "half").unwrap();
    run(&fixture, &[]);
    assert!(!was_warm(&fixture));
    run(&fixture, &[]);
    assert!(was_warm(&fixture));
}

#[test]
fn packs_that_a_killed_run_had_not_looked_through_are_not_used() {
    let fixture = Fixture::new();
    run(&fixture, &[]);
    let head = fixture.head();
    // As such a run leaves them: in place, and marked.
    let git = fixture.folder().join(".git");
    fs::remove_dir_all(fixture.folder()).unwrap();
    fs::create_dir(fixture.folder()).unwrap();
    fixture
        .env
        .git("src/kubeflow/testing", &["init", "--quiet"]);
    fs::write(git.join("test-worker-checkout"), "unfinished\n").unwrap();
    fs::write(git.join("test-worker-unchecked"), "").unwrap();
    let forged = git.join("objects/pack/pack-1111111111111111111111111111111111111111.pack");
    fs::write(&forged, "PACK").unwrap();
    let mut command = fixture.job(&[1]);
    command.args(["--cache", "cache", "--records", "records.json"]);
    succeed(command);
    assert!(was_warm(&fixture));
    assert_eq!(fixture.head(), head);
    assert!(!forged.exists() && !git.join("test-worker-unchecked").exists());
}

#[test]
fn jobs_at_once_share_a_mirror() {
    let fixture = Fixture::new();
    let start = |number: usize| {
        let mut command = fixture.env.command(&e2e::binary("checkout"));
        command
            .args(["--cache", "cache", "--git-base-url", &fixture.server.url()])
            .arg(format!("--src-dir=src{number}"))
            .env("JOB_SPEC", fixture.job_spec(&[1, 2]))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running::start(&mut command)
    };
    for _ in 0..2 {
        let jobs: Vec<_> = (0..6).map(start).collect();
        for job in jobs {
            let output = job.wait_with_output();
            assert!(output.status.success(), "{}", e2e::text(&output.stderr));
            assert!(!e2e::text(&output.stderr).contains("WARN"));
        }
        for number in 0..6 {
            let folder = format!("src{number}/kubeflow/testing");
            assert_eq!(fixture.env.read(format!("{folder}/second")), "2\n");
            fs::remove_dir_all(fixture.env.path().join(format!("src{number}"))).unwrap();
        }
    }
    let mirror = mirrors(&fixture).remove(0);
    fixture.env.git(mirror, &["fsck", "--connectivity-only"]);
}

#[test]
fn a_checkout_waits_for_the_one_that_writes() {
    let fixture = Fixture::new();
    run(&fixture, &[]);
    let _ = fs::remove_dir_all(fixture.env.path().join("src"));
    let locks = fixture.env.path().join("cache/locks");
    let lock = fs::read_dir(locks).unwrap().next().unwrap().unwrap();
    let lock = fs::File::open(lock.path()).unwrap();
    lock.lock().unwrap();
    let log = fs::File::create(fixture.env.path().join("log")).unwrap();
    let mut command = fixture.env.command(&e2e::binary("checkout"));
    command
        .args(["--cache", "cache", "--git-base-url", &fixture.server.url()])
        .args(["--src-dir", "src"])
        .env("JOB_SPEC", fixture.job_spec(&[1]))
        .stdout(Stdio::null())
        .stderr(log);
    let job = Running::start(&mut command);
    wait_until("it waits", || {
        fixture.env.read("log").contains("at work in the cache")
    });
    drop(lock);
    assert!(job.wait_with_output().status.success());
    assert_eq!(fixture.files(), ["README", "first"]);
}

#[test]
fn the_cache_forgets_what_is_too_old_or_too_much() {
    let fixture = Fixture::new();
    run(&fixture, &["--cache-max-size=1"]);
    assert_eq!(mirrors(&fixture), Vec::<PathBuf>::new());
    run(&fixture, &[]);
    assert_eq!(mirrors(&fixture).len(), 1);
    let old = fixture.env.path().join("cache/old.git");
    fs::create_dir_all(&old).unwrap();
    let year = std::time::Duration::from_hours(24 * 365);
    let used = std::time::SystemTime::now() - year;
    fs::File::open(&old).unwrap().set_modified(used).unwrap();
    run(&fixture, &["--cache-max-age=400days"]);
    assert_eq!(mirrors(&fixture).len(), 2);
    run(&fixture, &[]);
    assert!(!old.exists());
    assert_eq!(mirrors(&fixture).len(), 1);
}

#[test]
fn a_cache_that_cannot_be_used_is_told_and_costs_no_checkout() {
    let fixture = Fixture::new();
    fixture.env.write("cache", "a file");
    let output = run(&fixture, &[]);
    let stderr = e2e::text(&output.stderr);
    assert!(stderr.contains("the cache is of no use"), "{stderr}");
}
