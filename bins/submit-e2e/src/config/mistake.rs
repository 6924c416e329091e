//! What is wrong with a file that is no YAML: in which entry, and the cure.

use std::path::Path;

use common::yaml::Document;
use common::{Error, Result, yaml};

/// The cure of a file that is too large.
const LARGE: &str = "take out what was generated or put there by mistake";

/// Reads the file. The reader of YAML knows the line of a mistake; the entry that it stands in is
/// found by the text, as the file has no structure yet.
pub(super) fn read(path: &Path) -> Result<Document> {
    let start = yaml::read_start(path)?;
    // A file that is too large is told with the entry that the limit falls into.
    let entry_at_end = || {
        let text = String::from_utf8_lossy(&start);
        entry_at(&text, text.lines().count())
    };
    let is_whole = yaml::check_size(path, &start);
    is_whole.map_err(|error| match entry_at_end() {
        Some(name) => error.hint(format!("the limit falls into workflow {name:?}: {LARGE}")),
        None => error,
    })?;
    let text = yaml::text_of(path, start)?;
    Document::parse_with(path, &text, Some(super::scalar::resolve)).map_err(|error| {
        let report = error.report();
        // A folder may be called anything, and so may a key, which is quoted.
        let what = report.strip_prefix(&path.display().to_string());
        let what = what.unwrap_or(&report).to_lowercase();
        let what: String = what.split('`').step_by(2).collect();
        let mut line = line_of(&what).unwrap_or(1);
        let mut error = error;
        // The reader stops at the end of what came before the tab.
        if let Some(tab) = tab_from(&text, line).filter(|_| what.contains("tab")) {
            line = tab;
            error = Error::usage(format!("{}:{line}: a tab indents it", path.display()));
        }
        let entry = entry_at(&text, line);
        let cure = cure(&what);
        match entry {
            Some(name) => error.hint(format!("in workflow {name:?}: {cure}")),
            None => error.hint(cure),
        }
    })
}

/// The number that `:LINE: what` starts with.
fn line_of(what: &str) -> Option<usize> {
    let digits: String = what
        .strip_prefix(':')?
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok().filter(|line| *line > 0)
}

/// The first line from this one on that a tab indents.
fn tab_from(text: &str, line: usize) -> Option<usize> {
    let mut lines = text.lines().enumerate().skip(line - 1);
    let is_tab = |line: &str| line.trim_start_matches(' ').starts_with('\t');
    lines.find_map(|(index, text)| is_tab(text).then_some(index + 1))
}

/// The name in the list item that a line stands in: from the last line up to it that starts an
/// item no deeper than every other, to the next one.
fn entry_at(text: &str, line: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let start_of_list = lines
        .iter()
        .position(|line| line.starts_with("workflows:"))?;
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let is_item = |line: &&str| line.trim_start().starts_with("- ");
    let depth = lines[start_of_list + 1..]
        .iter()
        .find(|line| is_item(line))
        .map(|line| indentation(line))?;
    let starts = |at: &usize| is_item(&lines[*at]) && indentation(lines[*at]) == depth;
    let last = line.min(lines.len());
    let start = (start_of_list + 1..last).rev().find(starts)?;
    let end = (start + 1..lines.len()).find(starts).unwrap_or(lines.len());
    let name = lines[start..end].iter().find_map(|line| {
        let field = line.trim_start().trim_start_matches("- ").trim_start();
        field.strip_prefix("name:")
    })?;
    let name = name.split(" #").next().unwrap_or_default();
    Some(common::on_one_line(name.trim().trim_matches(['"', '\''])))
}

/// What to do about a mistake, which is told in lower case.
fn cure(what: &str) -> &'static str {
    let has = |word: &str| what.contains(word);
    if has("tab") {
        "YAML is indented by spaces only: replace the tab"
    } else if has("duplicate") {
        "a mapping has each key once: remove one of the two, or start a new item with `- `"
    } else if has("finite") || has("64 bits") {
        "put it in quotes, or give a number"
    } else if has("unknown value") {
        "a text that starts with `*` or `&` has to be in quotes: '*.md'"
    } else if has("recursi") {
        "what is nested here has no end, or more levels than any workflow has: take it apart"
    } else if has("alias") || has("anchor") || has("limit") || has("budget") || has("expan") {
        "write out what the aliases stand for"
    } else if has("multiple") {
        "the file is one document: take out the line `---`"
    } else {
        "compare the indentation, brackets and quotes of this line with those before it"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_is_the_one_that_the_line_stands_in() {
        let text = "python_paths:\n- a/b\nworkflows:\n# c\n- app_dir: x\n  params:\n  - y\n  name: one # c\n- name: \"two\"\n  z: 1\n";
        let names: Vec<_> = (1..=10).map(|line| entry_at(text, line)).collect();
        let (one, two) = (Some("one".to_owned()), Some("two".to_owned()));
        assert!(names[..4].iter().all(Option::is_none));
        assert!(names[4..8].iter().all(|name| *name == one), "{names:?}");
        assert!(names[8..].iter().all(|name| *name == two));
        assert_eq!(entry_at("workflows: [", 1), None);
    }
}
