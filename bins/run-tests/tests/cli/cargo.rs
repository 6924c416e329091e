//! run-tests with libtest's JSON, from the real cargo.

use std::process::Output;

use crate::support::{assert_code, cases};
use e2e::{TestEnvironment, text};

/// `cargo test -- --format json` on a crate with these tests.
fn json(flags: &[&str], source: &str) -> (TestEnvironment, Output) {
    let environment = TestEnvironment::new();
    let manifest = "[package]\nname = \"demo\"\nedition = \"2021\"\n[workspace]\n";
    environment.write("Cargo.toml", manifest);
    environment.write("src/lib.rs", source);
    let home = std::env::var("HOME").unwrap_or_default();
    let place = |name: &str, folder: &str| {
        std::env::var(name).unwrap_or_else(|_| format!("{home}/{folder}"))
    };
    let output = environment
        .bin("run-tests")
        .env("RUSTUP_HOME", place("RUSTUP_HOME", ".rustup"))
        .env("CARGO_HOME", place("CARGO_HOME", ".cargo"))
        // libtest offers its JSON on nightly toolchains only, or to those who say this.
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["--junit", "j.xml", "--target-name", "unit"])
        .args(flags)
        .args(["--", "cargo", "test", "--offline", "--lib", "--"])
        .args(["-Z", "unstable-options", "--format", "json"])
        .output()
        .unwrap();
    (environment, output)
}

#[test]
fn libtests_json_is_read() {
    let (environment, output) = json(
        &[],
        "#[test] fn good() {}
         #[test] #[ignore = \"why\"] fn ignored() {}
         #[test] fn bad() { println!(\"said\"); assert_eq!(1, 2, \"sum\"); }",
    );
    assert_code(&output, 1);
    let mut lines: Vec<String> = cases(&environment, "j.xml")
        .lines()
        .map(str::to_owned)
        .collect();
    // Tests run at once.
    lines.sort();
    assert_eq!(
        lines,
        [
            "demo | bad failed assertion `left == right` failed: sum (src/lib.rs:3)",
            "demo | good passed",
            "demo | ignored skipped why",
        ]
    );
}

#[test]
fn a_crash_is_an_error_of_the_tests_that_ran() {
    let (environment, output) = json(&[], "#[test] fn dies() { std::process::abort(); }");
    assert_code(&output, 1);
    let cases = cases(&environment, "j.xml");
    let expected = "demo | dies error the test binary ended while this test ran (signal: 6";
    assert!(cases.starts_with(expected), "{cases}");
}

#[test]
fn a_test_that_takes_too_long_is_named() {
    let (environment, output) = json(
        &["--test-timeout", "1s", "--grace-period", "1s"],
        "#[test] fn hangs() { std::thread::sleep(std::time::Duration::from_secs(1000)); }",
    );
    assert_code(&output, 124);
    let cases = cases(&environment, "j.xml");
    assert_eq!(cases, "demo | hangs error timed out: it ran longer than 1s");
    assert!(text(&output.stderr).contains("hangs: timed out"));
}
