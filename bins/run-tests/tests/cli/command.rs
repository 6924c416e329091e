//! run-tests through the built binary.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use common::junit::{Summary, summarize};
use e2e::{Running, TestEnvironment, binary, is_running, text, wait_until};

/// `run-tests --artifacts-dir out --target-name unit ARGS`.
fn run_tests(environment: &TestEnvironment, args: &[&str]) -> Output {
    environment
        .bin("run-tests")
        .args(["--artifacts-dir", "out", "--target-name", "unit"])
        .args(args)
        .output()
        .unwrap()
}

fn shell<'a>(flags: &[&'a str], script: &'a str) -> Vec<&'a str> {
    [flags, &["--", "sh", "-c", script]].concat()
}

/// The report, and the message of its first fault.
fn report(environment: &TestEnvironment) -> (Summary, String) {
    let xml = environment.read("out/junit_unit.xml");
    let summary = summarize(xml.as_bytes(), "junit_unit.xml").unwrap();
    let first = summary
        .failed
        .first()
        .map(|test| format!("{}: {}", test.name, test.message));
    (summary, first.unwrap_or_default())
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("run-tests was killed")
}

#[test]
fn help_has_examples_and_the_exit_codes() {
    let environment = TestEnvironment::new();
    let output = environment.bin("run-tests").arg("--help").output().unwrap();
    assert_eq!(code(&output), 0);
    let help = text(&output.stdout);
    assert!(
        help.contains("EXAMPLES:") && help.contains("EXIT CODES:"),
        "{help}"
    );
    assert!(!help.contains("artifacts_dir"), "{help}");
}

