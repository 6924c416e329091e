//! Where the output goes: terminal, log, report; and what must not be read there.

use std::path::Path;

use crate::support::{assert_code, assert_program, run_tests};
use common::junit::summarize;
use e2e::{TestEnvironment, text};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

#[test]
fn the_log_has_everything_and_lines_are_prefixed_only_when_asked() {
    let environment = TestEnvironment::new();
    let script = [
        "sh",
        "-c",
        "printf 'one\\ntwo'; printf '\\n\\033[1mthree\\033[0m\\n' >&2",
    ];
    let output = run_tests(&environment, &[], &script);
    assert_eq!(text(&output.stdout), "one\ntwo\n\u{1b}[1mthree\u{1b}[0m\n");
    assert_eq!(environment.read("j.log"), text(&output.stdout));
    let output = run_tests(
        &environment,
        &["--prefix-output", "--log", "l/x.txt"],
        &script,
    );
    assert_eq!(
        text(&output.stdout),
        "[unit] one\n[unit] two\n[unit] \u{1b}[1mthree\u{1b}[0m\n"
    );
    assert_eq!(
        environment.read("l/x.txt"),
        "one\ntwo\n\u{1b}[1mthree\u{1b}[0m\n"
    );
}

#[test]
fn the_report_has_the_output_of_failed_tests_or_of_all_or_of_none() {
    let environment = TestEnvironment::new();
    let tap = [
        "printf",
        "1..2\\nof a passed one\\nok 1 - a\\nnot ok 2 - b\\n# of a failed one\\n",
    ];
    for (choice, passed, failed) in [
        ("failed", false, true),
        ("all", true, true),
        ("none", false, false),
    ] {
        assert_code(
            &run_tests(&environment, &["--junit-output", choice], &tap),
            1,
        );
        let report = environment.read("j.xml");
        assert_eq!(
            report.contains("<system-out>of a passed one"),
            passed,
            "{report}"
        );
        // The message stays.
        assert_eq!(report.contains("># of a failed one"), failed, "{report}");
        assert!(report.contains("message=\"of a failed one\""), "{report}");
    }
}

#[test]
fn what_passed_tests_of_cargo_said_is_in_the_report_where_all_is_asked_for() {
    let environment = TestEnvironment::new();
    let recorded = format!(
        "cat {}/tests/fixtures/cargo-show-output.txt; exit 101",
        env!("CARGO_MANIFEST_DIR")
    );
    for (choice, said) in [("all", true), ("failed", false)] {
        let flags = ["--format", "cargo", "--junit-output", choice];
        let output = run_tests(&environment, &flags, &["sh", "-c", &recorded]);
        assert_code(&output, 1);
        assert!(text(&output.stderr).contains("3 passed, 1 failed"));
        let report = environment.read("j.xml");
        assert_eq!(report.contains("<system-out>from a\n"), said, "{report}");
        assert_eq!(report.contains("from b\n    a\n"), said, "{report}");
        assert!(report.contains(">from bad\n"), "{report}");
    }
}

#[test]
fn what_many_passed_tests_said_does_not_cost_the_words_of_one_that_failed() {
    let environment = TestEnvironment::new();
    let script = "line=$(head -c 60000 /dev/zero | tr '\\0' x); echo 1..1001
        for i in $(seq 1000); do echo $line; echo \"ok $i - t$i\"; done
        echo 'not ok 1001 - bad'; echo '# why it failed'; exit 1";
    let flags = ["--junit-output", "all"];
    let output = run_tests(&environment, &flags, &["sh", "-c", script]);
    assert_code(&output, 1);
    assert!(text(&output.stderr).contains("1000 passed, 1 failed"));
    let report = environment.read("j.xml");
    assert!(report.contains("># why it failed"));
    assert!(report.contains("name=\"t1000\"") && report.len() < 45_000_000);
    assert!(report.contains("[left out: the report has no more room; see the log]"));
}

#[test]
fn long_output_of_a_case_keeps_head_and_tail() {
    let environment = TestEnvironment::new();
    let script = "echo first; yes filler | head -c 1000000; echo; echo last; exit 1";
    assert_code(&run_tests(&environment, &[], &["sh", "-c", script]), 1);
    let report = environment.read("j.xml");
    assert!(report.len() < 100_000, "{}", report.len());
    for part in ["first\n", "bytes left out …]", "last\n"] {
        assert!(report.contains(part), "{part}");
    }
    assert!(environment.read("j.log").len() > 1_000_000);
}

