//! cargo-nextest: lists its tests as JSON, and takes filters that name each test and its binary.

use std::collections::BTreeMap;
use std::ffi::OsString;

use common::exec::Command;
use common::{Result, ResultExt};
use serde::Deserialize;

use super::Selector;

/// Filters of the command itself: nextest joins several by "or".
const FILTERS: [&str; 3] = ["-E", "--filterset", "--filter-expr"];

/// Options of `run` that `list` does not know, with their values. Source: the two `--help`.
const OF_RUNS: [&str; 18] = [
    "-j",
    "--test-threads",
    "--jobs",
    "--retries",
    "--flaky-result",
    "--max-fail",
    "--no-tests",
    "--failure-output",
    "--success-output",
    "--status-level",
    "--final-status-level",
    "--max-progress-running",
    "--message-format",
    "--message-format-version",
    "--stress-count",
    "--stress-duration",
    "--debugger",
    "--tracer",
];

/// Those without a value.
const SWITCHES_OF_RUNS: [&str; 9] = [
    "--fail-fast",
    "--ff",
    "--no-fail-fast",
    "--nff",
    "--no-capture",
    "--nocapture",
    "--hide-progress-bar",
    "--no-input-handler",
    "--no-output-indent",
];

/// How long one filter may become, in bytes: the kernel takes no argument of 128 KiB.
const FILTER: usize = 100 * 1024;

/// Where the word `run` is, which may be a word of what starts nextest as well: `uv run …`.
pub(crate) fn run_word(command: &Command) -> Option<usize> {
    let words = std::iter::once(&command.program).chain(&command.args);
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let is_nextest = |word: &str| word == "nextest" || word.ends_with("cargo-nextest");
    let mut pairs = words.iter().zip(words.iter().skip(1));
    pairs.position(|(before, word)| is_nextest(before) && (word == "run" || word == "r"))
}

/// The command that lists the tests which this one would run.
pub(crate) fn listing(command: &Command) -> Command {
    let mut listing = without(command, &OF_RUNS, &SWITCHES_OF_RUNS);
    if let Some(run) = run_word(&listing) {
        let list = ["list", "--message-format=json"].map(OsString::from);
        listing.args.splice(run..=run, list);
    }
    listing
}

/// The tests of such a list that are to run, by what nextest calls them: `BINARY NAME`.
pub(crate) fn listed(json: &str) -> Result<BTreeMap<String, Selector>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct List {
        rust_suites: BTreeMap<String, Suite>,
    }
    #[derive(Deserialize)]
    struct Suite {
        testcases: BTreeMap<String, Test>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Test {
        filter_match: Match,
    }
    #[derive(Deserialize)]
    struct Match {
        status: String,
    }
    let list: List =
        serde_json::from_str(json).or_failed(|| "understand the tests that nextest listed")?;
    let mut tests = BTreeMap::new();
    for (group, suite) in list.rust_suites {
        for (name, test) in suite.testcases {
            if test.filter_match.status == "matches" {
                let group = group.clone();
                tests.insert(format!("{group} {name}"), Selector { group, name });
            }
        }
    }
    Ok(tests)
}

/// The command that runs just these tests.
pub(crate) fn picking(command: &Command, tests: &[Selector]) -> Command {
    let mut picking = without(command, &FILTERS, &[]);
    let mut filters: Vec<String> = Vec::new();
    for test in tests.iter().map(filter) {
        match filters.last_mut() {
            Some(filter) if filter.len() + test.len() < FILTER => {
                filter.push_str(" | ");
                filter.push_str(&test);
            }
            _ => filters.push(test),
        }
    }
    let flags = filters
        .into_iter()
        .flat_map(|filter| ["-E".to_owned(), filter]);
    let from = run_word(&picking).unwrap_or_default();
    let own = picking
        .args
        .iter()
        .skip(from)
        .take_while(|arg| *arg != "--");
    let end = from + own.count();
    picking.args.splice(end..end, flags.map(OsString::from));
    picking
}

/// The option that ends a run before all of its tests have run.
pub(crate) fn stops_early(command: &Command) -> Option<String> {
    let own = own_words(command);
    let mut words = own.iter().zip(own.iter().skip(1).map(Some).chain([None]));
    words.find_map(|(word, next)| match word.split_once('=') {
        None if word == "--fail-fast" || word == "--ff" => Some(word.clone()),
        None if word == "--max-fail" && next.is_none_or(|most| most != "all") => Some(word.clone()),
        Some(("--max-fail", most)) if most != "all" => Some(word.clone()),
        _ => None,
    })
}

/// The command that runs all tests, whatever its profile says.
pub(crate) fn to_the_end(command: &Command) -> Command {
    let mut whole = command.clone();
    let says_so = |word: &String| {
        ["--no-fail-fast", "--nff", "--max-fail"].contains(&word.as_str())
            || word.starts_with("--max-fail=")
    };
    if let Some(run) = run_word(&whole)
        && !own_words(&whole).iter().any(says_so)
    {
        whole.args.insert(run + 1, "--no-fail-fast".into());
    }
    whole
}