#[test]
fn dry_run_prints_the_plan_and_does_nothing() {
    let environment = TestEnvironment::new();
    let args = shell(&["--dry-run", "--timeout", "30m"], "echo $HOME > ran");
    let output = run_tests(&environment, &args);
    insta::assert_snapshot!(environment.snapshot(&output), @"
    status: 0
    ----- stdout
    command:     sh -c 'echo $HOME > ran'
    target name: unit
    format:      auto
    time limit:  30m, 10s to end when asked to
    JUnit file:  out/junit_unit.xml
    ----- stderr
    ");
    assert!(!environment.path().join("ran").exists());
    assert!(!environment.path().join("out").exists());
}

#[test]
fn wrong_usage_is_refused_before_anything_runs() {
    let environment = TestEnvironment::new();
    for args in [
        &["--format", "gone", "--", "true"][..],
        &["true"],
        &["--junit", "../j.xml", "--", "true"],
        &["--timeout", "soon", "--", "true"],
        &["--format", "junit", "--", "true"],
        &["--junit-from", "a[", "--", "true"],
        &[],
    ] {
        let output = run_tests(&environment, args);
        assert_eq!(code(&output), 2, "{args:?}: {}", text(&output.stderr));
        assert!(!output.stderr.is_empty());
    }
    assert!(!environment.path().join("j.xml").exists());
}

#[test]
fn a_command_that_passes_is_one_passed_test() {
    let environment = TestEnvironment::new();
    let output = run_tests(&environment, &shell(&[], "printf 'out\\n'; printf err >&2"));
    insta::assert_snapshot!(environment.snapshot(&output).replace(char::is_numeric, "N"), @"
    status: N
    ----- stdout
    out
    err----- stderr
    [TIME] INFO  unit: N passed in N.N s; JUnit: out/junit_unit.xml
    ");
    let (summary, _) = report(&environment);
    assert_eq!((summary.tests, summary.passed()), (1, true));
    let left: Vec<_> = std::fs::read_dir(environment.path().join("out"))
        .unwrap()
        .collect();
    assert_eq!(left.len(), 2, "the report and the log: {left:?}");
}

#[test]
fn a_command_that_fails_is_one_failed_test_with_its_output() {
    let environment = TestEnvironment::new();
    let output = run_tests(&environment, &shell(&[], "echo why; exit 7"));
    assert_eq!(code(&output), 1);
    assert_eq!(report(&environment).1, "unit: exit code 7");
    assert!(environment.read("out/junit_unit.xml").contains(">why\n<"));
    assert!(text(&output.stderr).contains("failed: unit: exit code 7"));
}

#[test]
fn a_command_killed_by_a_signal_is_an_error() {
    let environment = TestEnvironment::new();
    let output = run_tests(&environment, &shell(&[], "kill -SEGV $$"));
    assert_eq!(code(&output), 1);
    let (summary, first) = report(&environment);
    assert_eq!(
        (summary.errors, first.as_str()),
        (1, "unit: killed by SIGSEGV")
    );
}

#[test]
fn a_command_that_is_not_there_is_an_error_that_says_so() {
    let environment = TestEnvironment::new();
    environment.write("no-program", "text");
    for program in ["no-such-program", "./no-program"] {
        let output = run_tests(&environment, &["--", program, "--flag"]);
        assert_eq!(code(&output), 1);
        let (_, first) = report(&environment);
        assert!(
            first.starts_with(&format!("unit: run {program}: ")),
            "{first}"
        );
        assert!(text(&output.stderr).contains(&first), "{first}");
    }
}

#[test]
fn failed_tests_are_red_although_the_command_ends_with_0() {
    let environment = TestEnvironment::new();
    let output = run_tests(
        &environment,
        &shell(&[], "printf '1..2\\nok 1\\nnot ok 2 - b\\n'"),
    );
    assert_eq!(code(&output), 1);
    assert_eq!(report(&environment).1, "b: not ok");
    assert!(text(&output.stderr).contains("exit code 0 although tests failed"));
}

#[test]
fn a_failure_that_no_test_shows_is_an_error() {
    let environment = TestEnvironment::new();
    let output = run_tests(
        &environment,
        &shell(&[], "printf '1..1\\nok 1\\n'; echo why; exit 3"),
    );
    assert_eq!(code(&output), 1);
    assert_eq!(
        report(&environment).1,
        "exit code: the command failed although no test failed: exit code 3"
    );
    assert!(environment.read("out/junit_unit.xml").contains("why"));
}

#[test]
fn a_plan_that_is_not_fulfilled_is_red() {
    let environment = TestEnvironment::new();
    let output = run_tests(
        &environment,
        &shell(&[], "printf '1..5\\nok 1\\nok 2\\nok 3\\n'"),
    );
    assert_eq!(code(&output), 1);
    assert_eq!(
        report(&environment).1,
        "plan: the plan says 5 tests, 3 were seen"
    );
}

#[test]
fn no_test_at_all_is_red_unless_accepted() {
    let environment = TestEnvironment::new();
    let empty = "printf '\\nrunning 0 tests\\n\\n\
                 test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\\n'";
    let output = run_tests(&environment, &shell(&[], empty));
    assert_eq!(code(&output), 1);
    assert!(
        report(&environment)
            .1
            .starts_with("no tests: the command ran no test")
    );
    let output = run_tests(&environment, &shell(&["--allow-empty"], empty));
    assert_eq!(code(&output), 0);
    assert_eq!(report(&environment).0, Summary::default());
}

#[test]
fn a_limit_of_each_test_that_nobody_could_keep_is_red() {
    let environment = TestEnvironment::new();
    let limit = ["--test-timeout", "1h"];
    for script in [
        "true",
        "printf '1..1\nok 1 - a\n'",
        "echo 'running 1 test'; echo 'test a ... ok'; \
         echo 'test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out'",
    ] {
        let output = run_tests(&environment, &shell(&limit, script));
        assert_eq!(code(&output), 1, "{script}");
        let (_, first) = report(&environment);
        assert!(first.contains("--test-timeout limited no test"), "{first}");
    }
    let event = r#"{"Action":"pass","Package":"p","Test":"TestA"}"#;
    let run = event.replace("pass", "run");
    let end = r#"{"Action":"pass","Package":"p"}"#;
    let script = format!("echo '{run}'; echo '{event}'; echo '{end}'");
    let output = run_tests(&environment, &shell(&limit, &script));
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
}

#[test]
fn a_second_run_replaces_the_report() {
    let environment = TestEnvironment::new();
    assert_eq!(code(&run_tests(&environment, &["--", "false"])), 1);
    assert_eq!(code(&run_tests(&environment, &["--", "true"])), 0);
    assert!(report(&environment).0.passed());
}

#[test]
fn without_a_place_no_junit_is_written_and_that_is_said() {
    let environment = TestEnvironment::new();
    let output = environment
        .bin("run-tests")
        .args(["--", "true"])
        .output()
        .unwrap();
    assert_eq!(code(&output), 0);
    assert!(text(&output.stderr).contains("no JUnit is written"));
    let files = std::fs::read_dir(environment.path()).unwrap().count();
    assert_eq!(files, 1, "only the home");
}

#[test]
fn an_artifacts_folder_that_cannot_be_written_is_refused_before_the_command_runs() {
    let environment = TestEnvironment::new();
    environment.write("out", "a file where the folder should be");
    let output = run_tests(&environment, &shell(&[], "echo > ran"));
    assert_eq!(code(&output), 2);
    assert!(
        text(&output.stderr).contains("write the JUnit file out/junit_unit.xml"),
        "{}",
        text(&output.stderr)
    );
    assert!(!environment.path().join("ran").exists());
}

#[test]
fn the_environment_gives_artifacts_and_target_name() {
    let environment = TestEnvironment::new();
    let output = environment
        .bin("run-tests")
        .env("ARTIFACTS", environment.path().join("a"))
        .env("TEST_TARGET_NAME", "e2e tests")
        .args(["--", "true"])
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(
        environment
            .read("a/junit_e2e-tests.xml")
            .contains("classname=\"e2e tests\"")
    );
}

const STUBBORN: &str = "trap 'echo asked' TERM; sleep 1000 & echo $! > child; echo $$ > shell
    printf '\\nrunning 2 tests\\ntest one ... ok\\ntest two ... working\\n'; while :; do sleep 0.05; done";

fn pid(environment: &TestEnvironment, file: &str) -> u32 {
    environment.read(file).trim().parse().unwrap()
}

#[test]
fn a_time_limit_ends_a_stubborn_command_and_names_the_test_that_ran() {
    let environment = TestEnvironment::new();
    let flags = ["--timeout", "4s", "--grace-period", "1s"];
    let output = run_tests(&environment, &shell(&flags, STUBBORN));
    assert_eq!(code(&output), 124, "{}", text(&output.stderr));
    let (summary, first) = report(&environment);
    assert_eq!((summary.tests, summary.errors), (2, 1));
    assert_eq!(
        first,
        "two: the command was ended at its time limit of 4s while this test ran"
    );
    assert!(text(&output.stdout).contains("asked"));
    for file in ["shell", "child"] {
        assert!(!is_running(pid(&environment, file)), "{file} is left");
    }
}

/// Starts run-tests and waits until its command runs.
fn start(environment: &TestEnvironment, flags: &[&str], script: &str) -> Running {
    let child = Running::start(
        environment
            .command(&binary("run-tests"))
            .args(["--artifacts-dir", "out", "--target-name", "unit"])
            .args(shell(flags, script))
            .stdout(Stdio::null())
            .stderr(Stdio::piped()),
    );
    wait_until("the command runs", || {
        let shell = environment.path().join("shell");
        std::fs::read_to_string(shell).is_ok_and(|pid| pid.ends_with('\n'))
    });
    child
}

fn send(name: &str, child: &Child) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_signal_is_passed_on_and_the_report_is_still_written() {
    for (name, expected) in [("TERM", 143), ("INT", 130)] {
        let environment = TestEnvironment::new();
        let script =
            "trap 'echo got > got; exit 0' TERM INT; echo $$ > shell; while :; do sleep 0.05; done";
        let child = start(&environment, &[], script);
        send(name, &child);
        let output = child.wait_with_output();
        assert_eq!(code(&output), expected, "{}", text(&output.stderr));
        assert_eq!(environment.read("got"), "got\n");
        let (_, first) = report(&environment);
        assert_eq!(
            first,
            format!("unit: the command was ended because run-tests got SIG{name}")
        );
        assert!(!is_running(pid(&environment, "shell")));
    }
}

#[test]
fn a_second_signal_cuts_the_grace_time_short() {
    let environment = TestEnvironment::new();
    let child = start(&environment, &["--grace-period", "1h"], STUBBORN);
    send("TERM", &child);
    send("TERM", &child);
    let id = child.id();
    // Two signals may arrive as one.
    wait_until("run-tests ends", || {
        send("TERM", &child);
        !is_running(id)
    });
    assert_eq!(code(&child.wait_with_output()), 143);
    assert!(!is_running(pid(&environment, "child")));
}

#[test]
fn hostile_bytes_reach_stdout_unchanged_and_make_valid_xml() {
    let environment = TestEnvironment::new();
    let bytes: Vec<u8> = (0..=255).collect();
    let nasty = [
        b"1..1\nnot ok 1 - <&\"' ]]> \x1b[31mred\x1b[0m \xff\xc3(\n# ]]><![CDATA[ \x00\x08\xef\xbf\xbe\n# ".as_slice(),
        &bytes,
        b"\n",
    ]
    .concat();
    environment.write("bytes", &nasty);
    let output = run_tests(&environment, &["--", "cat", "bytes"]);
    assert_eq!(code(&output), 1);
    assert_eq!(output.stdout, nasty);
    let (summary, _) = report(&environment);
    assert_eq!(summary.failed[0].name, "<&\"' ]]> red \u{fffd}\u{fffd}(");
    assert_python_reads(&environment, "out/junit_unit.xml");
    assert!(!output.stderr.contains(&0x1b), "{}", text(&output.stderr));
}

/// Python's expat as a second judge of what is well formed.
fn assert_python_reads(environment: &TestEnvironment, file: &str) {
    let judge = "import sys, xml.etree.ElementTree as t; t.parse(sys.argv[1])";
    let output = environment
        .command(Path::new("python3"))
        .args(["-c", judge, file])
        .output()
        .expect("python3 is needed");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn whatever_is_printed_python_reads_the_report() {
    let environment = TestEnvironment::new();
    let long = [vec![b'<'; 70_000], vec![b'&'; 70_000], vec![0xf0; 70_000]].concat();
    let every: Vec<u8> = (0..=0xffff_u32)
        .filter_map(char::from_u32)
        .collect::<String>()
        .into_bytes();
    let nasty: [&[u8]; 6] = [
        b"]]></failure></testcase>]]>",
        b"\xff\xfe\x00\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80",
        b"\x1b]0;title\n\x1b[\n\x9b31m\x1b",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>&b;&#0;&amp",
        &long,
        &every,
    ];
    for bytes in nasty {
        environment.write("bytes", bytes);
        let output = run_tests(&environment, &shell(&[], "cat bytes; exit 1"));
        assert_eq!(output.stdout, bytes);
        assert_eq!(report(&environment).0.failures, 1);
        assert_python_reads(&environment, "out/junit_unit.xml");
    }
}

#[test]
fn junit_files_of_the_command_are_merged() {
    let environment = TestEnvironment::new();
    let write = "mkdir -p r/sub
        echo '<testsuite name=\"a\"><testcase name=\"x\" classname=\"c\"><failure message=\"no\"/></testcase><testcase name=\"x\" classname=\"c\"/></testsuite>' > r/a.xml
        echo '<testsuites><testsuite name=\"b\"><testcase name=\"y\"><error message=\"boom\">t</error></testcase></testsuite></testsuites>' > r/sub/b.xml";
    environment.write(
        "r/old.xml",
        "<testsuite><testcase><failure/></testcase></testsuite>",
    );
    let output = run_tests(&environment, &shell(&["--junit-from", "r/**/*.xml"], write));
    assert_eq!(code(&output), 1);
    let (summary, first) = report(&environment);
    assert_eq!((summary.tests, summary.flaky, summary.errors), (3, 1, 1));
    assert_eq!(first, "y: boom");
    let log = text(&output.stderr);
    assert!(log.contains("1 error, 1 flaky"), "{log}");
    assert!(
        log.contains("r/old.xml was there before the command ran"),
        "{log}"
    );
    assert!(
        environment
            .read("out/junit_unit.xml")
            .contains("classname=\"unit\"")
    );
}

#[test]
fn junit_files_that_are_stale_malformed_or_missing_are_red() {
    let environment = TestEnvironment::new();
    environment.write("j.xml", "<testsuite><testcase/></testsuite>");
    let red = |script| {
        let output = run_tests(&environment, &shell(&["--junit-from", "j.xml"], script));
        assert_eq!(code(&output), 1, "{}", text(&output.stderr));
        report(&environment).1
    };
    let message = red("true");
    assert!(
        message.contains("wrote no file that --junit-from j.xml matches (1 older ones)"),
        "{message}"
    );
    let message = red("echo '<testsuite><testcase>' > j.xml");
    assert!(
        message.contains("read j.xml as JUnit: it ends within <testcase>"),
        "{message}"
    );
    let message = red("rm j.xml");
    assert!(message.contains("(0 older ones)"), "{message}");
    let message = red("echo '<testsuite><testcase/></testsuite>' > j.xml; exit 4");
    assert!(
        message.ends_with("no test failed: exit code 4"),
        "{message}"
    );
}

#[test]
fn a_junit_file_that_is_cut_off_counts_what_was_read_of_it() {
    let environment = TestEnvironment::new();
    environment.write(
        "cut.xml",
        "<testsuite><testcase name='a'/><testcase name='b'><failure message='no'/></testcase>\
         <testcase name='c'>",
    );
    let output = run_tests(
        &environment,
        &shell(&["--junit-from", "j.xml"], "cp cut.xml j.xml"),
    );
    assert_eq!(code(&output), 1);
    let log = text(&output.stderr);
    assert!(log.contains("1 passed, 1 failed, 1 error"), "{log}");
}

#[test]
fn nobody_reading_the_output_is_no_reason_to_fail() {
    let environment = TestEnvironment::new();
    let mut child = Running::start(
        environment
            .command(&binary("run-tests"))
            .args(["--artifacts-dir", "out", "--target-name", "unit"])
            .args(shell(&[], "read line < go; seq 1 100000; echo done > done"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    drop(child.stdout.take());
    environment.write("go", "\n");
    let output = child.wait_with_output();
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert_eq!(environment.read("done"), "done\n");
}

/// 200 MB: passed tests, failed ones with much output, and lines without end.
const FLOOD: &str = "
echo 1..300000
awk 'BEGIN {
    for (i = 1; i <= 299000; i++) print \"ok \" i \" - test number \" i \" of a suite that never ends\"
    line = sprintf(\"%0100d\", 7)
    for (i = 299001; i <= 300000; i++) {
        print \"not ok \" i \" - failed test number \" i
        for (j = 0; j < 1500; j++) print \"# \" line
    }
}'
head -c 30000000 /dev/zero | tr '\\0' x
";

#[test]
fn two_hundred_megabytes_of_output_take_less_than_40_mb_of_memory() {
    let environment = TestEnvironment::new();
    let mut child = Running::start(
        environment
            .command(&binary("run-tests"))
            .args(["--artifacts-dir", "out", "--target-name", "unit"])
            .args(shell(&[], FLOOD))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    let status = format!("/proc/{}/status", child.id());
    let mut stdout = child.stdout.take().unwrap();
    let mut buffer = vec![0; 1 << 20];
    let (mut seen, mut peak) = (0, 0);
    loop {
        let read = stdout.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        seen += read;
        // The high-water mark as long as the process lives, the writing of the report included.
        peak = peak_kilobytes(&status).unwrap_or(peak);
    }
    while let Some(now) = peak_kilobytes(&status) {
        peak = now;
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(seen > 200_000_000, "{seen}");
    assert!(peak > 0 && peak < 40_000, "{peak} kB");
    let (summary, _) = report(&environment);
    assert_eq!(summary.failures, 1000);
}

fn peak_kilobytes(status: &str) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[test]
fn a_killed_run_leaves_a_red_report_and_no_command_that_runs_on() {
    let environment = TestEnvironment::new();
    assert_eq!(code(&run_tests(&environment, &["--", "true"])), 0);
    assert!(report(&environment).0.passed());
    let script = "sleep 1000 & echo $! > child; echo $$ > shell; touch up; wait";
    let mut child = Running::start(
        environment
            .command(&binary("run-tests"))
            .args(["--artifacts-dir", "out", "--target-name", "unit"])
            .args(shell(&[], script))
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    wait_until("the command runs", || {
        environment.path().join("up").exists()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let (summary, first) = report(&environment);
    assert!(!summary.passed());
    assert!(first.contains("left no report"), "{first}");
    for file in ["shell", "child"] {
        let pid = pid(&environment, file);
        wait_until("the command ends as well", || !is_running(pid));
    }
}

#[test]
fn a_junit_file_that_is_a_folder_is_found_before_the_command_runs() {
    let environment = TestEnvironment::new();
    environment.write("out/j.xml/file", "");
    let args = shell(&["--junit", "j.xml"], "touch ran");
    assert_eq!(code(&run_tests(&environment, &args)), 2);
    assert!(!environment.path().join("ran").exists());
}

#[test]
fn a_command_that_removes_the_artifacts_folder_does_not_cost_the_report() {
    let environment = TestEnvironment::new();
    assert_eq!(code(&run_tests(&environment, &shell(&[], "rm -r out"))), 0);
    assert!(report(&environment).0.passed());
}

#[test]
fn our_own_report_under_another_name_is_none_of_the_commands() {
    let environment = TestEnvironment::new();
    let write = "echo '<testsuite><testcase name=\"a\"/></testsuite>' > out/other.xml";
    let pattern = environment.path().join("home/../out/*.xml");
    let args = shell(&["--junit-from", pattern.to_str().unwrap()], write);
    for _ in 0..2 {
        let output = run_tests(&environment, &args);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        assert_eq!(report(&environment).0.tests, 1);
    }
}

#[test]
fn a_process_that_fled_the_commands_group_is_not_left_running() {
    let environment = TestEnvironment::new();
    for (flags, script, expected) in [
        (&[][..], "", 0),
        (
            &["--timeout", "1s", "--grace-period", "0s"],
            "; sleep 60",
            124,
        ),
    ] {
        // What fled holds none of the pipes, and ignores the polite signals.
        let flee = "setsid sh -c 'trap \"\" TERM HUP; echo $$ > pid; exec sleep 60'";
        let script = format!("{flee} > log 2>&1 & until [ -s pid ]; do sleep 0.02; done{script}");
        let output = run_tests(&environment, &shell(flags, &script));
        assert_eq!(code(&output), expected, "{}", text(&output.stderr));
        let pid = environment.read("pid").trim().parse().unwrap();
        assert!(!is_running(pid));
        std::fs::remove_file(environment.path().join("pid")).unwrap();
    }
}

#[test]
fn a_flaky_test_of_a_green_run_is_not_logged_as_failed() {
    let environment = TestEnvironment::new();
    let write = "echo '<testsuite failures=\"1\"><testcase name=\"a\"><failure/></testcase>\
                 <testcase name=\"a\"/></testsuite>' > new.xml";
    let output = run_tests(&environment, &shell(&["--junit-from", "new.xml"], write));
    let stderr = text(&output.stderr);
    assert_eq!(code(&output), 0, "{stderr}");
    assert!(stderr.contains("WARN  failed, then passed: a"), "{stderr}");
    assert!(!stderr.contains("ERROR"), "{stderr}");
}

/// What a terminal gets of `run-tests --format tap -- sh -c SCRIPT`.
const ON_A_TERMINAL: &str = "import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], ['run-tests', '--format', 'tap', '--', 'sh', '-c', sys.argv[2]])
seen = b''
try:
    while piece := os.read(terminal, 65536):
        seen += piece
except OSError:
    pass
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn on_a_terminal_the_progress_is_shown_and_the_output_is_whole() {
    let environment = TestEnvironment::new();
    let script =
        "echo 1..2; echo ok 1 - a; sleep 0.5; printf 'half '; sleep 0.5; echo line; echo ok 2 - b";
    let output = environment
        .command(Path::new("python3"))
        .env("TERM", "xterm")
        .args(["-c", ON_A_TERMINAL])
        .arg(binary("run-tests"))
        .arg(script)
        .output()
        .expect("python3 is needed");
    let seen = text(&output.stdout);
    assert_eq!(code(&output), 0, "{seen}");
    assert!(seen.contains("0 s: "), "{seen}");
    // What has begun is not drawn over.
    assert!(seen.contains("half line\r\n"), "{seen:?}");
    assert!(seen.contains("2 passed"), "{seen}");
}
