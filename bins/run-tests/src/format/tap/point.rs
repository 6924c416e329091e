//! The lines of TAP: <https://testanything.org/tap-version-14-specification.html>.

use std::time::Duration;

/// A line of TAP, its indentation removed.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    Version,
    Point(Point),
    /// How many tests, and what a `#` behind it says.
    Plan(u64, &'a str),
    BailOut(&'a str),
    /// `pragma +strict`, `pragma -strict`.
    Strict(bool),
    Pragma,
    Comment,
    Other,
}

impl<'a> Line<'a> {
    pub(super) fn of(line: &'a str) -> Self {
        if let Some(point) = point(line) {
            Line::Point(point)
        } else if let Some((number, remark)) = plan(line) {
            Line::Plan(number, remark)
        } else if let Some(reason) = line.trim_start().strip_prefix("Bail out!") {
            Line::BailOut(reason)
        } else if is_version(line) {
            Line::Version
        } else if let Some(pragma) = line.strip_prefix("pragma ") {
            match pragma.trim() {
                "+strict" => Line::Strict(true),
                "-strict" => Line::Strict(false),
                other if other.starts_with(['+', '-']) => Line::Pragma,
                _ => Line::Other,
            }
        } else if line.trim_start().starts_with('#') {
            Line::Comment
        } else {
            Line::Other
        }
    }
}

/// `ok 3 - adds # SKIP no network`.
#[derive(Debug, PartialEq)]
pub(super) struct Point {
    pub(super) ok: bool,
    pub(super) number: Option<u64>,
    pub(super) description: String,
    pub(super) directive: Option<Directive>,
    pub(super) time: Option<Duration>,
}

/// What a `#` behind the description says, with its reason.
#[derive(Debug, PartialEq)]
pub(super) enum Directive {
    Skip(String),
    Todo(String),
}

/// Reads a test point.
fn point(line: &str) -> Option<Point> {
    let (ok, rest) = match line.strip_prefix("not ok") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok")?),
    };
    if !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let rest = rest.trim();
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (number, rest) = match rest[..digits].parse() {
        Ok(number) if rest[digits..].is_empty() || rest[digits..].starts_with([' ', '\t']) => {
            (Some(number), &rest[digits..])
        }
        _ => (None, rest),
    };
    let (description, remark) = split_remark(rest);
    let description = description.trim().trim_start_matches("- ").trim();
    let (description, bats) = without_bats_time(description);
    Some(Point {
        ok,
        number,
        description: unescape(description),
        directive: remark.and_then(directive),
        time: remark.and_then(time).or(bats),
    })
}

/// Parts the description from a remark that means something; any other `#` is part of it.
fn split_remark(text: &str) -> (&str, Option<&str>) {
    for (at, _) in text.match_indices('#') {
        let before = &text[..at];
        let remark = text[at + 1..].trim();
        let apart = before.is_empty() || before.ends_with([' ', '\t']);
        if apart && (directive(remark).is_some() || time(remark).is_some()) {
            return (before, Some(remark));
        }
    }
    (text, None)
}

fn directive(remark: &str) -> Option<Directive> {
    let end = remark.find(char::is_whitespace).unwrap_or(remark.len());
    let (word, reason) = (remark[..end].to_ascii_lowercase(), remark[end..].trim());
    // Older producers write `# skipped: reason` and `# TODO: reason`.
    if word.starts_with("skip") {
        Some(Directive::Skip(reason.to_owned()))
    } else if word.trim_end_matches(':') == "todo" {
        Some(Directive::Todo(reason.to_owned()))
    } else {
        None
    }
}

/// `time=12.5ms`, which node-tap puts behind the description.
fn time(remark: &str) -> Option<Duration> {
    milliseconds(remark.strip_prefix("time=")?.strip_suffix("ms")?)
}

/// A number of milliseconds.
pub(super) fn milliseconds(text: &str) -> Option<Duration> {
    let number: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(number / 1000.0).ok()
}

