//! `.dockerignore`. Source: Docker's reference of the file, and the rules that its engine follows:
//! the last pattern that matches a path or one of its parents decides.

use std::path::{Path, PathBuf};

use common::{Error, Result, ResultExt};
use regex_automata::meta::Regex;

use super::Verdict;
use super::gcloud::text_of;

/// The patterns of a file, in their order.
#[derive(Debug)]
pub(super) struct Patterns {
    patterns: Vec<Pattern>,
    /// Files that stay in whatever the patterns say.
    needed: Vec<PathBuf>,
}

#[derive(Debug)]
struct Pattern {
    regex: Regex,
    /// `!`: what it matches is kept.
    keeps: bool,
}

impl Patterns {
    /// Reads a file of a folder; `None` where there is none.
    pub(super) fn read(folder: &Path, file: &Path, dockerfile: &Path) -> Result<Option<Self>> {
        let Some(text) = text_of(&folder.join(file))? else {
            return Ok(None);
        };
        let mut patterns =
            Patterns::parse(&text).or_usage(|| format!("read {}", folder.join(file).display()))?;
        patterns.needed = vec![dockerfile.to_owned(), file.to_owned()];
        Ok(Some(patterns))
    }

    fn parse(text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut patterns = Vec::new();
        for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
            let (keeps, rest) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            let wrong = || format!("{:?} is no pattern", common::on_one_line(line));
            if rest.is_empty() {
                return Err(Error::usage(wrong()));
            }
            let regex = Regex::new(&regex_of(&clean(rest))).or_usage(wrong)?;
            patterns.push(Pattern { regex, keeps });
        }
        let needed = Vec::new();
        Ok(Patterns { patterns, needed })
    }

    /// What becomes of a path. Folders that are left out are looked into where a pattern may
    /// keep something in them: Docker looks at what arrives once more.
    pub(super) fn verdict(&self, path: &Path, is_folder: bool) -> Verdict {
        if self.needed.iter().any(|needed| needed == path) || !self.leave_out(path) {
            return Verdict::Keep;
        }
        let may_hold_more = self.patterns.iter().any(|pattern| pattern.keeps)
            || self.needed.iter().any(|needed| needed.starts_with(path));
        if is_folder && may_hold_more {
            Verdict::LookInside
        } else {
            Verdict::LeaveOut
        }
    }

    fn leave_out(&self, path: &Path) -> bool {
        // As Docker: a byte that is no UTF-8 is some character.
        let names: Vec<_> = path
            .ancestors()
            .map(Path::to_string_lossy)
            .filter(|name| !name.is_empty())
            .collect();
        let matches = |pattern: &&Pattern| {
            let mut names = names.iter();
            names.any(|name| pattern.regex.is_match(name.as_bytes()))
        };
        let last = self.patterns.iter().rev().find(matches);
        last.is_some_and(|pattern| !pattern.keeps)
    }
}

/// A path without `.`, `..`, doubled or outer slashes, as far as that can be said of it.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        // The folder itself, which holds everything: no path has this name.
        return ".".to_owned();
    }
    parts.join("/")
}

/// `*` and `?` stay within a name; `**` is any number of folders.
fn regex_of(pattern: &str) -> String {
    let mut regex = String::from("(?s)^");
    let mut rest = pattern.chars().peekable();
    let mut in_set = false;
    while let Some(character) = rest.next() {
        match character {
            // A set of characters, which is written as in a regular expression.
            ']' if in_set => {
                in_set = false;
                regex.push(']');
            }
            '\\' => push_literal(&mut regex, rest.next().unwrap_or('\\')),
            '^' | '-' if in_set => regex.push(character),
            literal if in_set => push_literal(&mut regex, literal),
            '[' => {
                in_set = true;
                regex.push('[');
            }
            '*' if rest.next_if_eq(&'*').is_some() => {
                rest.next_if_eq(&'/');
                // At the end it is all that there is.
                regex.push_str(if rest.peek().is_none() {
                    ".*"
                } else {
                    "(?:.*/)?"
                });
            }
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            literal => push_literal(&mut regex, literal),
        }
    }
    regex.push('$');
    regex
}

fn push_literal(regex: &mut String, character: char) {
    if r"\.+*?()|[]{}^$#&-~".contains(character) {
        regex.push('\\');
    }
    regex.push(character);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves_out(text: &str, path: &str) -> bool {
        Patterns::parse(text).unwrap().leave_out(Path::new(path))
    }

    #[test]
    fn patterns_match_from_the_folder_on() {
        for (pattern, out, kept) in [
            ("*.md", "README.md", "docs/README.md"),
            ("/*.md", "README.md", "docs/README.md"),
            ("**/*.md", "README.md", "README.txt"),
            ("**/*.md", "a/b/README.md", "a/b/README.mdx"),
            ("a/**", "a/b/c", "b/a"),
            ("a/**/c", "a/c", "a/cc"),
            ("a/**/c", "a/b/b/c", "ab/c"),
            ("temp?", "tempa", "temp"),
            ("*/temp", "a/temp", "a/b/temp"),
            ("./a/../b/", "b/x", "a"),
            ("[a-c].o", "b.o", "d.o"),
            ("[^a-c].o", "d.o", "b.o"),
            ("a.o", "a.o", "abo"),
            (r"\*.o", "*.o", "a.o"),
            ("a (1)+{x}", "a (1)+{x}", "a 1x"),
            ("a-^b", "a-^b", "b"),
            ("é?", "éé", "é"),
            ("  a b  ", "a b", "a"),
        ] {
            assert!(leaves_out(pattern, out), "{pattern} {out}");
            assert!(!leaves_out(pattern, kept), "{pattern} {kept}");
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let text = "\u{feff}# a comment\n\n*\n!src\nsrc/out\n! src/out/keep\n";
        for (path, out) in [
            ("a", true),
            ("src", false),
            ("src/a", false),
            ("src/out", true),
            ("src/out/a", true),
            ("src/out/keep", false),
        ] {
            assert_eq!(leaves_out(text, path), out, "{path}");
        }
    }

    #[test]
    fn a_folder_with_exceptions_is_looked_into() {
        let verdict = |text: &str, needed: &str| {
            let mut patterns = Patterns::parse(text).unwrap();
            patterns.needed = vec![needed.into()];
            patterns.verdict(Path::new("a"), true)
        };
        assert_eq!(verdict("a\n", "Dockerfile"), Verdict::LeaveOut);
        assert_eq!(verdict("a\n!b\n", "Dockerfile"), Verdict::LookInside);
        assert_eq!(verdict("a\n", "a/Dockerfile"), Verdict::LookInside);
        assert_eq!(verdict("b\n", "a/Dockerfile"), Verdict::Keep);
    }

    #[test]
    fn what_is_no_pattern_is_an_error() {
        for text in ["!", "[a", "[z-a]", "a/[]"] {
            let error = Patterns::parse(text).unwrap_err().report();
            assert!(error.contains("is no pattern"), "{error}");
        }
    }
}
