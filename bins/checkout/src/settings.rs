//! The `.git/config` of a new repository. It is written at once: git takes a process for each
//! value.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use common::{Result, ResultExt, whole_file};

use crate::sequence::Setting;

/// What `git init` writes; it finds out what the file system can do.
const MADE_BY_GIT: [&str; 11] = [
    "[core]",
    "\trepositoryformatversion = 0",
    "\trepositoryformatversion = 1",
    "\tfilemode = true",
    "\tfilemode = false",
    "\tbare = false",
    "\tlogallrefupdates = true",
    "\tsymlinks = false",
    "\tignorecase = true",
    "[extensions]",
    "\tobjectformat = sha256",
];

/// The setting that `git init` has written already. Twice in a file it is one that git refuses to
/// change.
const VERSION: &str = "core.repositoryFormatVersion";

/// Adds settings to what `git init` has just written.
pub(crate) fn add(folder: &Path, settings: &[Setting]) -> Result<()> {
    let file = folder.join(".git/config");
    let what = || format!("write the settings in {}", file.display());
    let mut made = fs::read_to_string(&file).or_failed(what)?;
    if settings.iter().any(|(key, _)| *key == VERSION) {
        let lines = made.split_inclusive('\n');
        made = lines
            .filter(|line| !line.trim_start().starts_with("repositoryformatversion"))
            .collect();
    }
    let text = made + &text(settings);
    whole_file::replace(&file, |mut file| file.write_all(text.as_bytes())).or_failed(what)
}

/// Whether a file has nothing but what git and [`add`] write, line by line. Such lines are no
/// danger in any order.
pub(crate) fn are_own(file: &str, settings: &[Setting]) -> bool {
    let own = text(settings);
    file.lines()
        .all(|line| MADE_BY_GIT.contains(&line) || own.lines().any(|own| own == line))
}

/// As a configuration file of git. Of several values git takes the last one.
fn text(settings: &[Setting]) -> String {
    let mut text = String::new();
    for (key, value) in settings {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let section = match section.split_once('.') {
            Some((section, subsection)) => format!("{section} \"{subsection}\""),
            None => section.to_owned(),
        };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let value = value.replace('\n', "\\n");
        // Writing to a string does not fail.
        let _ = writeln!(text, "[{section}]\n\t{name} = \"{value}\"");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn git_reads_what_is_written() {
        let settings = [
            (VERSION, "1".to_owned()),
            (
                "remote.origin.url",
                "https://h/a \\\"b\";#c\n[core]".to_owned(),
            ),
            ("testworker.madeByCheckout", "true".to_owned()),
        ];
        let folder = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| {
            let mut git = Command::new("git");
            let output = git.arg("-C").arg(folder.path()).args(args).output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        };
        git(&["init", "--quiet", "--template="]);
        add(folder.path(), &settings).unwrap();
        for (key, value) in &settings {
            let all = git(&["config", "--null", "--get-all", key]);
            assert_eq!(all, format!("{value}\0"));
        }
        let file = fs::read_to_string(folder.path().join(".git/config")).unwrap();
        assert!(are_own(&file, &settings), "{file}");
        assert!(!are_own(&file, &settings[..1]));
        let other = format!("{file}\tsshCommand = id\n");
        assert!(!are_own(&other, &settings));
    }
}
