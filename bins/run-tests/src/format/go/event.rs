//! One line of `go test -json`: see `go doc test2json` and, for builds, `go help buildjson`.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Start,
    Run,
    Pause,
    Cont,
    Pass,
    Bench,
    Fail,
    Skip,
    Output,
    BuildOutput,
    BuildFail,
    /// One that a later Go may add.
    Other,
}

/// One event. Texts borrow from the line where nothing in them is escaped.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Event<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    /// Import path of the package; empty for a build.
    #[serde(borrow, default)]
    pub(super) package: Cow<'a, str>,
    /// Name of the test; empty for what belongs to the package.
    #[serde(borrow, default)]
    pub(super) test: Cow<'a, str>,
    /// What was printed: a line, mostly, with its end.
    #[serde(borrow, default)]
    pub(super) output: Cow<'a, str>,
    #[serde(default)]
    elapsed: Option<f64>,
    /// The import path whose build failed.
    #[serde(borrow, default)]
    pub(super) failed_build: Cow<'a, str>,
    /// What is built.
    #[serde(borrow, default)]
    pub(super) import_path: Cow<'a, str>,
}

impl Event<'_> {
    pub(super) fn action(&self) -> Action {
        match self.action.as_ref() {
            "output" => Action::Output,
            "run" => Action::Run,
            "pass" => Action::Pass,
            "fail" => Action::Fail,
            "skip" => Action::Skip,
            "pause" => Action::Pause,
            "cont" => Action::Cont,
            "start" => Action::Start,
            "bench" => Action::Bench,
            "build-output" => Action::BuildOutput,
            "build-fail" => Action::BuildFail,
            _ => Action::Other,
        }
    }

    pub(super) fn elapsed(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.elapsed?).ok()
    }
}

/// The event of a line; `None` for a line that is none.
pub(super) fn read(line: &str) -> Option<Event<'_>> {
    if !line.starts_with('{') {
        return None;
    }
    let event: Event<'_> = serde_json::from_str(line).ok()?;
    let of_something = !event.package.is_empty() || !event.import_path.is_empty();
    // A test may print JSON of its own, a log line with an action for example.
    (of_something && !event.action.is_empty()).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_from_other_json() {
        let event = read(
            r#"{"Time":"2026-11-23T17:17:48Z","Action":"output","Package":"p","Test":"T","Output":"a\tb\n"}"#,
        )
        .unwrap();
        assert_eq!(event.action(), Action::Output);
        assert_eq!((&*event.package, &*event.output), ("p", "a\tb\n"));
        assert!(matches!(event.package, Cow::Borrowed(_)));
        for other in [
            "",
            "{",
            r#"{"level":"info"}"#,
            r#"{"Action":"run"}"#,
            r#"{"Action":"run","Package":7}"#,
            r#"["Action"]"#,
        ] {
            assert!(read(other).is_none(), "{other}");
        }
    }

    #[test]
    fn an_elapsed_time_that_is_none_is_left_out() {
        let elapsed = |number: &str| {
            let line = format!(r#"{{"Action":"pass","Package":"p","Elapsed":{number}}}"#);
            read(&line).unwrap().elapsed()
        };
        assert_eq!(elapsed("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(elapsed("-1"), None);
        assert_eq!(elapsed("1e300"), None);
    }
}
