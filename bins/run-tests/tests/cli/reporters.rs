//! run-tests with tools that write JUnit themselves, and with Bats: the real ones.

use std::os::unix::fs::PermissionsExt;

use crate::support::{assert_code, assert_program, cases, run_tests, tool};
use e2e::{TestEnvironment, text};

/// A crate of its own with these tests.
fn krate(tests: &str) -> TestEnvironment {
    let environment = TestEnvironment::new();
    let manifest =
        "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
    environment.write("Cargo.toml", manifest);
    let source = format!("#[cfg(test)]\nmod tests {{\n{tests}\n}}\n");
    environment.write("src/lib.rs", source);
    environment
}

/// The places of rustup and cargo, which a clean environment does not name.
fn toolchain() -> Vec<String> {
    let home = std::env::var("HOME").unwrap_or_default();
    let place = |name: &str, folder: &str| {
        let value = std::env::var(name).unwrap_or_else(|_| format!("{home}/{folder}"));
        format!("{name}={value}")
    };
    vec![
        "env".to_owned(),
        place("RUSTUP_HOME", ".rustup"),
        place("CARGO_HOME", ".cargo"),
        "CARGO_NET_OFFLINE=true".to_owned(),
        "RUST_BACKTRACE=0".to_owned(),
    ]
}

fn nextest(environment: &TestEnvironment, flags: &[&str], args: &[&str]) -> std::process::Output {
    let program = tool("cargo-nextest-0.9.148/bin/cargo-nextest");
    let mut command = toolchain();
    command.push(program.display().to_string());
    command.extend(["nextest", "run"].map(str::to_owned));
    command.extend(args.iter().map(ToString::to_string));
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    run_tests(environment, flags, &command)
}

/// `thread 'a' (25806) panicked`: a number that is another one each time.
fn without_thread(line: &str) -> String {
    match line.split_once("' (") {
        Some((before, after)) => {
            let after = after.split_once(") ").map_or(after, |(_, after)| after);
            format!("{before}' {after}")
        }
        None => line.to_owned(),
    }
}

