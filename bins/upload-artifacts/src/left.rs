//! What was not begun when the program was asked to end.

use std::cmp::Reverse;
use std::path::PathBuf;

use common::junit;

/// Files up to this size are sent within a moment.
const SMALL: u64 = 1024 * 1024;

/// A file that is copied if time is left.
pub(crate) struct Left {
    pub(crate) path: PathBuf,
    pub(crate) real: PathBuf,
    pub(crate) size: u64,
}

impl Left {
    /// Results, then small logs, then all else that is small, then what is large; ordered from
    /// last to first.
    pub(crate) fn order(&self) -> Reverse<(bool, u8, u64)> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let extension = self.path.extension().unwrap_or_default();
        let rank = match extension.to_str() {
            _ if junit::is_junit(&name) => 0,
            Some("log" | "txt" | "json" | "xml") => 1,
            _ => 2,
        };
        Reverse((rank > 0 && self.size > SMALL, rank, self.size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_go_first_then_logs_then_what_is_small() {
        let left = |path: &str, size| Left {
            path: path.into(),
            real: path.into(),
            size,
        };
        let mut all = [
            left("huge.log", SMALL + 1),
            left("large.bin", 100),
            left("d/junit_a.xml", 50),
            left("small.bin", 1),
            left("build.log", 90),
            left("a.txt", 10),
        ];
        all.sort_by_cached_key(Left::order);
        let order: Vec<_> = all.iter().rev().map(|left| left.path.to_str()).collect();
        let expected = [
            "d/junit_a.xml",
            "a.txt",
            "build.log",
            "small.bin",
            "large.bin",
            "huge.log",
        ];
        assert_eq!(order, expected.map(Some));
    }
}
