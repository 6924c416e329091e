//! What the output of Go's tests says in one line.

use common::junit::Detail;

/// Longest message, in characters.
const MESSAGE: usize = 500;

/// Whether a line only says that a test goes on.
pub(super) fn is_framing(output: &str) -> bool {
    output.starts_with("=== ")
        && ["RUN  ", "CONT ", "PAUSE", "NAME "]
            .iter()
            .any(|word| output[4..].starts_with(word))
}

/// What a test said without the line in which Go says how it ended, which the report has.
pub(super) fn own_words(said: &str, test: &str) -> String {
    let is_end = |line: &str| {
        let end = line.trim_start();
        let end = end
            .strip_prefix("--- PASS: ")
            .or(end.strip_prefix("--- SKIP: "));
        end.and_then(|end| end.strip_prefix(test))
            .is_some_and(|end| end.starts_with(" ("))
    };
    said.split_inclusive('\n')
        .filter(|line| !is_end(line))
        .collect()
}

/// The message and the whole text of a failed test's output.
pub(super) fn detail(text: String, subtest_failed: bool) -> Detail {
    let message = match message(&text) {
        None if subtest_failed => "a subtest of it failed".to_owned(),
        None => "test failed".to_owned(),
        Some(message) => message,
    };
    Detail { message, text }
}

fn message(text: &str) -> Option<String> {
    if let Some(panic) = end_of_all(text) {
        return Some(panic);
    }
    // Logs come first and look the same; the last word is what ended the test.
    let mut last = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        match located(line) {
            // testify: the error is on a line of its own.
            Some("") => {
                let more = lines.clone().take(20).find_map(|line| {
                    let (name, value) = line.trim().split_once(':')?;
                    (name == "Error").then(|| value.trim())
                });
                last = more.or(last);
            }
            Some(said) => last = Some(said),
            None => {}
        }
    }
    let got = || {
        let mut lines = text.lines().skip_while(|line| *line != "got:");
        lines.nth(1)
    };
    let other = || {
        let mut lines = text.lines().map(str::trim);
        lines.find(|line| !line.is_empty() && !line.starts_with("--- FAIL"))
    };
    match (last, got()) {
        (Some(said), _) => Some(short(said)),
        (None, Some(got)) => Some(short(&format!("the example printed {got:?}"))),
        (None, None) => other().map(short),
    }
}

/// What follows `    a_test.go:12: `.
fn located(line: &str) -> Option<&str> {
    let line = line.trim();
    let (place, said) = line.split_once(": ").or_else(|| {
        let place = line.strip_suffix(':')?;
        Some((place, ""))
    })?;
    let (file, number) = place.rsplit_once(':')?;
    let file = file.strip_suffix(".go")?;
    let is_place = number.bytes().all(|byte| byte.is_ascii_digit());
    (is_place && !file.contains(' ')).then_some(said.trim())
}

/// The line that says why a whole test binary ended.
pub(super) fn end_of_all(text: &str) -> Option<String> {
    let is_end = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("panic: ")
            || line.starts_with("fatal error: ")
            || line.starts_with("SIGQUIT: ")
            || line.starts_with("signal: ")
            || line.starts_with("exit status ")
            || line.starts_with("Found ") && line.contains("data race(s)")
            || line.starts_with("testing: race detected outside")
    };
    text.lines().find(is_end).map(short)
}

/// The last thing that a test binary said before it ended, without the line that sums it up,
/// nor the text of its flags behind what is wrong with one of them.
pub(super) fn last_word(text: &str) -> Option<String> {
    let usage = text
        .find("\nUsage of ")
        .filter(|at| !text[..*at].trim().is_empty());
    let text = &text[..usage.unwrap_or(text.len())];
    let lines = text.lines().rev().map(str::trim);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with("FAIL\t"));
    lines.next().map(short)
}

/// Why a test was skipped.
pub(super) fn reason(text: &str) -> String {
    let said = text.lines().filter_map(located).next_back();
    short(said.unwrap_or_default())
}

/// The first error of a build.
pub(super) fn of_build(text: &str) -> String {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    let first = first.filter(|line| !line.starts_with("FAIL\t"));
    short(&format!(
        "the package does not build: {}",
        first.unwrap_or("see the output")
    ))
}

fn short(text: &str) -> String {
    text.trim().chars().take(MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_what_a_person_looks_for() {
        for (text, expected) in [
            (
                "    a_test.go:3: just a log\n    a_test.go:4: want 1, got 2\n        more\n--- FAIL: TestA (0.00s)\n",
                "want 1, got 2",
            ),
            (
                "    a_test.go:9: \n        \tError Trace:\t/x/a_test.go:9\n        \tError:      \tNot equal:\n",
                "Not equal:",
            ),
            (
                "--- FAIL: TestB (0.00s)\npanic: boom [recovered]\n\nx.go:3: y\n",
                "panic: boom [recovered]",
            ),
            (
                "--- FAIL: ExampleA (0.00s)\ngot:\n1\nwant:\n2\n",
                "the example printed \"1\"",
            ),
            ("words\n--- FAIL: TestA (0.00s)\n", "words"),
        ] {
            assert_eq!(message(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_wrong_flag_is_told_and_not_the_last_of_all_flags() {
        let text = "flag provided but not defined: -foo\nUsage of /tmp/p.test:\n  -test.v\n    \tverbose: print additional output\nexit status 2\nFAIL\tp\t0.1s\n";
        assert_eq!(
            last_word(text).as_deref(),
            Some("flag provided but not defined: -foo")
        );
        assert_eq!(last_word("a\nb\nFAIL\tp\t0.1s\n").as_deref(), Some("b"));
    }

    #[test]
    fn a_test_that_says_nothing_may_have_failed_by_a_subtest() {
        let said = |subtest| detail("--- FAIL: TestA (0.00s)\n".to_owned(), subtest).message;
        assert_eq!(said(false), "test failed");
        assert_eq!(said(true), "a subtest of it failed");
    }

    #[test]
    fn framing_is_told_from_what_tests_say() {
        assert!(is_framing("=== RUN   TestA\n"));
        assert!(is_framing("=== PAUSE TestA\n"));
        assert!(!is_framing("=== my own header\n"));
        assert!(!is_framing("==="));
    }
}
