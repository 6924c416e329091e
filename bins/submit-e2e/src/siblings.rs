//! The other programs of the suite, as this one starts them.

use std::path::PathBuf;

/// A program from beside this one, or else from the `PATH`.
pub(crate) fn program(name: &str) -> PathBuf {
    let beside = std::env::current_exe().ok();
    beside
        .map(|own| own.with_file_name(name))
        .filter(|path| path.is_file())
        .unwrap_or_else(|| name.into())
}

/// The message of the last error in a program's log as text, without its time and level.
pub(crate) fn last_error(log: &[u8]) -> String {
    let log = String::from_utf8_lossy(log);
    let start = log.rfind("Z ERROR ").map_or(0, |at| at + "Z ERROR ".len());
    let lines: Vec<_> = log[start..].trim().lines().map(str::trim).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_log_is_told_without_its_time() {
        let log = b"2026-01-01T00:00:00Z INFO  x\n2026-01-01T00:00:00Z ERROR e2e.yaml:3: no template\n    name one\n";
        assert_eq!(last_error(log), "e2e.yaml:3: no template\nname one");
        assert_eq!(last_error(b"killed\n"), "killed");
    }
}
