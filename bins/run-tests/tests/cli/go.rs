//! run-tests with the real go on small real suites.

use std::process::Output;

use common::junit::{self, Outcome};
use e2e::{TestEnvironment, is_running, text};

/// One module with this test file in each package.
fn module(files: &[(&str, &str)]) -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.write("go.mod", "module example.com/demo\n\ngo 1.21\n");
    for (package, source) in files {
        let name = package.rsplit('/').next().unwrap();
        let source = format!(
            "package {name}\n\nimport (\"testing\"; \"fmt\"; \"os\"; \"time\")\n\nvar _ = fmt.Sprint\nvar _ = os.Exit\nvar _ = time.Sleep\n\n{source}\n"
        );
        environment.write(format!("{package}/a_test.go"), source);
    }
    environment
}

fn run_tests(environment: &TestEnvironment, args: &str) -> Output {
    // Compiled once, not in each test's own home.
    let cache = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    environment
        .bin("run-tests")
        .env("GOCACHE", cache.join("build"))
        .env("GOPATH", cache.join("path"))
        .env("GOFLAGS", "-vet=off")
        .env("GOTOOLCHAIN", "local")
        .args(["--junit", "j.xml", "--target-name", "unit"])
        .args(args.split(' '))
        .output()
        .unwrap()
}

/// Each case of the report: suite, name, outcome, message.
fn cases(environment: &TestEnvironment) -> String {
    let mut cases = Vec::new();
    let xml = environment.read("j.xml");
    junit::read(xml.as_bytes(), "j.xml", |suite, case| {
        let suite = suite.trim_start_matches("example.com/demo/");
        let place = match (&case.file, case.line) {
            (Some(file), Some(line)) => format!(" ({file}:{line})"),
            _ => String::new(),
        };
        let (what, message) = match &case.outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed(detail) => ("failed", detail.message.as_str()),
            Outcome::Errored(detail) => ("error", detail.message.as_str()),
            Outcome::Skipped(detail) => ("skipped", detail.message.as_str()),
        };
        let line = format!("{suite} {} {what} {message}", case.name);
        cases.push(line.trim_end().to_owned() + &place);
    })
    .unwrap();
    // Packages end in any order.
    cases.sort_by(|one, other| one.split(' ').next().cmp(&other.split(' ').next()));
    cases.join("\n") + "\n"
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("run-tests was killed")
}