#[test]
fn nextest_reports_with_and_without_a_configuration_of_the_repositorys() {
    let environment = krate(
        "#[test] fn good() {}
         #[test] fn bad() { assert_eq!(1, 2, \"sum\"); }
         #[test] fn flaky() { assert_eq!(std::env::var(\"NEXTEST_ATTEMPT\").unwrap(), \"2\"); }",
    );
    let sorted = || {
        let cases = cases(&environment, "j.xml");
        let mut lines: Vec<String> = cases.lines().map(without_thread).collect();
        lines.sort_unstable();
        lines.join("\n")
    };
    let output = nextest(&environment, &[], &["--no-fail-fast", "--retries", "1"]);
    assert_code(&output, 1);
    insta::assert_snapshot!(sorted(), @"
    demo | tests::bad failed thread 'tests::bad' panicked at src/lib.rs:4:29 (src/lib.rs:4)
    demo | tests::flaky failed thread 'tests::flaky' panicked at src/lib.rs:5:31 (src/lib.rs:5)
    demo | tests::flaky passed
    demo | tests::good passed
    ");
    let log = text(&output.stderr);
    assert!(log.contains("1 passed, 1 failed, 1 flaky"), "{log}");
    // The repository's own file wins, and is found.
    environment.write(
        ".config/nextest.toml",
        "[profile.ci.junit]\npath = \"mine.xml\"\n",
    );
    let output = nextest(&environment, &[], &["--no-fail-fast", "-P", "ci"]);
    assert_code(&output, 1);
    assert!(
        sorted().contains("demo | tests::good passed"),
        "{}",
        sorted()
    );
    assert!(
        environment
            .path()
            .join("target/nextest/ci/mine.xml")
            .exists()
    );
}

#[test]
fn every_test_of_nextest_runs_in_exactly_one_shard() {
    let environment = krate(
        "#[test] fn slow() {} #[test] fn one() {} #[test] fn two() {} #[test] fn other() {}
         #[test] #[ignore] fn ignored() {}",
    );
    // What an earlier run reported, in a workflow and by nextest itself.
    environment.write(
        "old.xml",
        "<testsuite name='demo'><testcase classname='unit' name='e2e/tests::slow' time='9'/>\
         <testcase classname='demo' name='tests::one' time='4'/>\
         <testcase classname='demo' name='tests::two' time='4'/></testsuite>",
    );
    environment.write(
        "old.txt",
        "9 tests::slow\n4 demo tests::one\n4 tests::two\n",
    );
    let shards = |flags: &[&str]| {
        ["1/2", "2/2"].map(|shard| {
            let flags = [&["--shard", shard, "--workflow", "e2e"], flags].concat();
            let own = ["--no-fail-fast", "-j2", "-E", "not test(other)"];
            assert_code(&nextest(&environment, &flags, &own), 0);
            let cases = cases(&environment, "j.xml");
            let lines = cases.lines().map(|line| {
                let name = line.strip_prefix("demo | e2e/tests::");
                name.and_then(|name| name.strip_suffix(" passed"))
                    .unwrap()
                    .to_owned()
            });
            let mut names: Vec<String> = lines.collect();
            names.sort();
            names
        })
    };
    let mut seen = shards(&[]).concat();
    seen.sort();
    assert_eq!(seen, ["one", "slow", "two"]);
    assert_code(&nextest(&environment, &["--allow-empty"], &["nothing"]), 0);
    for durations in ["old.xml", "old.txt"] {
        let [first, second] = shards(&["--shard-durations", durations]);
        assert_eq!(first, ["slow"], "{durations}");
        assert_eq!(second, ["one", "two"], "{durations}");
    }
}

#[test]
fn every_test_of_cargo_runs_in_exactly_one_shard() {
    let tests: Vec<String> = (0..9)
        .map(|number| format!("#[test] fn t{number}() {{}}"))
        .collect();
    let tests = tests.join("\n");
    let environment = krate(&tests);
    environment.write(
        "tests/more.rs",
        "#[test] fn other() {}\n#[test] fn t1() {}\n",
    );
    environment.write("old.txt", "9 tests::t0\n1 tests::t1\n1 other\n");
    let mut command = toolchain();
    command.extend(["cargo", "test", "--tests"].map(str::to_owned));
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    // `env` is no tool that can be divided, so its variables are ours.
    let cargo = &command[command.len() - 3..];
    let run = |flags: &[&str]| {
        let mut bin = environment.bin("run-tests");
        for variable in &command[1..command.len() - 3] {
            let (name, value) = variable.split_once('=').unwrap_or_default();
            bin.env(name, value);
        }
        let output = bin
            .args(["--junit", "j.xml", "--target-name", "unit"])
            .args(flags)
            .arg("--")
            .args(cargo)
            .output();
        output.map(|output| assert_code(&output, 0)).is_ok()
    };
    for flags in [&[][..], &["--shard-durations", "old.txt"]] {
        let mut seen = Vec::new();
        for shard in ["1/3", "2/3", "3/3"] {
            assert!(run(&[&["--shard", shard], flags].concat()));
            seen.extend(cases(&environment, "j.xml").lines().map(str::to_owned));
        }
        seen.retain(|line| !line.is_empty());
        seen.sort();
        let mut expected: Vec<String> = (0..9)
            .map(|number| format!("demo | tests::t{number} passed"))
            .collect();
        expected.extend(["demo::more | other passed", "demo::more | t1 passed"].map(str::to_owned));
        expected.sort();
        assert_eq!(seen, expected, "{flags:?}");
    }
}

#[test]
fn every_test_of_go_runs_in_exactly_one_shard() {
    let environment = TestEnvironment::new();
    let package = |name: &str, tests: &[&str]| {
        let tests: Vec<String> = tests
            .iter()
            .map(|test| format!("func {test}(t *testing.T) {{}}"))
            .collect();
        let tests = tests.join("\n");
        let source = format!("package {name}\n\nimport \"testing\"\n\n{tests}");
        environment.write(format!("{name}/a_test.go"), source);
    };
    environment.write("go.mod", "module example.com/demo\n\ngo 1.21\n");
    package("a", &["TestOne", "TestTwo", "TestThree", "TestFour"]);
    package("b", &["TestOne"]);
    package("c", &["TestOne"]);
    environment.write("none/none.go", "package none\n");
    let cache = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let run = |shard: &str, pattern: &str| {
        let output = environment
            .bin("run-tests")
            .env("GOCACHE", cache.join("build"))
            .env("GOPATH", cache.join("path"))
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-vet=off")
            .args([
                "--junit",
                "j.xml",
                "--target-name",
                "unit",
                "--shard",
                shard,
            ])
            .args(["--", "go", "test", pattern])
            .output();
        output.map(|output| assert_code(&output, 0)).is_ok()
    };
    for (pattern, tests) in [("./...", 6), ("./a", 4)] {
        let mut seen = Vec::new();
        for shard in ["1/3", "2/3", "3/3"] {
            assert!(run(shard, pattern));
            seen.extend(cases(&environment, "j.xml").lines().map(str::to_owned));
        }
        seen.retain(|line| !line.is_empty());
        seen.sort();
        assert_eq!(seen.len(), tests, "{seen:?}");
        seen.dedup();
        assert_eq!(seen.len(), tests, "{seen:?}");
    }
}

#[test]
fn ctest_and_nodes_test_runner_are_asked_for_junit() {
    let environment = TestEnvironment::new();
    assert_program("ctest");
    environment.write(
        "CTestTestfile.cmake",
        "add_test(good \"true\")\nadd_test(bad \"sh\" \"-c\" \"echo why; exit 3\")\n\
         add_test(slow \"sh\" \"-c\" \"echo begun; exec sleep 100\")\n\
         set_tests_properties(slow PROPERTIES TIMEOUT 1)\n",
    );
    assert_code(&run_tests(&environment, &[], &["ctest"]), 1);
    insta::assert_snapshot!(cases(&environment, "j.xml"), @"
    unit | good passed
    unit | bad failed why
    unit | slow failed Timeout: begun
    ");
    environment.write(
        "a.test.mjs",
        "import test from 'node:test'; import assert from 'node:assert';
         test('adds', () => {}); test('breaks', () => assert.equal(1, 2, 'sum'));\n",
    );
    let output = run_tests(&environment, &[], &["node", "--test", "a.test.mjs"]);
    assert_code(&output, 1);
    insta::assert_snapshot!(cases(&environment, "j.xml"), @"
    unit | adds passed
    unit | breaks failed sum
    ");
}

#[test]
fn bats_is_read_as_it_speaks() {
    assert_program("bats");
    let environment = TestEnvironment::new();
    environment.write(
        "t/a.bats",
        "@test \"adds two\" { [ $((1+1)) -eq 2 ]; }\n\
         @test \"fails # here\" { echo \"some output\"; false; }\n\
         @test \"skips\" { skip \"no network\"; }\n",
    );
    for timing in [&["bats", "t"][..], &["bats", "--timing", "t"]] {
        assert_code(&run_tests(&environment, &[], timing), 1);
        insta::allow_duplicates! {
            insta::assert_snapshot!(cases(&environment, "j.xml"), @r#"
            unit | adds two passed
            unit | fails # here failed `@test "fails # here" { echo "some output"; false; }' failed (t/a.bats:2)
            unit | skips skipped no network
            "#);
        }
    }
}

#[test]
fn a_report_on_stdout_is_read_and_one_of_what_was_read_already_is_not() {
    assert_program("bats");
    let environment = TestEnvironment::new();
    environment.write(
        "t/a.bats",
        "@test \"adds\" { true; }\n@test \"fails\" { echo '</testsuites>'; false; }\n",
    );
    let printed = ["bats", "--formatter", "junit", "t"];
    assert_code(&run_tests(&environment, &[], &printed), 1);
    insta::assert_snapshot!(cases(&environment, "j.xml"), @"
    a.bats | adds passed
    a.bats | fails failed (in test file t/a.bats, line 2) (t/a.bats:2)
    ");
    let twice = "bats --tap t; code=$?; bats --formatter junit t; exit $code";
    assert_code(&run_tests(&environment, &[], &["sh", "-c", twice]), 1);
    insta::assert_snapshot!(cases(&environment, "j.xml"), @r#"
    unit | adds passed
    unit | fails failed `@test "fails" { echo '</testsuites>'; false; }' failed (t/a.bats:2)
    "#);
}

#[test]
fn recorded_reports_are_read_as_their_tools_meant_them() {
    for (file, counted) in [
        (
            "junit-pytest.xml",
            "6 passed, 5 failed, 3 errors, 2 skipped",
        ),
        // Bats counts what failed in `teardown_file`, and shows no case for it.
        ("junit-bats.xml", "2 passed, 4 failed, 1 skipped"),
        // Surefire 3.5 with rerunFailingTestsCount: counts of its own, several shapes of attempts.
        (
            "junit-surefire.xml",
            "3 passed, 1 failed, 1 error, 1 skipped, 1 flaky",
        ),
    ] {
        let environment = TestEnvironment::new();
        let recorded = format!("{}/tests/fixtures/{file}", env!("CARGO_MANIFEST_DIR"));
        let flags = ["--junit-from", "out.xml"];
        let script = format!("cp {recorded} out.xml; exit 1");
        let output = run_tests(&environment, &flags, &["sh", "-c", &script]);
        assert_code(&output, 1);
        let log = text(&output.stderr);
        assert!(log.contains(counted), "{log}");
    }
}

#[test]
fn mavens_reports_are_found_and_an_attempt_keeps_its_stack_trace() {
    let environment = TestEnvironment::new();
    let recorded = format!(
        "{}/tests/fixtures/junit-surefire.xml",
        env!("CARGO_MANIFEST_DIR")
    );
    // Maven's own wrapper in a project stands for Maven here.
    let script = format!(
        "#!/bin/sh\nmkdir -p m/target/surefire-reports\n\
         cp {recorded} m/target/surefire-reports/TEST-demo.SumTest.xml\nexit 1\n"
    );
    let wrapper = environment.write("mvnw", script);
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = run_tests(&environment, &[], &["./mvnw", "-B", "test"]);
    assert_code(&output, 1);
    insta::assert_snapshot!(cases(&environment, "j.xml"), @r"
    demo.SumTest | passes passed
    demo.SumTest | isDisabled skipped not today
    demo.SumTest | fails failed sum ==> expected: <3> but was: <2>
    demo.SumTest | takes(String)[1] passed
    demo.SumTest | takes(String)[2] passed
    demo.SumTest | throwsAnError error no &#0; database
    demo.SumTest | isFlaky failed expected: <2> but was: <1>
    demo.SumTest | isFlaky passed
    ");
    let report = environment.read("j.xml");
    let attempt =
        "message=\"expected: &lt;2&gt; but was: &lt;1&gt;\">org.opentest4j.AssertionFailedError";
    assert!(report.contains(attempt), "{report}");
}

#[test]
fn what_maven_said_is_told_where_it_wrote_no_report() {
    let environment = TestEnvironment::new();
    let script = "#!/bin/sh\necho '[ERROR] COMPILATION ERROR'\nexit 1\n";
    let wrapper = environment.write("mvnw", script);
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_code(&run_tests(&environment, &[], &["./mvnw", "test"]), 1);
    let report = environment.read("j.xml");
    assert!(
        report.contains("Maven was asked for JUnit and wrote none"),
        "{report}"
    );
    assert!(report.contains("[ERROR] COMPILATION ERROR"), "{report}");
}

#[test]
fn a_stale_report_whose_mode_was_changed_is_still_stale() {
    let environment = TestEnvironment::new();
    let report = "<testsuite name='s'><testcase name='a'/></testsuite>";
    environment.write("old.xml", report);
    let flags = ["--junit-from", "old.xml"];
    let output = run_tests(&environment, &flags, &["chmod", "600", "old.xml"]);
    assert_code(&output, 1);
    let log = text(&output.stderr);
    assert!(
        log.contains("old.xml was there before the command ran"),
        "{log}"
    );
    // Written anew, the same bytes are a report of this run.
    let script = format!("echo \"{report}\" > old.xml");
    assert_code(&run_tests(&environment, &flags, &["sh", "-c", &script]), 0);
}