#[test]
fn a_link_in_the_place_of_the_log_is_not_followed() {
    let environment = TestEnvironment::new();
    let other = environment.write("other", "mine");
    std::os::unix::fs::symlink(other, environment.path().join("j.log")).unwrap();
    assert_code(&run_tests(&environment, &[], &["echo", "said"]), 0);
    assert_eq!(environment.read("j.log"), "said\n");
    assert_eq!(environment.read("other"), "mine");
}

#[test]
fn a_device_as_log_or_report_is_refused_and_not_replaced_by_a_file() {
    let environment = TestEnvironment::new();
    // A link: were it replaced, the machine would still have its device.
    let link = environment.path().join("null");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    for flags in [["--log", "null"], ["--junit", "null"]] {
        let output = environment
            .bin("run-tests")
            .args(flags)
            .args(["--", "touch", "ran"])
            .output()
            .unwrap();
        assert_code(&output, 2);
        let log = text(&output.stderr);
        assert!(log.contains("it is a device, pipe or socket"), "{log}");
        assert!(link.is_symlink() && !environment.path().join("ran").exists());
    }
}

/// Runs a script in a folder `full` whose file system has 256 KiB.
fn on_a_small_disk(
    environment: &TestEnvironment,
    flags: &str,
    script: &str,
) -> std::process::Output {
    environment.write("full/.keep", "");
    environment.write("command", script);
    let line = format!(
        "mount -t tmpfs -o size=256k tmpfs full || exit 99
         run-tests {flags} --target-name unit -- sh command; code=$?
         rm -f full/filler; cp -r full seen; exit $code"
    );
    let folder = e2e::binary("run-tests");
    let folder = folder.parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = environment
        .command(Path::new("unshare"))
        .env("PATH", format!("{folder}:{path}"))
        .args(["--map-root-user", "--mount", "sh", "-c", &line])
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_ne!(
        output.status.code(),
        Some(99),
        "no file system to fill: {said}"
    );
    output
}

#[test]
fn a_full_disk_costs_the_log_and_not_the_verdict() {
    let environment = TestEnvironment::new();
    let flags = "--junit j.xml --log full/j.log";
    let script = "head -c 2000000 /dev/zero | tr '\\0' x; echo; echo said last";
    let output = on_a_small_disk(&environment, flags, script);
    assert_code(&output, 0);
    let log = text(&output.stderr);
    assert!(
        log.contains("the log full/j.log is not complete: No space left"),
        "{log}"
    );
    assert!(text(&output.stdout).ends_with("said last\n"));
    assert!(
        environment
            .read("j.xml")
            .contains("tests=\"1\" failures=\"0\"")
    );
}

#[test]
fn a_disk_that_is_full_at_the_end_leaves_the_red_report_and_an_error() {
    let environment = TestEnvironment::new();
    let flags = "--junit full/j.xml --log j.log";
    // All tests pass; the report that would say so has no room.
    let script = "head -c 2000000 /dev/zero > full/filler 2> /dev/null; echo fine";
    let output = on_a_small_disk(&environment, flags, script);
    assert_code(&output, 1);
    let log = text(&output.stderr);
    assert!(log.contains("write the JUnit file full/j.xml"), "{log}");
    assert!(log.contains("No space left"), "{log}");
    assert!(
        environment
            .read("seen/j.xml")
            .contains("run-tests left no report")
    );
}

#[test]
fn facts_of_the_run_are_in_the_report() {
    let environment = TestEnvironment::new();
    environment.git("", &["init", "--quiet"]);
    environment.git("", &["commit", "--quiet", "--allow-empty", "-m", "x"]);
    let head = environment.git("", &["rev-parse", "HEAD"]);
    let output = environment
        .bin("run-tests")
        .env("STEP_IMAGE", "gcr.io/p/worker:v1")
        .env("WORKFLOW_NAME", "e2e")
        .args(["--junit", "j.xml", "--", "echo", "shuffle seed: 42"])
        .output()
        .unwrap();
    assert_code(&output, 0);
    let report = environment.read("j.xml");
    for property in [
        format!("name=\"commit\" value=\"{head}\""),
        "name=\"image\" value=\"gcr.io/p/worker:v1\"".to_owned(),
        "name=\"command\" value=\"echo &apos;shuffle seed: 42&apos;\"".to_owned(),
        "name=\"seed\" value=\"42\"".to_owned(),
        "name=\"e2e/echo\" classname=\"echo\"".to_owned(),
        "hostname=\"".to_owned(),
    ] {
        assert!(report.contains(&property), "{property}: {report}");
    }
}

