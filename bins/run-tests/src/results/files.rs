//! Reports that stay apart: one for each JUnit file of the command, beside the command's own.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;

use super::Results;

/// The names of the reports, and which one is being read.
#[derive(Default)]
pub(super) struct Files {
    labels: Vec<String>,
    taken: HashSet<String>,
    reading: bool,
}

impl Files {
    /// The report that a suite belongs to which is listed now.
    pub(super) fn current(&self) -> usize {
        if self.reading { self.labels.len() } else { 0 }
    }

    /// A suite's name that no other report has.
    pub(super) fn scoped<'a>(&self, suite: &'a str) -> Cow<'a, str> {
        match self.current() {
            0 => Cow::Borrowed(suite),
            file => Cow::Owned(format!("{file}\0{suite}")),
        }
    }
}

impl Results {
    /// What is listed from now on is the content of this file, and a report of its own.
    pub(crate) fn begin_file(&mut self, path: &Path) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let stem = crate::plan::file_name(stem.trim_start_matches("junit_"));
        let mut label = stem.clone();
        let mut number = 2;
        while !self.files.taken.insert(label.clone()) {
            label = format!("{stem}-{number}");
            number += 1;
        }
        self.files.labels.push(label);
        self.files.reading = true;
    }

    /// The file is at its end.
    pub(crate) fn end_file(&mut self) {
        self.files.reading = false;
    }

    /// The names of the reports of their own, by their numbers from 1.
    pub(crate) fn files(&self) -> Vec<(usize, String)> {
        (1..).zip(self.files.labels.iter().cloned()).collect()
    }
}
