//! The lines that cargo and libtest print, as people read them.

use std::time::Duration;

/// A line that means something.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// `Running unittests src/lib.rs (target/debug/deps/demo-83…)`.
    Binary { what: &'a str, name: &'a str },
    /// `Doc-tests demo`.
    DocTests(&'a str),
    /// `running 7 tests`.
    Begin(u64),
    /// `test tests::adds ... ok`; the rest is empty or output while the test still runs.
    Test { name: &'a str, rest: &'a str },
    /// `test tests::slow has been running for over 60 seconds`.
    Slow(&'a str),
    /// `tests::errs --- FAILED`, as `-q` prints it.
    QuietFailure(&'a str),
    /// `test result: FAILED. 3 passed; …`.
    Totals(Totals),
    /// `failures:`.
    Failures,
    /// `successes:`.
    Successes,
    /// `---- tests::fails stdout ----`.
    Output(&'a str),
    /// A name in the list of failures.
    Listed(&'a str),
    /// `error: test failed, to rerun pass …`.
    TestFailed,
    /// `process didn't exit successfully: … (signal: 6, …)`, with what is in the brackets.
    Process(&'a str),
    /// `error: could not compile …`.
    BuildFailed(&'a str),
    /// An error of the compiler or of cargo.
    Error,
    /// Anything else.
    Other,
}

/// How a test binary counts its tests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Totals {
    pub(super) ok: bool,
    /// All that ran or were ignored.
    pub(super) tests: u64,
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) time: Option<Duration>,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End<'a> {
    Ok,
    Failed,
    Ignored(&'a str),
}

/// Reads a line.
pub(super) fn read(line: &str) -> Line<'_> {
    if let Some(totals) = line.strip_prefix("test result: ") {
        return totals_of(totals).map_or(Line::Other, Line::Totals);
    }
    if let Some(test) = line.strip_prefix("test ") {
        if let Some((name, rest)) = test.split_once(" ... ") {
            return Line::Test {
                name: bare(name),
                rest,
            };
        }
        return match test.split_once(" has been running for over ") {
            Some((name, _)) => Line::Slow(bare(name)),
            None => Line::Other,
        };
    }
    if let Some(rest) = line.strip_prefix("error") {
        return error(line, rest);
    }
    match line {
        "failures:" => return Line::Failures,
        "successes:" => return Line::Successes,
        _ => {}
    }
    if let Some(name) = line.strip_suffix(" --- FAILED") {
        return Line::QuietFailure(bare(name));
    }
    let inner = line
        .strip_prefix("---- ")
        .and_then(|l| l.strip_suffix(" ----"));
    if let Some(name) = inner.and_then(|l| l.strip_suffix(" stdout")) {
        return Line::Output(bare(name));
    }
    if let Some(count) = line.strip_prefix("running ").and_then(count_of_tests) {
        return Line::Begin(count);
    }
    indented(line)
}

/// Lines that cargo indents.
fn indented(line: &str) -> Line<'_> {
    let text = line.trim_start();
    if text.len() == line.len() {
        return Line::Other;
    }
    let running = text
        .strip_prefix("Running ")
        .and_then(|rest| rest.strip_suffix(')'));
    if let Some((what, path)) = running.and_then(|rest| rest.rsplit_once(" (")) {
        return Line::Binary {
            what,
            name: without_hash(path.rsplit(['/', '\\']).next().unwrap_or(path)),
        };
    }
    if let Some(name) = text.strip_prefix("Doc-tests ") {
        return Line::DocTests(name);
    }
    if text.starts_with("process didn't exit successfully: ") {
        let how = text
            .strip_suffix(')')
            .and_then(|text| text.rsplit_once(" ("));
        return Line::Process(how.map_or("no status", |(_, how)| how));
    }
    match line.strip_prefix("    ") {
        Some(name) if !name.starts_with(' ') => Line::Listed(name),
        _ => Line::Other,
    }
}

fn error<'a>(line: &'a str, rest: &'a str) -> Line<'a> {
    if !rest.starts_with([':', '[']) {
        return Line::Other;
    }
    if rest.starts_with(": test failed, to rerun pass") {
        return Line::TestFailed;
    }
    if rest.starts_with(": could not compile ") || rest.starts_with(": could not document ") {
        return Line::BuildFailed(line.trim_start_matches("error: "));
    }
    let summary = rest.ends_with(" target failed:") || rest.ends_with(" targets failed:");
    if summary { Line::Other } else { Line::Error }
}

fn count_of_tests(text: &str) -> Option<u64> {
    let number = text
        .strip_suffix(" tests")
        .or_else(|| text.strip_suffix(" test"))?;
    number.parse().ok()
}

/// How a test ended, where this is all that a line (or its rest) says.
pub(super) fn end_of_test(rest: &str) -> Option<(End<'_>, Option<Duration>)> {
    let (word, time) = match rest
        .strip_suffix('>')
        .and_then(|text| text.rsplit_once(" <"))
    {
        Some((word, time)) => (word, seconds(time)),
        None => (rest, None),
    };
    let end = match word {
        "ok" => End::Ok,
        "FAILED" | "FAILED (time limit exceeded)" => End::Failed,
        "ignored" => End::Ignored(""),
        _ if word.starts_with("bench: ") && word.contains(" ns/iter") => End::Ok,
        _ => End::Ignored(word.strip_prefix("ignored, ")?),
    };
    Some((end, time))
}

/// How a test ended whose output had no line end before the word.
pub(super) fn end_behind_output(line: &str) -> Option<End<'static>> {
    if line.ends_with("ok") {
        Some(End::Ok)
    } else if line.ends_with("FAILED") {
        Some(End::Failed)
    } else {
        None
    }
}

fn totals_of(text: &str) -> Option<Totals> {
    let (word, counts) = text.split_once(". ")?;
    let mut totals = Totals {
        ok: word == "ok",
        tests: 0,
        passed: 0,
        failed: 0,
        time: None,
    };
    if !matches!(word, "ok" | "FAILED") {
        return None;
    }
    for count in counts.split("; ") {
        let (number, what) = count.split_once(' ')?;
        if number == "finished" {
            totals.time = seconds(what.strip_prefix("in ")?);
            continue;
        }
        let number: u64 = number.parse().ok()?;
        match what {
            "passed" => totals.passed = number,
            "failed" => totals.failed = number,
            _ => {}
        }
        if what != "filtered out" {
            totals.tests = totals.tests.saturating_add(number);
        }
    }
    Some(totals)
}

fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(number).ok()
}

/// A test's name as the lists of failures have it.
fn bare(name: &str) -> &str {
    let notes = [" - should panic", " - compile fail", " - compile"];
    notes
        .iter()
        .find_map(|note| name.strip_suffix(note))
        .unwrap_or(name)
}

/// `demo` for `demo-8348ca7a80742723`: the hash changes with the compiler.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((stem, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            stem
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cargo_and_libtest_are_read() {
        let test = |name, rest| Line::Test { name, rest };
        let cases = [
            (
                "     Running unittests src/lib.rs (target/debug/deps/a_b-8348ca7a80742723)",
                Line::Binary {
                    what: "unittests src/lib.rs",
                    name: "a_b",
                },
            ),
            ("   Doc-tests demo", Line::DocTests("demo")),
            ("running 1 test", Line::Begin(1)),
            ("running 12 tests", Line::Begin(12)),
            ("running 12 tests today", Line::Other),
            ("test a::b ... ok", test("a::b", "ok")),
            ("test a - should panic ... ", test("a", "")),
            (
                "test src/lib.rs - add (line 10) - compile ... ok",
                test("src/lib.rs - add (line 10)", "ok"),
            ),
            (
                "test a has been running for over 60 seconds",
                Line::Slow("a"),
            ),
            ("test the waters", Line::Other),
            ("a::b --- FAILED", Line::QuietFailure("a::b")),
            ("---- a::b stdout ----", Line::Output("a::b")),
            ("    a::b", Line::Listed("a::b")),
            ("      left: 3", Line::Other),
            (
                "error: test failed, to rerun pass `--lib`",
                Line::TestFailed,
            ),
            ("error: 1 target failed:", Line::Other),
            ("error[E0308]: mismatched types", Line::Error),
            ("errors were made", Line::Other),
            (
                "error: could not compile `demo` (test \"broken\") due to 1 previous error",
                Line::BuildFailed(
                    "could not compile `demo` (test \"broken\") due to 1 previous error",
                ),
            ),
            (
                "  process didn't exit successfully: `/x/crash-1 -q` (signal: 6, SIGABRT: process abort signal)",
                Line::Process("signal: 6, SIGABRT: process abort signal"),
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(read(line), expected, "{line}");
        }
    }

    #[test]
    fn totals_are_read_whole_or_not_at_all() {
        let totals = Totals {
            ok: false,
            tests: 7,
            passed: 3,
            failed: 2,
            time: Some(Duration::from_millis(70)),
        };
        assert_eq!(
            read(
                "test result: FAILED. 3 passed; 2 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.07s"
            ),
            Line::Totals(totals)
        );
        assert_eq!(read("test result: great. 3 passed"), Line::Other);
        assert_eq!(read("test result: ok. x passed"), Line::Other);
    }

    #[test]
    fn ends_of_tests_are_read() {
        assert_eq!(end_of_test("ok"), Some((End::Ok, None)));
        assert_eq!(
            end_of_test("FAILED <1.500s>"),
            Some((End::Failed, Some(Duration::from_millis(1500))))
        );
        assert_eq!(
            end_of_test("ignored, slow on CI"),
            Some((End::Ignored("slow on CI"), None))
        );
        assert_eq!(
            end_of_test("bench:       1,234 ns/iter (+/- 5)"),
            Some((End::Ok, None))
        );
        assert_eq!(end_of_test("okay"), None);
        assert_eq!(end_of_test(""), None);
        assert_eq!(end_behind_output("hellook"), Some(End::Ok));
    }

    #[test]
    fn only_a_real_hash_is_cut_off_a_name() {
        assert_eq!(without_hash("a-8348ca7a80742723"), "a");
        assert_eq!(without_hash("my-tool"), "my-tool");
    }
}
