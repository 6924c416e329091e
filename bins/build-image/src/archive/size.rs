//! How large a source is, and where it is large.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::walk::{Entry, Kind};

/// A source above this is worth a warning: most of it is seldom what was meant.
pub(crate) const LARGE: u64 = 200 * 1_000_000;

/// How deep folders are told apart.
const DEPTH: usize = 3;

/// How many folders a warning names.
const NAMED: usize = 5;

/// What a source amounts to, before compression.
#[derive(Debug, Clone, Default)]
pub(crate) struct Size {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// The bytes in each folder, what is below it included.
    folders: BTreeMap<PathBuf, u64>,
}

impl Size {
    /// Counts one more entry.
    pub(crate) fn add(&mut self, entry: &Entry) {
        let Kind::File(size) = entry.kind else {
            self.files += u64::from(matches!(entry.kind, Kind::Link(_)));
            return;
        };
        self.files += 1;
        self.bytes += size;
        let mut parents: Vec<&Path> = entry.path.ancestors().skip(1).collect();
        // The source's own folder is the whole.
        parents.pop();
        for folder in parents.into_iter().rev().take(DEPTH) {
            match self.folders.get_mut(folder) {
                Some(sum) => *sum += size,
                None => {
                    self.folders.insert(folder.to_owned(), size);
                }
            }
        }
    }

    /// The largest folders and their sizes. One that is large by a single folder in it gives
    /// way to that.
    pub(crate) fn largest(&self) -> Vec<(&Path, u64)> {
        let is_but_a_shell = |folder: &Path, size: u64| {
            let mut within = self.folders.iter();
            within.any(|(other, sum)| other.parent() == Some(folder) && *sum >= size / 10 * 9)
        };
        let mut largest: Vec<(&Path, u64)> = self
            .folders
            .iter()
            .map(|(folder, size)| (folder.as_path(), *size))
            .collect();
        largest.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        let mut largest: Vec<_> = largest
            .into_iter()
            .take(NAMED * DEPTH)
            .filter(|(folder, size)| !is_but_a_shell(folder, *size))
            .collect();
        largest.truncate(NAMED);
        largest
    }
}

/// Bytes for people, in decimal units.
pub(crate) fn human(bytes: u64) -> String {
    let mut tenths = bytes.saturating_mul(10);
    for unit in ["B", "kB", "MB"] {
        if tenths < 10_000 {
            return rounded(tenths, unit);
        }
        tenths /= 1000;
    }
    rounded(tenths, "GB")
}

fn rounded(tenths: u64, unit: &str) -> String {
    if tenths >= 100 || unit == "B" {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_that_is_large_is_named_and_not_those_around_it() {
        let mut size = Size::default();
        for (path, bytes) in [("a/b/c/d/e", 900), ("a/x", 50), ("z/y", 40), ("top", 1000)] {
            size.add(&Entry {
                path: path.into(),
                kind: Kind::File(bytes),
                mode: 0o644,
            });
        }
        assert_eq!((size.files, size.bytes), (4, 1990));
        let largest = size.largest();
        assert_eq!(largest, [(Path::new("a/b/c"), 900), (Path::new("z"), 40)]);
    }

    #[test]
    fn sizes_are_told_in_few_digits() {
        for (bytes, told) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_234, "1.2 kB"),
            (56_789, "56 kB"),
            (200_000_000, "200 MB"),
            (2_147_483_648, "2.1 GB"),
        ] {
            assert_eq!(human(bytes), told);
        }
    }
}