const SECRET: &str = "correct-horse/battery\"staple";

#[test]
fn secrets_are_masked_wherever_they_appear() {
    let environment = TestEnvironment::new();
    environment.write("mounted/password", "hunter2-hunter2\n");
    environment.write(
        "say.sh",
        "printf '1..2\\nnot ok 1 - with %s\\n# %s\\n' \"$MY_TOKEN\" hunter2-hunter2
         # In two pieces, across the border of two writes.
         printf 'correct-horse/bat'; sleep 0.3; printf 'tery\"staple\\n'
         printf '%s' \"$MY_TOKEN\" | base64
         printf '<testsuite><testcase name=\"x\"><failure message=\"correct-horse/battery&quot;staple\">hunter2-hunter2</failure></testcase></testsuite>' > own.xml
         echo 'ok 2'",
    );
    for flags in [&["--format", "tap"][..], &["--junit-from", "own.xml"]] {
        let output = environment
            .bin("run-tests")
            .env("MY_TOKEN", SECRET)
            .env("SECRET_PATHS", environment.path().join("mounted"))
            .args(["--junit", "j.xml", "--target-name", "unit"])
            .args(flags)
            .args(["--", "sh", "say.sh", SECRET])
            .output()
            .unwrap();
        assert_code(&output, 1);
        let places = [
            text(&output.stdout),
            text(&output.stderr),
            environment.read("j.xml"),
            environment.read("j.log"),
        ];
        for place in &places {
            for part in ["correct-horse", "staple", "hunter2", "Y29ycmVjdC1ob3"] {
                assert!(!place.contains(part), "{part} in {place}");
            }
        }
        assert!(places[2].contains("XXXXXXXX"), "{}", places[2]);
    }
}

/// What makes trouble in XML, or leads deep into the readers.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known: [&[u8]; 14] = [
        b"not ok 1 - ",
        b"\nok 2 - ",
        b"1..3\n",
        b"# ",
        b"]]>",
        b"<![CDATA[",
        b"&#0;&amp",
        b"\x1b[31m\x1b]0;t\x07",
        b"\x00\x08\x0b",
        b"\xed\xa0\x80\xff\xfe",
        b"\xef\xbf\xbe\xef\xbf\xbf",
        b"\xf0\x9f\x98\x80\xc2\x85\xe2\x80\xa8",
        b"\r\n\r",
        b"</testcase><!--",
    ];
    prop_oneof![
        3 => prop::sample::select(known.to_vec()).prop_map(<[u8]>::to_vec),
        2 => prop::collection::vec(any::<u8>(), 0..60),
        1 => any::<u8>().prop_map(|byte| vec![byte; 70_000]),
    ]
}

/// Runs `judge` over all reports; it prints nothing where all are well.
fn judge(environment: &TestEnvironment, judge: &[&str], reports: &[String]) {
    let output = environment
        .command(Path::new(judge[0]))
        .args(&judge[1..])
        .args(reports)
        .output()
        .expect("run the judge");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// quick-xml, libxml2 and expat agree that the report is XML, whatever was printed.
#[test]
fn whatever_is_printed_three_parsers_read_the_report() {
    assert_program("xmllint");
    let environment = TestEnvironment::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let outputs = prop::collection::vec(piece(), 0..12);
    let mut reports = Vec::new();
    for number in 0..40 {
        let bytes = outputs.new_tree(&mut runner).unwrap().current().concat();
        environment.write("bytes", &bytes);
        let report = format!("r/{number}.xml");
        let name = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).replace('\0', "");
        let output = environment
            .bin("run-tests")
            .args(["--junit", &report, "--junit-output", "all"])
            .args([&format!("--target-name=n{name}"), "--"])
            .args(["sh", "-c", "cat bytes; exit 1"])
            .output()
            .unwrap();
        assert_code(&output, 1);
        assert_eq!(output.stdout, bytes);
        let xml = environment.read(&report);
        assert!(!summarize(xml.as_bytes(), &report).unwrap().passed());
        reports.push(report);
    }
    judge(&environment, &["xmllint", "--noout", "--huge"], &reports);
    let python = "import sys, xml.etree.ElementTree as t\nfor f in sys.argv[1:]: t.parse(f)";
    judge(&environment, &["python3", "-c", python], &reports);
}
