//! Which workflows a change calls for, and why.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use common::job::JobType;
use common::{Error, Result};

use crate::config::{Config, Entry};
use crate::fnmatch::Pattern;

/// The files that a change touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changes {
    /// These, relative to the repository's root.
    Files(Vec<String>),
    /// They cannot be computed, for this reason: everything runs.
    Unknown(String),
}

/// Whether an entry runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// It does.
    pub(crate) run: bool,
    /// Why, or why not; printable whatever the names of files and patterns.
    pub(crate) reason: String,
}

/// Decides about every entry, in the order of the file. With `only`, the entry of that name
/// runs whatever has changed, and no other.
pub(crate) fn select(
    config: &Config,
    job_type: JobType,
    changes: &Changes,
    only: Option<&str>,
) -> Result<Vec<Decision>> {
    check_only(config, only)?;
    let mut matcher = Matcher {
        changes,
        known: HashMap::new(),
    };
    let mut decide = |entry| decide(entry, job_type, &mut matcher, only);
    Ok(config.workflows.iter().map(&mut decide).collect())
}

/// Every entry, or the one of the name that is asked for.
pub(crate) fn select_all(config: &Config, only: Option<&str>) -> Result<Vec<Decision>> {
    check_only(config, only)?;
    let decide = |entry: &Entry| match only {
        Some(name) if name != entry.name => no(format!("--only asks for {name}")),
        _ => yes("all are asked for"),
    };
    Ok(config.workflows.iter().map(decide).collect())
}

fn check_only(config: &Config, only: Option<&str>) -> Result<()> {
    if let Some(name) = only
        && !config.workflows.iter().any(|entry| entry.name == name)
    {
        let names: Vec<_> = config
            .workflows
            .iter()
            .map(|entry| entry.name.as_str())
            .collect();
        return Err(
            Error::usage(format!("--only {name:?}: no workflow has this name"))
                .hint(format!("there are: {}", names.join(", "))),
        );
    }
    Ok(())
}

fn decide(
    entry: &Entry,
    job_type: JobType,
    changes: &mut Matcher<'_>,
    only: Option<&str>,
) -> Decision {
    if let Some(name) = only.filter(|name| *name != entry.name) {
        return no(format!("--only asks for {name}"));
    }
    if !entry.runs_for(job_type) {
        let types: Vec<_> = entry.job_types.iter().map(|own| own.as_str()).collect();
        return no(format!(
            "job_types is {}, this is a {} job",
            types.join(", "),
            job_type.as_str()
        ));
    }
    let takes_all = entry.include_dirs.is_empty() && entry.exclude_dirs.is_empty();
    match changes.changes {
        _ if only.is_some() => yes("--only asks for it"),
        _ if entry.always_run => yes("always_run is true"),
        _ if job_type == JobType::Periodic => yes("periodic jobs run it whatever has changed"),
        _ if takes_all => yes("it has no include_dirs"),
        Changes::Unknown(why) => yes(format!("the changed files are not known: {why}")),
        Changes::Files(files) => by_files(entry, files, changes),
    }
}

/// A file calls for an entry by matching a pattern of its `include_dirs`, if there are any, and
/// none of its `exclude_dirs`.
fn by_files(entry: &Entry, files: &[String], matcher: &mut Matcher<'_>) -> Decision {
    let excluded: Vec<_> = (entry.exclude_dirs.iter())
        .map(|source| matcher.matches(source))
        .collect();
    let counts = |file: &usize| !excluded.iter().any(|one| one.contains(file));
    for source in &entry.include_dirs {
        if let Some(file) = matcher.matches(source).iter().find(|file| counts(file)) {
            return yes(format!("{} matches {source}", files[*file]));
        }
    }
    let exclude_dirs = entry.exclude_dirs.join(", ");
    if entry.include_dirs.is_empty() {
        return match (0..files.len()).find(counts) {
            Some(file) => yes(format!("{} is not in {exclude_dirs}", files[file])),
            None => no(format!("{} in {exclude_dirs}", all(files.len()))),
        };
    }
    let include_dirs = entry.include_dirs.join(", ");
    no(if excluded.is_empty() {
        format!("{} matches {include_dirs}", none_of(files.len()))
    } else {
        let none = none_of(files.len());
        format!("{none} matches {include_dirs} and is not in {exclude_dirs}")
    })
}

fn none_of(files: usize) -> String {
    format!("none of {}", common::counted(files as u64, "changed file"))
}

fn all(files: usize) -> String {
    match files {
        0 => "no file is changed that is not".to_owned(),
        1 => "the changed file is".to_owned(),
        more => format!("all {more} changed files are"),
    }
}

/// The changed files, and which of them each pattern matches: entries share patterns, and a
/// change may have thousands of files.
struct Matcher<'a> {
    changes: &'a Changes,
    known: HashMap<String, Rc<BTreeSet<usize>>>,
}