/// `adds in 12ms`, as `bats --timing` has it: the name is the same in every run.
fn without_bats_time(description: &str) -> (&str, Option<Duration>) {
    let parts = description
        .strip_suffix("ms")
        .and_then(|rest| rest.rsplit_once(" in "));
    match parts {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            (name, milliseconds(number))
        }
        _ => (description, None),
    }
}

/// `\#` and `\\` stand for themselves, any other backslash does as well.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let escaped = (character == '\\')
            .then(|| characters.next_if(|next| matches!(next, '#' | '\\')))
            .flatten();
        plain.push(escaped.unwrap_or(character));
    }
    plain
}

/// `1..5`, with what a `#` behind it says.
fn plan(line: &str) -> Option<(u64, &str)> {
    let rest = line.strip_prefix("1..")?;
    let (number, remark) = match rest.split_once('#') {
        Some((number, remark)) => (number, remark.trim()),
        None => (rest, ""),
    };
    let number = number.trim_end();
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some((number.parse().ok().filter(|_| digits)?, remark))
}

/// `TAP version 14`.
fn is_version(line: &str) -> bool {
    let number = line.trim_end().strip_prefix("TAP version ");
    number.is_some_and(|number| number.parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(ok: bool, number: Option<u64>, description: &str) -> Point {
        Point {
            ok,
            number,
            description: description.to_owned(),
            directive: None,
            time: None,
        }
    }

    #[test]
    fn test_points_are_read() {
        assert_eq!(point("ok"), Some(plain(true, None, "")));
        assert_eq!(point("ok 1"), Some(plain(true, Some(1), "")));
        assert_eq!(
            point("not ok 12 - a # b"),
            Some(plain(false, Some(12), "a # b"))
        );
        assert_eq!(point("ok adds 2"), Some(plain(true, None, "adds 2")));
        assert_eq!(point("ok 3rd try"), Some(plain(true, None, "3rd try")));
        assert_eq!(
            point(r"ok 1 - a \# TODO b"),
            Some(plain(true, Some(1), "a # TODO b"))
        );
        assert_eq!(
            point(r"ok 1 - a \\# b\c"),
            Some(plain(true, Some(1), r"a \# b\c"))
        );
        for other in ["okay", "not okay", "nok 1", " ok 1", "OK 1"] {
            assert_eq!(point(other), None, "{other}");
        }
    }

    #[test]
    fn directives_are_read_in_any_case() {
        let directive = |line| point(line).unwrap().directive;
        let skip = |reason: &str| Some(Directive::Skip(reason.to_owned()));
        assert_eq!(directive("ok 3 # skip no network"), skip("no network"));
        assert_eq!(directive("ok 3 - a # SKIP"), skip(""));
        assert_eq!(directive("ok 3 - a # Skipped: x"), skip("x"));
        let todo = Some(Directive::Todo("later".to_owned()));
        assert_eq!(directive("not ok 4 - a # TODO later"), todo);
        assert_eq!(directive("ok 4 - a # todos"), None);
    }

    #[test]
    fn a_time_is_no_part_of_the_name() {
        let timed = point("ok 1 - adds # time=12.5ms").unwrap();
        assert_eq!(timed.description, "adds");
        assert_eq!(timed.time, Some(Duration::from_micros(12_500)));
        assert_eq!(milliseconds("-1"), None);
        assert_eq!(milliseconds("1e400"), None);
    }

    #[test]
    fn plans_are_read() {
        assert_eq!(plan("1..5"), Some((5, "")));
        assert_eq!(plan("1..0 # SKIP not here"), Some((0, "SKIP not here")));
        for other in [
            "1..",
            "1..a",
            "2..5",
            "1..5 apples",
            "1..99999999999999999999",
            "1..+5",
        ] {
            assert_eq!(plan(other), None, "{other}");
        }
    }
}
