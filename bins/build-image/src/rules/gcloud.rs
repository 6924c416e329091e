//! `.gcloudignore`: gitignore's patterns, and `#!include:FILE`. Source: `gcloud topic
//! gcloudignore`.

use std::path::Path;

use common::{Error, Result, ResultExt};
use ignore::gitignore::{Gitignore, GitignoreBuilder};

const OWN: &str = ".gcloudignore";
const GIT: &str = ".gitignore";

/// What is left out of a folder that has files of git, but no `.gcloudignore`.
const OF_GIT: [&str; 3] = [OWN, ".git", GIT];

/// The largest file that is read: more is no list of patterns.
const MOST: u64 = 1024 * 1024;

/// The rules of a folder, and the file that they come from.
pub(super) fn read(
    folder: &Path,
    ignore_file: Option<&Path>,
) -> Result<(Gitignore, Option<String>)> {
    let mut rules = GitignoreBuilder::new("");
    let from = if let Some(file) = ignore_file {
        let Some(text) = text_of(&folder.join(file))? else {
            let what = format!("--ignore-file {} is not there", file.display());
            return Err(
                Error::usage(what).hint(format!("it is looked for in {}", folder.display()))
            );
        };
        add(&mut rules, folder, file, &text)?;
        Some(file.display().to_string())
    } else if let Some(text) = text_of(&folder.join(OWN))? {
        add(&mut rules, folder, Path::new(OWN), &text)?;
        Some(OWN.to_owned())
    } else {
        of_git(&mut rules, folder)?
    };
    let rules = rules
        .build()
        .or_usage(|| format!("read what {} leaves out", folder.display()))?;
    Ok((rules, from))
}

/// What gcloud does without a file of its own.
fn of_git(rules: &mut GitignoreBuilder, folder: &Path) -> Result<Option<String>> {
    let text = text_of(&folder.join(GIT))?;
    if text.is_none() && !folder.join(".git").exists() {
        return Ok(None);
    }
    for line in OF_GIT {
        add_pattern(rules, Path::new(OWN), line)?;
    }
    for line in text.iter().flat_map(|text| text.lines()) {
        add_pattern(rules, Path::new(GIT), line)?;
    }
    Ok(Some(text.map_or(".git", |_| GIT).to_owned()))
}

fn add(rules: &mut GitignoreBuilder, folder: &Path, file: &Path, text: &str) -> Result<()> {
    for line in text.lines() {
        let directive = line.strip_prefix('#').map(str::trim_start);
        let included = directive.and_then(|rest| rest.strip_prefix("!include:"));
        let Some(name) = included else {
            add_pattern(rules, file, line)?;
            continue;
        };
        let wrong = |reason: &str| {
            let file = file.display();
            Error::usage(format!(
                "{file}: #!include:{} {reason}",
                common::on_one_line(name)
            ))
        };
        if name.contains('/') || name == ".." {
            return Err(wrong("names a file of another folder"));
        }
        let text = text_of(&folder.join(name))?.ok_or_else(|| wrong("names no file"))?;
        // A file that is included includes no others.
        for line in text.lines() {
            add_pattern(rules, Path::new(name), line)?;
        }
    }
    Ok(())
}

fn add_pattern(rules: &mut GitignoreBuilder, file: &Path, line: &str) -> Result<()> {
    let added = rules.add_line(Some(file.to_owned()), line);
    added.or_usage(|| format!("read {}", file.display()))?;
    Ok(())
}

/// A file's text; `None` where there is none.
pub(super) fn text_of(path: &Path) -> Result<Option<String>> {
    let what = || format!("read {}", path.display());
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Ok(None),
        Ok(found) if found.len() > MOST => {
            Err(Error::usage(what()).because("it is larger than 1 MiB"))
        }
        Ok(_) => {
            let bytes = std::fs::read(path).or_failed(what)?;
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).or_failed(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(files: &[(&str, &str)], path: &str, is_folder: bool) -> bool {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let (rules, _) = read(folder.path(), None).unwrap();
        rules.matched(path, is_folder).is_ignore()
    }

    #[test]
    fn a_folder_without_any_rules_is_kept_whole() {
        for path in [".gcloudignore", ".gitignore", "a"] {
            assert!(!left_out(&[("Dockerfile", "")], path, false));
        }
    }

    #[test]
    fn gitignore_counts_where_there_is_no_gcloudignore() {
        let files = [(".gitignore", "*.o\n")];
        for path in [".git", ".gitignore", ".gcloudignore", "a.o"] {
            assert!(left_out(&files, path, false), "{path}");
        }
        assert!(!left_out(&files, "a.c", false));
        let files = [(".gitignore", "*.o\n"), (".gcloudignore", "*.a\n")];
        assert!(left_out(&files, "a.a", false));
        for path in [".git", ".gitignore", "a.o"] {
            assert!(!left_out(&files, path, false), "{path}");
        }
    }

    #[test]
    fn include_puts_patterns_at_its_place() {
        let files = [
            (".gitignore", "*.o\n#!include:nothing\n"),
            (".gcloudignore", "!keep.o\n# !include:.gitignore\n!late.o\n"),
        ];
        assert!(left_out(&files, "a.o", false));
        assert!(left_out(&files, "keep.o", false));
        assert!(!left_out(&files, "late.o", false));
    }

    #[test]
    fn a_wrong_include_is_told_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        for (name, said) in [
            ("../x", "names a file of another folder"),
            ("x", "names no file"),
        ] {
            let text = format!("#!include:{name}\n");
            std::fs::write(folder.path().join(".gcloudignore"), text).unwrap();
            let error = read(folder.path(), None).unwrap_err().report();
            assert!(
                error.contains(".gcloudignore: #!include:") && error.contains(said),
                "{error}"
            );
        }
    }

    /// What gcloud's own library keeps of some files under some rules.
    #[derive(serde::Deserialize)]
    struct Recorded {
        files: Vec<String>,
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        gcloudignore: Option<String>,
        gitignore: Option<String>,
        kept: Vec<String>,
    }

    #[test]
    fn what_is_kept_is_what_gcloud_keeps() {
        let recorded = include_str!("../../tests/fixtures/gcloudignore.json");
        let recorded: Recorded = serde_json::from_str(recorded).unwrap();
        assert_eq!(recorded.cases.len(), 8);
        for case in recorded.cases {
            let folder = tempfile::tempdir().unwrap();
            for name in &recorded.files {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, name).unwrap();
            }
            for (name, text) in [(OWN, &case.gcloudignore), (GIT, &case.gitignore)] {
                if let Some(text) = text {
                    std::fs::write(folder.path().join(name), text).unwrap();
                }
            }
            let rules = crate::rules::Rules::of_cloud(folder.path(), None).unwrap();
            let walk = crate::archive::paths(folder.path(), rules);
            let mut kept: Vec<String> = walk
                .into_iter()
                .filter(|path| folder.path().join(path).is_file())
                .map(|path| path.display().to_string())
                .collect();
            kept.sort();
            assert_eq!(
                kept, case.kept,
                "{:?} {:?}",
                case.gcloudignore, case.gitignore
            );
        }
    }
}
