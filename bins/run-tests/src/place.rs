//! Where in the sources a test failed, as far as its output says so.

/// The first place that the text names: file and line.
pub(crate) fn of(text: &str) -> Option<(String, u64)> {
    text.lines()
        .find_map(in_line)
        .or_else(|| in_traceback(text))
}

fn in_line(line: &str) -> Option<(String, u64)> {
    rust(line)
        .or_else(|| perl(line))
        .or_else(|| bats(line))
        .or_else(|| node(line))
        .or_else(|| go(line))
}

/// `thread 'a' (7) panicked at src/lib.rs:10:9:`.
fn rust(line: &str) -> Option<(String, u64)> {
    let (_, place) = line.split_once(" panicked at ")?;
    let mut parts = place.trim_end_matches(':').rsplitn(3, ':');
    let _column: u64 = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    let file = parts.next()?;
    // Not the panic's own place in the standard library.
    (!file.starts_with("/rustc/")).then(|| checked(file, line))?
}

/// `#   at t/a.t line 4.`.
fn perl(line: &str) -> Option<(String, u64)> {
    let place = line.trim_start_matches('#').trim().strip_prefix("at ")?;
    let (file, line) = place.rsplit_once(" line ")?;
    checked(file, line.trim_end_matches('.').parse().ok()?)
}

/// `# (in test file test/a.bats, line 3)`.
fn bats(line: &str) -> Option<(String, u64)> {
    let (_, place) = line.split_once("in test file ")?;
    let (file, line) = place.trim_end_matches(')').rsplit_once(", line ")?;
    checked(file, line.parse().ok()?)
}

/// `  location: '/src/a.test.mjs:3:1'`.
fn node(line: &str) -> Option<(String, u64)> {
    let place = line.trim().strip_prefix("location: ")?;
    let (place, _column) = place.trim_matches('\'').rsplit_once(':')?;
    let (file, line) = place.rsplit_once(':')?;
    checked(file, line.parse().ok()?)
}

/// `    a_test.go:12: message`, or `/src/a_test.go:12 +0x1d` of a panic.
fn go(line: &str) -> Option<(String, u64)> {
    let (file, rest) = line.trim_start().split_once(".go:")?;
    let number = rest.split([':', ' ']).next()?.parse().ok()?;
    // A panic's way leads through the standard library first.
    let test = file.ends_with("_test") && !file.contains(' ');
    test.then(|| checked(&format!("{file}.go"), number))?
}

/// Where pytest's traceback ends, within the project if it comes through there.
fn in_traceback(text: &str) -> Option<(String, u64)> {
    let places = || text.lines().rev().filter_map(python);
    let own = places().find(|(file, _)| !file.starts_with('/'));
    own.or_else(|| places().next())
}

/// `tests/test_a.py:6: AssertionError`, as pytest has it.
fn python(line: &str) -> Option<(String, u64)> {
    let (place, _) = line.split_once(": ")?;
    let (file, line) = place.rsplit_once(':')?;
    let is_python = file.strip_suffix(".py").is_some() && !file.contains(' ');
    is_python.then(|| checked(file, line.parse().ok()?))?
}

fn checked(file: &str, line: u64) -> Option<(String, u64)> {
    let plausible = file.contains(['.', '/']) && file.len() < 500;
    plausible.then(|| (file.to_owned(), line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_as_the_tools_write_them() {
        let place = |file: &str, line| Some((file.to_owned(), line));
        assert_eq!(
            of("noise\nthread 'tests::b' (31) panicked at src/lib.rs:21:72:\nassertion"),
            place("src/lib.rs", 21)
        );
        assert_eq!(of("#   at t/a.t line 4."), place("t/a.t", 4));
        assert_eq!(
            of("# (in test file test/a.bats, line 3)"),
            place("test/a.bats", 3)
        );
        assert_eq!(of("  location: '/a/n.mjs:3:1'"), place("/a/n.mjs", 3));
        assert_eq!(
            of(
                "t/test_a.py:4: in f\nE   assert 0\n\nt/test_a.py:6: AssertionError\n/lib/x.py:1: E"
            ),
            place("t/test_a.py", 6)
        );
        assert_eq!(of("    a_test.go:4: no"), place("a_test.go", 4));
        assert_eq!(
            of("\t/go/src/testing/testing.go:1 +0x2\n\t/x/a_test.go:4 +0x25"),
            place("/x/a_test.go", 4)
        );
        for none in [
            "thread 'x' panicked at /rustc/59807/library/std/src/panicking.rs:689:5:",
            "panicked at 'old style', src/lib.rs",
            "at the line 5.",
            "",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
