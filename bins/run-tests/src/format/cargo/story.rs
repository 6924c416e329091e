//! What the output of a failed test says in one line.

use common::junit::Detail;

/// Longest message, in characters.
const MESSAGE: usize = 500;

/// The message and the whole text of a failed test's output.
pub(super) fn detail(text: String) -> Detail {
    Detail {
        message: message(&text).chars().take(MESSAGE).collect(),
        text,
    }
}

fn message(text: &str) -> &str {
    panic_message(text)
        .or_else(|| text.lines().find(|line| line.starts_with("Error: ")))
        .or_else(|| {
            text.lines()
                .find(|line| line.starts_with("note: test did not panic"))
        })
        .or_else(|| text.lines().map(str::trim).find(|line| !line.is_empty()))
        .unwrap_or("test failed")
}

/// The line below `thread 'a' panicked at src/lib.rs:10:9:`.
fn panic_message(text: &str) -> Option<&str> {
    let mut lines = text.lines();
    lines.find(|line| line.starts_with("thread '") && line.contains(" panicked at "))?;
    lines.next().map(str::trim).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_what_a_person_looks_for() {
        let panic =
            "noise\n\nthread 'a' (7) panicked at src/lib.rs:1:2:\nassertion failed: x\n  left: 3\n";
        assert_eq!(message(panic), "assertion failed: x");
        assert_eq!(
            message("to stderr\nError: \"no luck\"\n"),
            "Error: \"no luck\""
        );
        assert_eq!(
            message("x\nnote: test did not panic as expected at src/lib.rs:3:4\n"),
            "note: test did not panic as expected at src/lib.rs:3:4"
        );
        assert_eq!(message("\n only this\n"), "only this");
        assert_eq!(message(""), "test failed");
    }
}