impl<'a> Matcher<'a> {
    /// Indices of the files that a pattern matches.
    fn matches(&mut self, source: &str) -> Rc<BTreeSet<usize>> {
        if let Some(known) = self.known.get(source) {
            return known.clone();
        }
        let files: &'a [String] = match self.changes {
            Changes::Files(files) => files,
            Changes::Unknown(_) => &[],
        };
        let pattern = Pattern::new(source);
        let matched = (0..files.len()).filter(|file| pattern.matches(&files[*file]));
        let matched = Rc::new(matched.collect::<BTreeSet<_>>());
        self.known.insert(source.to_owned(), matched.clone());
        matched
    }
}

fn yes(reason: impl AsRef<str>) -> Decision {
    Decision {
        run: true,
        reason: common::on_one_line(reason.as_ref()),
    }
}

fn no(reason: impl AsRef<str>) -> Decision {
    Decision {
        run: false,
        reason: common::on_one_line(reason.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use common::yaml::Document;

    use super::*;

    const CONFIG: &str = "workflows:
- {name: all, manifest: a}
- {name: code, manifest: a, job_types: [presubmit, periodic], include_dirs: [src/*, go.*]}
- {name: merged, manifest: a, job_types: postsubmit}
";

    fn decide(job_type: JobType, changes: &Changes, only: Option<&str>) -> Vec<(bool, String)> {
        let document = Document::parse(Path::new("c.yaml"), CONFIG).unwrap();
        let decisions = select(&Config::of(document).unwrap(), job_type, changes, only).unwrap();
        decisions
            .into_iter()
            .map(|one| (one.run, one.reason))
            .collect()
    }

    fn files(names: &[&str]) -> Changes {
        Changes::Files(names.iter().map(|&name| name.to_owned()).collect())
    }

    fn reasons(expected: [(bool, &str); 3]) -> Vec<(bool, String)> {
        expected
            .map(|(run, reason)| (run, reason.to_owned()))
            .to_vec()
    }

    #[test]
    fn a_presubmit_runs_what_its_files_call_for() {
        assert_eq!(
            decide(
                JobType::Presubmit,
                &files(&["docs/a.md", "src/x/a.c"]),
                None
            ),
            reasons([
                (true, "it has no include_dirs"),
                (true, "src/x/a.c matches src/*"),
                (false, "job_types is postsubmit, this is a presubmit job"),
            ])
        );
        assert_eq!(
            decide(JobType::Batch, &files(&["docs/a.md"]), None)[1],
            (
                false,
                "none of 1 changed file matches src/*, go.*".to_owned()
            )
        );
    }

    #[test]
    fn periodic_jobs_ignore_include_dirs() {
        assert_eq!(
            decide(JobType::Periodic, &files(&[]), None)[1],
            (true, "periodic jobs run it whatever has changed".to_owned())
        );
    }

    #[test]
    fn everything_runs_when_the_changes_are_not_known() {
        let unknown = Changes::Unknown("shallow".to_owned());
        assert_eq!(
            decide(JobType::Presubmit, &unknown, None)[1],
            (true, "the changed files are not known: shallow".to_owned())
        );
    }

    #[test]
    fn only_runs_one_whatever_has_changed_but_not_for_another_job_type() {
        assert_eq!(
            decide(JobType::Presubmit, &files(&[]), Some("code")),
            reasons([
                (false, "--only asks for code"),
                (true, "--only asks for it"),
                (false, "--only asks for code"),
            ])
        );
        assert!(!decide(JobType::Presubmit, &files(&[]), Some("merged"))[2].0);
        let document = Document::parse(Path::new("c.yaml"), CONFIG).unwrap();
        let config = Config::of(document).unwrap();
        assert!(select(&config, JobType::Batch, &files(&[]), Some("x")).is_err());
    }

    #[test]
    fn excluded_files_call_for_nothing() {
        let config = "workflows:
- {name: code, manifest: a, include_dirs: [src/*], exclude_dirs: '*.md'}
- {name: rest, manifest: a, exclude_dirs: [docs/*, '*.md']}
- {name: always, manifest: a, include_dirs: nowhere, always_run: true}
";
        let document = Document::parse(Path::new("c.yaml"), config).unwrap();
        let config = Config::of(document).unwrap();
        let decide = |names: &[&str]| -> Vec<(bool, String)> {
            let decisions = select(&config, JobType::Presubmit, &files(names), None).unwrap();
            (decisions.into_iter())
                .map(|one| (one.run, one.reason))
                .collect()
        };
        let always = (true, "always_run is true");
        assert_eq!(
            decide(&["src/README.md", "docs/a"]),
            reasons([
                (
                    false,
                    "none of 2 changed files matches src/* and is not in *.md"
                ),
                (false, "all 2 changed files are in docs/*, *.md"),
                always,
            ])
        );
        assert_eq!(
            decide(&["src/README.md", "src/a.c"]),
            reasons([
                (true, "src/a.c matches src/*"),
                (true, "src/a.c is not in docs/*, *.md"),
                always,
            ])
        );
    }

    #[test]
    fn a_hostile_files_name_cannot_forge_a_line() {
        let changes = files(&["src/\x1b[2J\nall true"]);
        assert_eq!(
            decide(JobType::Presubmit, &changes, None)[1].1,
            "src/\\u{1b}[2J\\nall true matches src/*"
        );
    }
}