/// The words behind `run` that are nextest's own.
fn own_words(command: &Command) -> Vec<String> {
    let from = run_word(command).map_or(0, |run| run + 1);
    let own = command.args.iter().skip(from);
    let own = own.take_while(|arg| *arg != "--");
    own.map(|arg| arg.to_string_lossy().into_owned()).collect()
}

/// The command without these options of nextest.
fn without(command: &Command, options: &[&str], switches: &[&str]) -> Command {
    let mut command = command.clone();
    let from = run_word(&command).map_or(0, |run| run + 1);
    let mut args = std::mem::take(&mut command.args).into_iter();
    let mut kept: Vec<OsString> = args.by_ref().take(from).collect();
    let mut is_own = true;
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy();
        is_own &= text != "--";
        if is_own && options.contains(&text.as_ref()) {
            args.next();
        } else if !is_own
            || !(switches.contains(&text.as_ref())
                || options.iter().any(|option| has_value(&text, option)))
        {
            kept.push(arg);
        }
    }
    command.args = kept;
    command
}

/// `--filterset=X`, `-EX`.
fn has_value(arg: &str, option: &str) -> bool {
    let is_short = !option.starts_with("--");
    let rest = arg.strip_prefix(option);
    rest.is_some_and(|rest| rest.starts_with('=') || (is_short && !rest.is_empty()))
}

fn filter(test: &Selector) -> String {
    let (binary, name) = (escape(&test.group), escape(&test.name));
    format!("(binary_id(={binary}) & test(={name}))")
}

/// Source: the "Escape sequences" of nextest's filterset reference.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '\\' | ')' | ',' | '/') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::command;
    use super::*;

    fn test(group: &str, name: &str) -> Selector {
        Selector {
            group: group.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn just_the_picked_tests_are_asked_for() {
        let command =
            command("cargo nextest run -p x -E all() --filterset=none() name -- --skip y -E");
        let picking = picking(&command, &[test("x::a", "tests::b"), test("x", "c")]);
        let args: Vec<_> = picking
            .args
            .iter()
            .map(|arg| arg.to_string_lossy())
            .collect();
        assert_eq!(
            args.join(" "),
            "nextest run -p x name -E (binary_id(=x::a) & test(=tests::b)) | \
             (binary_id(=x) & test(=c)) -- --skip y -E"
        );
    }

    #[test]
    fn filters_stay_below_what_the_kernel_takes_as_one_argument() {
        let tests: Vec<_> = (0..10_000)
            .map(|number| test("package::binary", &format!("tests::number_{number}")))
            .collect();
        let picking = picking(&command("cargo nextest run"), &tests);
        let filters: Vec<_> = picking.args.iter().filter(|arg| arg.len() > 20).collect();
        assert!(filters.iter().all(|filter| filter.len() < 128 * 1024));
        let filters: Vec<_> = filters
            .iter()
            .map(|filter| filter.to_string_lossy())
            .collect();
        assert_eq!(filters.join("").matches("test(=").count(), 10_000);
    }

    #[test]
    fn a_run_goes_to_its_end_unless_it_is_told_otherwise() {
        for (line, whole) in [
            (
                "cargo nextest run -p x -- --ff",
                "cargo nextest run --no-fail-fast -p x -- --ff",
            ),
            ("cargo nextest r --nff", "cargo nextest r --nff"),
            (
                "cargo nextest run --max-fail all",
                "cargo nextest run --max-fail all",
            ),
        ] {
            assert_eq!(to_the_end(&command(line)).to_string(), whole);
            assert_eq!(stops_early(&command(line)), None, "{line}");
        }
        for flag in [
            "--fail-fast",
            "--ff",
            "--max-fail=1",
            "--max-fail 2:immediate",
        ] {
            let line = format!("cargo nextest run {flag}");
            assert!(stops_early(&command(&line)).is_some(), "{line}");
        }
    }

    #[test]
    fn what_only_a_run_takes_is_left_out_of_the_listing() {
        for (run, list) in [
            (
                "cargo nextest run -j4 --retries 2 --no-fail-fast -p x --status-level=all a -- -j",
                "cargo nextest list '--message-format=json' -p x a -- -j",
            ),
            (
                "uv run cargo-nextest r --test-threads 1",
                "uv run cargo-nextest list '--message-format=json'",
            ),
            (
                "cargo-nextest run -P ci",
                "cargo-nextest list '--message-format=json' -P ci",
            ),
        ] {
            assert_eq!(listing(&command(run)).to_string(), list);
        }
    }

    #[test]
    fn of_the_listed_tests_those_that_match_run() {
        let json = r#"{"rust-suites": {"x::a": {"testcases": {
            "tests::b": {"ignored": false, "filter-match": {"status": "matches"}},
            "tests::c": {"ignored": true,
                "filter-match": {"status": "mismatch", "reason": "ignored"}}}}}}"#;
        let listed = listed(json).unwrap();
        let listed: Vec<_> = listed.into_iter().collect();
        assert_eq!(
            listed,
            [("x::a tests::b".to_owned(), test("x::a", "tests::b"))]
        );
    }
}
