//! What `CTest` says of failed tests on its output and leaves out of its JUnit: `Timeout`,
//! `SEGFAULT`.

use std::collections::HashMap;

/// How many tests are remembered.
const TESTS: usize = 20_000;

/// Why tests failed, by their names.
#[derive(Default)]
pub(super) struct Reasons {
    listed: bool,
    of_tests: HashMap<String, String>,
}

impl Reasons {
    /// Takes a line of the output. The list is the last thing that `CTest` says.
    pub(super) fn line(&mut self, line: &str) {
        if line == "The following tests FAILED:" {
            self.listed = true;
        } else if self.listed
            && self.of_tests.len() < TESTS
            && let Some((name, reason)) = failed(line)
        {
            self.of_tests.insert(name.to_owned(), reason.to_owned());
        }
    }

    /// Why a test failed, where that says more than that it did.
    pub(super) fn of(&self, test: &str) -> Option<&str> {
        let reason = self.of_tests.get(test)?;
        (reason != "Failed").then_some(reason)
    }
}

/// `  12 - name (Timeout)`, and labels behind that.
fn failed(line: &str) -> Option<(&str, &str)> {
    let (number, rest) = line.trim_start().split_once(" - ")?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let rest = &rest[..rest.rfind(')')?];
    let (name, reason) = rest.rsplit_once(" (")?;
    is_number.then_some((name, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_at_the_end_says_why() {
        let mut reasons = Reasons::default();
        let output = "\t  9 - early (Timeout)\nThe following tests FAILED:\n\t  1 - a (b) (Timeout)  \
                      slow\n\t 12 - c (SEGFAULT)\n\t  3 - d (Failed)\nErrors (x)\n";
        output.lines().for_each(|line| reasons.line(line));
        assert_eq!(reasons.of("a (b)"), Some("Timeout"));
        assert_eq!(reasons.of("c"), Some("SEGFAULT"));
        assert_eq!(reasons.of("d"), None);
        assert_eq!(reasons.of("early"), None);
    }
}