#[test]
fn all_kinds_of_tests_are_read_and_shown_as_go_shows_them() {
    let environment = module(&[
        (
            "good",
            "func TestA(t *testing.T) { t.Log(\"hidden\") }
             func TestSub(t *testing.T) {
                t.Run(\"x y\", func(t *testing.T) { t.Parallel() })
                t.Run(\"z\", func(t *testing.T) { t.Skip(\"later\") })
             }
             func Example() { fmt.Println(1)\n// Output: 1\n}
             func BenchmarkA(b *testing.B) { for i := 0; i < b.N; i++ {} }
             func FuzzA(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, i int) {}) }",
        ),
        (
            "bad",
            "func TestFails(t *testing.T) { t.Log(\"a log\"); t.Fatal(\"the reason\") }
             func TestSub(t *testing.T) { t.Run(\"inner\", func(t *testing.T) { t.Error(\"no\") }) }
             func Example() { fmt.Println(1)\n// Output: 2\n}",
        ),
    ]);
    environment.write("none/a.go", "package none\n");
    let output = run_tests(
        &environment,
        "-- go test -bench . -benchtime 1x ./good ./bad ./none",
    );
    insta::assert_snapshot!(cases(&environment), @r#"
    bad TestFails failed the reason (bad/a_test.go:9)
    bad TestSub/inner failed no (bad/a_test.go:10)
    bad TestSub failed a subtest of it failed
    bad Example failed the example printed "1"
    good TestA passed
    good TestSub/z skipped later
    good TestSub/x_y passed
    good TestSub passed
    good FuzzA/seed#0 passed
    good FuzzA passed
    good Example passed
    good BenchmarkA passed
    "#);
    assert_eq!(code(&output), 1);
    let stdout = text(&output.stdout);
    for shown in [
        "the reason",
        "ok  \texample.com/demo/good",
        "FAIL\texample.com/demo/bad",
        "[no test files]",
        "ns/op",
    ] {
        assert!(stdout.contains(shown), "{shown}: {stdout}");
    }
    assert!(
        !stdout.contains("hidden") && !stdout.contains("\"Action\""),
        "{stdout}"
    );
    let output = run_tests(&environment, "-- go test -v ./good");
    assert_eq!(code(&output), 0);
    assert!(text(&output.stdout).contains("hidden"), "-v shows all");
}

#[test]
fn what_is_no_tests_own_is_an_error_that_says_so() {
    let environment = module(&[
        ("compile", "func TestA(t *testing.T) { missing() }"),
        (
            "panics",
            "func TestA(t *testing.T) { panic(\"boom\") }\nfunc TestB(t *testing.T) {}",
        ),
        (
            "routine",
            "func TestA(t *testing.T) {}
             func TestB(t *testing.T) { go panic(\"boom\"); time.Sleep(time.Minute) }",
        ),
        ("exits", "func TestA(t *testing.T) { os.Exit(1) }"),
        (
            "starts",
            "func init() { fmt.Println(\"no database\"); os.Exit(1) }\nfunc TestA(t *testing.T) {}",
        ),
        (
            "main",
            "func TestMain(m *testing.M) { m.Run(); os.Exit(3) }\nfunc TestA(t *testing.T) {}",
        ),
    ]);
    let output = run_tests(&environment, "-- go test ./...");
    assert_eq!(code(&output), 1);
    insta::assert_snapshot!(cases(&environment), @r#"
    compile build error the package does not build: compile/a_test.go:9:28: undefined: missing (compile/a_test.go:9)
    exits TestA error the test binary ended early while this test ran
    main TestA passed
    main outside of any test error the package failed although no test of it did: its TestMain, perhaps
    panics TestA failed panic: boom [recovered, repanicked] (panics/a_test.go:9)
    panics ended early error not all tests of the package may have run: panic: boom [recovered, repanicked]
    routine TestA passed
    routine TestB error panic: boom while this test ran (routine/a_test.go:10)
    starts ended early error not all tests of the package may have run: no database
    "#);
    let stdout = text(&output.stdout);
    assert!(stdout.contains("undefined: missing"), "{stdout}");
    assert_eq!(stdout.matches("panic: boom").count(), 2, "{stdout}");
}

#[test]
fn a_package_that_is_not_there_and_no_tests_at_all_are_red() {
    let environment = module(&[("good", "func TestA(t *testing.T) {}")]);
    let output = run_tests(&environment, "-- go test ./missing");
    assert_eq!(code(&output), 1);
    assert!(
        cases(&environment).contains("build error"),
        "{}",
        cases(&environment)
    );
    let output = run_tests(&environment, "-- go test -run Nothing ./...");
    assert_eq!(code(&output), 1);
    insta::assert_snapshot!(cases(&environment), @"unit no tests error the command ran no test; --allow-empty accepts that");
    let output = run_tests(&environment, "-- go test -mod=wrong ./...");
    assert_eq!(code(&output), 1);
    assert!(
        cases(&environment).contains("no test was seen"),
        "{}",
        cases(&environment)
    );
    let output = run_tests(&environment, "--allow-empty -- go test -run Nothing ./...");
    assert_eq!(code(&output), 0);
}

const HANGS: &str = "func TestQuick(t *testing.T) {}
    func TestWaits(t *testing.T) { t.Parallel() }
    func TestHangs(t *testing.T) { os.WriteFile(\"pid\", []byte(fmt.Sprint(os.Getpid())), 0o644); time.Sleep(time.Hour) }";

#[test]
fn a_test_that_hangs_is_named_with_what_it_was_doing() {
    for (flags, message) in [
        (
            "--timeout 15s",
            "the command was ended at its time limit of 15s while this test ran",
        ),
        ("--test-timeout 1s", "timed out: it ran longer than 1s"),
    ] {
        let environment = module(&[("hangs", HANGS)]);
        let output = run_tests(&environment, &format!("{flags} -- go test ./..."));
        assert_eq!(code(&output), 124, "{}", text(&output.stderr));
        let cases = cases(&environment);
        assert!(
            cases.contains(&format!("hangs TestHangs error {message}")),
            "{cases}"
        );
        assert!(
            cases.contains("while this test waited for its turn"),
            "{cases}"
        );
        assert!(cases.contains("hangs TestQuick passed"), "{cases}");
        // The dump: which line of the test it was.
        let xml = environment.read("j.xml");
        assert!(
            xml.contains("SIGQUIT: quit") && xml.contains("demo/hangs.TestHangs("),
            "{xml}"
        );
        let pid = environment.read("hangs/pid").parse().unwrap();
        assert!(!is_running(pid));
    }
}

/// Fails as often as the file says.
const FLAKY: &str = "func fails(t *testing.T, name string, times int) {
        runs, _ := os.ReadFile(name)
        os.WriteFile(name, append(runs, 'x'), 0o644)
        if len(runs) < times { t.Fatalf(\"run %d\", len(runs) + 1) }
    }
    func TestFlaky(t *testing.T) { fails(t, \"flaky\", 1) }
    func TestSteady(t *testing.T) { fails(t, \"steady\", 0) }
    func TestSub(t *testing.T) {
        t.Run(\"twice\", func(t *testing.T) { fails(t, \"twice\", 2) })
        t.Run(\"steady\", func(t *testing.T) { fails(t, \"steady-sub\", 0) })
    }";

#[test]
fn only_failed_tests_run_again_and_both_attempts_are_reported() {
    let environment = module(&[("flaky", FLAKY)]);
    let output = run_tests(&environment, "--rerun-fails 3 -- go test ./...");
    let stderr = text(&output.stderr);
    assert_eq!(code(&output), 0, "{stderr}");
    insta::assert_snapshot!(cases(&environment), @r#"
    flaky TestFlaky failed run 1 (flaky/a_test.go:12)
    flaky TestSteady passed
    flaky TestSub/twice failed run 2 (flaky/a_test.go:12)
    flaky TestSub/steady passed
    flaky TestSub failed a subtest of it failed
    flaky TestFlaky passed
    flaky TestSub/twice passed
    flaky TestSub passed
    "#);
    for (name, runs) in [("flaky", 2), ("steady", 1), ("twice", 3), ("steady-sub", 3)] {
        let seen = environment.read(format!("flaky/{name}"));
        assert_eq!(seen.len(), runs, "{name}");
    }
    assert!(
        stderr.contains("running 3 failed tests again, attempt 1 of 3"),
        "{stderr}"
    );
    assert!(stderr.contains("failed, then passed"), "{stderr}");
    let xml = environment.read("j.xml");
    let summary = junit::summarize(xml.as_bytes(), "j.xml").unwrap();
    assert!(summary.passed() && summary.flaky == 3, "{summary:?}");
}

#[test]
fn subtests_that_a_failed_one_kept_from_running_run_when_it_passes() {
    let source = format!(
        "{FLAKY}
    func TestP(t *testing.T) {{
        if !t.Run(\"a\", func(t *testing.T) {{ fails(t, \"a\", 1) }}) {{ return }}
        t.Run(\"b\", func(t *testing.T) {{ t.Fatal(\"never ran before\") }})
    }}"
    );
    let environment = module(&[("flaky", &source)]);
    let output = run_tests(&environment, "--rerun-fails 3 -- go test -run TestP ./...");
    assert_eq!(code(&output), 1, "{}", text(&output.stderr));
    let cases = cases(&environment);
    assert!(cases.contains("TestP/b failed never ran before"), "{cases}");
}

#[test]
fn flaky_tests_are_red_where_that_is_asked_for_or_too_many_fail() {
    let environment = module(&[("flaky", FLAKY)]);
    let output = run_tests(
        &environment,
        "--rerun-fails 3 --flaky fail -- go test ./...",
    );
    assert_eq!(code(&output), 1, "{}", text(&output.stderr));
    assert!(
        cases(&environment).contains("3 tests are flaky"),
        "{}",
        cases(&environment)
    );

    let environment = module(&[("flaky", FLAKY)]);
    let args = "--rerun-fails 3 --rerun-fails-max-failures 2 -- go test ./...";
    let output = run_tests(&environment, args);
    assert_eq!(code(&output), 1);
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("nothing is run again: 3 tests failed"),
        "{stderr}"
    );
    assert_eq!(environment.read("flaky/flaky"), "x");
}

#[test]
fn a_package_that_crashed_is_not_run_again() {
    let source = format!(
        "{FLAKY}\nfunc TestZ(t *testing.T) {{ panic(\"boom\") }}\nfunc TestZZ(t *testing.T) {{}}"
    );
    let environment = module(&[("flaky", &source)]);
    let output = run_tests(&environment, "--rerun-fails 3 -- go test ./...");
    assert_eq!(code(&output), 1);
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("nothing is run again: ended early"),
        "{stderr}"
    );
}

#[test]
fn what_passed_tests_said_is_in_the_report_where_all_is_asked_for() {
    let environment = module(&[(
        "a",
        "func TestSays(t *testing.T) { fmt.Println(\"printed\"); t.Log(\"logged\") }
         func TestQuiet(t *testing.T) {}
         func TestSkips(t *testing.T) { fmt.Println(\"before\"); t.Skip(\"why\") }",
    )]);
    for (choice, said) in [("all", true), ("failed", false)] {
        let args = format!("--junit-output {choice} -- go test ./...");
        assert_eq!(code(&run_tests(&environment, &args)), 0);
        let report = environment.read("j.xml");
        assert_eq!(report.contains("<system-out>printed\n"), said, "{report}");
        assert_eq!(report.contains("logged\n</system-out>"), said, "{report}");
        assert_eq!(report.contains("<system-out>before\n"), said, "{report}");
        assert!(
            report.contains("name=\"TestQuiet\" classname=\"unit\" time=\"0.000\"/>"),
            "{report}"
        );
    }
}

#[test]
fn shards_of_go_follow_recorded_durations() {
    let tests = |names: &[&str]| -> String {
        let test = |name: &&str| format!("func {name}(t *testing.T) {{}}\n");
        names.iter().map(test).collect()
    };
    let names = ["TestA", "TestB", "TestC", "TestD"];
    let environment = module(&[("a", &tests(&names)), ("b", &tests(&["TestE"]))]);
    let shards = |pattern: &str| {
        [1, 2].map(|shard| {
            let args = format!("--shard {shard}/2 --shard-durations d.xml -- go test {pattern}");
            assert_eq!(code(&run_tests(&environment, &args)), 0);
            cases(&environment)
        })
    };
    // One test takes as long as the three others.
    let time =
        |name: &str, time: u32| format!("<testcase name='{name}' classname='unit' time='{time}'/>");
    let recorded = ["TestA", "TestB", "TestD"]
        .map(|name| time(name, 1))
        .concat();
    let suite = |package: &str, cases: &str| {
        format!("<testsuite name='example.com/demo/{package}'>{cases}</testsuite>")
    };
    environment.write("d.xml", suite("a", &(recorded + &time("TestC", 3))));
    assert_eq!(
        shards("./a"),
        [
            "a TestC passed\n",
            "a TestA passed\na TestB passed\na TestD passed\n"
        ]
    );
    // Packages by the sum of their tests: the longest comes first.
    let both = suite("a", &time("TestA", 1)) + &suite("b", &time("TestE", 5));
    environment.write("d.xml", format!("<testsuites>{both}</testsuites>"));
    let [first, second] = shards("./...");
    assert_eq!(first, "b TestE passed\n");
    assert_eq!(second.lines().count(), 4, "{second}");
}
