//! No secret reaches the bucket.

use std::io::{Read, Write};
use std::os::unix::fs::symlink;

use crate::support::{Bucket, assert_code};
use e2e::{TestEnvironment, text};
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

const SECRET: &str = "correct-horse-battery";
const MASK: &str = "XXXXXXXXXXXXXXXXXXXXX";

/// A folder of secrets as Kubernetes mounts it.
fn mount(environment: &TestEnvironment) {
    environment.write("secrets/..2026/password", format!("{SECRET}\n"));
    let folder = environment.path().join("secrets");
    symlink("..2026", folder.join("..data")).unwrap();
    symlink("..data/password", folder.join("password")).unwrap();
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(content: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(content).read_to_string(&mut text).unwrap();
    text
}

const SYNC: [&str; 3] = ["--artifacts-dir=out", "--secrets-dir", "secrets"];

#[test]
fn values_of_mounted_secrets_are_masked_and_a_second_run_finds_nothing_to_do() {
    let environment = TestEnvironment::new();
    mount(&environment);
    let base64 = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5";
    let log = format!("pass {SECRET}\n{{\"data\": \"{base64}\"}}\n");
    environment.write("out/a.log", &log);
    environment.write("out/a.bin", gzip(format!("in it: {SECRET}").as_bytes()));
    environment.write("out/binary", format!("\0{SECRET}"));
    environment.write("out/innocent.log", "nothing");
    for bucket in Bucket::both(&environment) {
        let first = bucket.run(&environment, &SYNC);
        assert_code(&first, 0);
        let stderr = text(&first.stderr);
        assert!(stderr.contains("secrets masked in 2 files"), "{stderr}");
        assert!(!stderr.contains(SECRET), "{stderr}");
        let expected = format!("pass {MASK}\n{{\"data\": \"{}\"}}\n", "X".repeat(28));
        let shown = bucket.read("artifacts/a.log").unwrap();
        assert_eq!(text(&shown), expected);
        let zipped = bucket.read("artifacts/a.bin").unwrap();
        assert_eq!(gunzip(&zipped), format!("in it: {MASK}"));
        let binary = bucket.read("artifacts/binary").unwrap();
        assert_eq!(text(&binary), format!("\0{SECRET}"));
        assert_eq!(environment.read("out/a.log"), log, "the file stays");

        let second = bucket.run(&environment, &SYNC);
        assert_code(&second, 0);
        let stderr = text(&second.stderr);
        assert!(
            stderr.contains("copied 0 files (0 bytes), 4 unchanged"),
            "{stderr}"
        );
    }
}

#[test]
fn shapes_of_tokens_are_masked_without_being_told_and_binaries_on_request() {
    let environment = TestEnvironment::new();
    let token = format!("ghp_{}", "Ab3dE5".repeat(6));
    environment.write("out/a.log", format!("using {token}."));
    environment.write("out/binary", format!("\0{token}"));
    environment.write("records.json", format!("[\"{token}\"]"));
    let bucket = Bucket::folder(&environment);
    let args = [
        "--artifacts-dir=out",
        "--censor-binaries",
        "--records=records.json",
    ];
    assert_code(&bucket.run(&environment, &args), 0);
    let masked = format!("ghp_{}", "X".repeat(36));
    for (name, expected) in [
        ("artifacts/a.log", format!("using {masked}.")),
        ("artifacts/binary", format!("\0{masked}")),
        ("clone-records.json", format!("[\"{masked}\"]")),
    ] {
        assert_eq!(text(&bucket.read(name).unwrap()), expected);
    }
}

#[test]
fn a_file_that_cannot_be_censored_is_not_uploaded_and_named() {
    let environment = TestEnvironment::new();
    mount(&environment);
    let whole = gzip(SECRET.repeat(100).as_bytes());
    environment.write("out/cut.gz", &whole[..whole.len() - 9]);
    environment.write("out/good.log", "good");
    for bucket in Bucket::both(&environment) {
        let output = bucket.run(&environment, &SYNC);
        assert_code(&output, 75);
        let stderr = text(&output.stderr);
        let last = stderr.lines().last().unwrap();
        assert!(
            last.contains("1 file missing") && last.ends_with("cut.gz"),
            "{stderr}"
        );
        assert_eq!(bucket.read("artifacts/cut.gz"), None);
        assert!(bucket.read("artifacts/good.log").is_some());
    }
}

#[test]
fn secrets_that_cannot_be_read_keep_everything_here() {
    let environment = TestEnvironment::new();
    environment.write("out/a.log", "a");
    let bucket = Bucket::folder(&environment);
    let output = bucket.run(&environment, &SYNC);
    assert_code(&output, 2);
    assert!(
        text(&output.stderr).contains("secrets"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(bucket.read("artifacts/a.log"), None);
}
