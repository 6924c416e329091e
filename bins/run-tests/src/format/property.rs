//! Whatever a command prints, the report is valid XML and says what the verdict says.

use proptest::prelude::*;

use super::auto::Auto;
use super::cargo::Cargo;
use super::check::check;
use super::command::Command;
use super::tap::Tap;
use super::{End, Format, failure, go};

/// Lines that mean something, so that chance leads deep into the readers.
const LINES: [&str; 48] = [
    r#"{"Action":"start","Package":"p"}"#,
    r#"{"Action":"run","Package":"p","Test":"T"}"#,
    r#"{"Action":"output","Package":"p","Test":"T","Output":"a_test.go:1: \u001b <\u0000"}"#,
    r#"{"Action":"pause","Package":"p","Test":"T"}"#,
    r#"{"Action":"pass","Package":"p","Test":"T","Elapsed":1}"#,
    r#"{"Action":"fail","Package":"p","Test":"T"}"#,
    r#"{"Action":"skip","Package":"p","Test":"T/a"}"#,
    r#"{"Action":"output","Package":"p","Output":"FAIL\n"}"#,
    r#"{"Action":"pass","Package":"p"}"#,
    r#"{"Action":"fail","Package":"p","Elapsed":1}"#,
    r#"{"Action":"fail","Package":"q","FailedBuild":"q"}"#,
    r##"{"Action":"build-output","ImportPath":"q","Output":"# q\n"}"##,
    "TAP version 13",
    "1..3",
    "1..0 # SKIP x",
    "ok 1 - a",
    "ok 2 # SKIP \x00",
    "not ok 3 - b ]]> <&",
    "not ok # TODO",
    "  ---",
    "  message: '\x1b[31m'",
    "  ...",
    "# comment",
    "    ok 1 - inner",
    "Bail out! \x08",
    "     Running unittests src/lib.rs (target/debug/deps/a-8348ca7a80742723)",
    "     Running tests/b.rs (target/debug/deps/b-8348ca7a80742723)",
    "   Doc-tests a",
    "running 2 tests",
    "test a ... ok",
    "test b ... FAILED",
    "test c ... output",
    "test d ... ignored, <why>",
    "ok",
    "a --- FAILED",
    "failures:",
    "---- b stdout ----",
    "    b",
    "    a",
    "successes:",
    "<testsuites>",
    "<testsuite name='s'><testcase name='a'/></testsuite>",
    "<testcase name='b'><failure message='no'/></testcase>",
    "</testsuites>",
    "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
    "error: test failed, to rerun pass `--lib`",
    "  process didn't exit successfully: `x` (signal: 6, SIGABRT)",
    "error: could not compile `x` (lib) due to 1 previous error",
];

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::sample::select(&LINES[..]).prop_map(|line| format!("{line}\n").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Success),
        Just(failure()),
        Just(End::CutShort("time is up \u{1b} ]]>".to_owned())),
    ]
}

fn readers() -> [Box<dyn Format>; 5] {
    [
        Box::new(Auto::new("unit")),
        Box::new(go::reader(&[])),
        Box::new(Cargo::new("unit")),
        Box::new(Tap::new("unit")),
        Box::new(Command::new("unit")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_output_makes_a_report_that_says_what_was_counted(
        pieces in prop::collection::vec(piece(), 0..60),
        end in end(),
    ) {
        for mut format in readers() {
            check(format.as_mut(), pieces.iter().map(Vec::as_slice), &end);
        }
    }
}
