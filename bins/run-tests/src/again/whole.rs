//! The run whose failed tests are run again has to be whole. Where it stopped at its first
//! failure and that test then passes, all others would be green without having run.

use common::exec::Command;
use common::{Error, Result};

use crate::reporter::Reporter;
use crate::tool::{self, Tool, nextest};

/// What Go adds to each of its command lines.
const GOFLAGS: &str = "GOFLAGS";

/// The command that runs all tests, whatever fails; refused where it asks for the opposite.
pub(crate) fn whole(tool: Tool, reporter: Option<Reporter>, command: &Command) -> Result<Command> {
    let stops = match reporter {
        Some(Reporter::Nextest) => nextest::stops_early(command),
        Some(Reporter::Pytest) => pytest_stops_early(command),
        _ => tool.stops_early(command),
    };
    match (stops, reporter) {
        (Some(flag), _) => Err(refusal(&flag)),
        (None, Some(Reporter::Nextest)) => Ok(nextest::to_the_end(command)),
        // pytest gets a plugin: what stops it may be in its configuration.
        (None, _) => Ok(tool.to_the_end(command)),
    }
}

/// Refuses an environment that makes the tool stop early.
pub(crate) fn check_environment(
    tool: Tool,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<()> {
    let flags = variable(GOFLAGS).unwrap_or_default();
    let stops = |flag: &&str| tool::stops_early(flag.as_ref());
    match flags.split_whitespace().find(stops) {
        Some(flag) if tool == Tool::Go => Err(refusal(&format!("{flag} in {GOFLAGS}"))),
        _ => Ok(()),
    }
}

fn refusal(what: &str) -> Error {
    Error::usage(format!(
        "--rerun-fails cannot be used with {what}: tests that did not run would count as passed \
         once those that failed pass"
    ))
    .hint("leave out one of the two")
}

/// Among the words behind `pytest`, where the command is one.
fn pytest_stops_early(command: &Command) -> Option<String> {
    if Reporter::of(command) != Some(Reporter::Pytest) {
        return None;
    }
    let words = std::iter::once(&command.program).chain(&command.args);
    let mut words = words.map(|word| word.to_string_lossy());
    words.find(|word| {
        let name = word.rsplit('/').next();
        name == Some("pytest") || name == Some("py.test")
    });
    let own: Vec<_> = words.take_while(|word| word != "--").collect();
    let mut pairs = own.iter().zip(own.iter().skip(1).map(Some).chain([None]));
    let found = pairs.find(|(word, next)| match word.split_once('=') {
        Some((flag, most)) => flag == "--maxfail" && most != "0",
        None if *word == "--maxfail" => next.is_none_or(|most| most != "0"),
        None => is_exit_first(word),
    });
    found.map(|(word, _)| word.to_string())
}

fn is_exit_first(word: &str) -> bool {
    // Several letters in one word, of those that take no value.
    let letters = word.strip_prefix('-').unwrap_or_default();
    letters.contains('x') && letters.chars().all(|letter| "vqslxV".contains(letter))
        || matches!(
            word,
            "--exitfirst" | "--stepwise" | "--sw" | "--stepwise-skip" | "--sw-skip"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<String> {
        let mut words = line.split(' ');
        let command = Command::new(words.next().unwrap()).args(words);
        let reporter = Reporter::of(&command);
        whole(Tool::of(&command), reporter, &command).map(|whole| whole.to_string())
    }

    #[test]
    fn a_run_that_would_stop_early_goes_on() {
        for (line, whole) in [
            (
                "cargo test -p x -- --nocapture",
                "cargo test -p x --no-fail-fast -- --nocapture",
            ),
            (
                "cargo nextest run -j1",
                "cargo nextest run --no-fail-fast -j1",
            ),
            ("go test ./...", "go test ./..."),
            ("pytest -vs --maxfail=0 -k x", "pytest -vs --maxfail=0 -k x"),
        ] {
            assert_eq!(of(line).unwrap().replace('\'', ""), whole);
        }
    }

    #[test]
    fn a_command_that_asks_to_stop_early_is_refused() {
        for (line, flag) in [
            ("go test -failfast ./...", "-failfast"),
            (
                "cargo test -- -Z unstable-options --fail-fast",
                "--fail-fast",
            ),
            ("cargo nextest run --max-fail=3", "--max-fail=3"),
            ("python3 -m pytest -x", "-x"),
            ("uv run pytest -vx t", "-vx"),
            ("pytest --maxfail 2", "--maxfail"),
            ("pytest --sw", "--sw"),
        ] {
            let report = of(line).unwrap_err().report();
            let expected = format!("cannot be used with {flag}: ");
            assert!(report.contains(&expected), "{report}");
        }
    }

    #[test]
    fn what_goflags_says_counts_for_go() {
        let checked = |tool, flags: &str| check_environment(tool, |_| Some(flags.to_owned()));
        assert!(checked(Tool::Go, "-mod=mod -failfast").is_err());
        assert!(checked(Tool::Go, "-mod=mod -failfast=false").is_ok());
        assert!(checked(Tool::Cargo, "-failfast").is_ok());
    }
}
