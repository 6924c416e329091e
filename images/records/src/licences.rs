//! The licences of crates, as their authors wrote them: each text once, with the crates that
//! have it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{Error, Result, ResultExt};
use walkdir::WalkDir;

use crate::metadata::{Package, Parts};

/// How the names of such files begin.
const NAMES: [&str; 6] = [
    "copying",
    "copyright",
    "licence",
    "license",
    "notice",
    "unlicense",
];

/// The licence whose text this project has itself.
const OWN: &str = "Apache-2.0";

/// One file for all crates of others, in the order of their names.
pub(crate) fn collect(parts: &Parts<'_>, workspace: &Path) -> Result<String> {
    let own = workspace.join("LICENSE");
    let mut list = String::new();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in parts.of_others() {
        let name = format!("{} {}", package.name, package.version);
        let licence = package.licence().unwrap_or_default();
        let place = package.repository.as_deref().unwrap_or_default();
        list.extend(["  ", &name, "  ", &licence, "  ", place]);
        list.truncate(list.trim_end().len());
        list.push('\n');
        for file in files(package, &own)? {
            let bytes = std::fs::read(&file).or_failed(|| format!("read {}", file.display()))?;
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            let crates = texts.entry(text).or_default();
            // Both of its licences may be one text.
            if crates.last() != Some(&name) {
                crates.push(name.clone());
            }
        }
    }
    let mut all = format!(
        "The programs of test-worker are made of these crates besides their own code, of Rust's \
         standard\nlibrary (MIT OR Apache-2.0) and of the GNU C library (libc6.copyright):\n\n{list}"
    );
    // In the order of the first crate that has it.
    let mut texts: Vec<(String, Vec<String>)> = texts.into_iter().collect();
    texts.sort_by(|(text, crates), (other, others)| (crates, text).cmp(&(others, other)));
    let (line, thin) = ("=".repeat(79), "-".repeat(79));
    for (text, crates) in texts {
        let crates = crates.join(", ");
        all.extend(["\n", &line, "\n", &crates, "\n", &thin, "\n", &text, "\n"]);
    }
    Ok(all)
}

/// The files of a crate that its licence asks to be handed on; of crates within it as well.
fn files(package: &Package, own: &Path) -> Result<Vec<PathBuf>> {
    let folder = package.folder();
    let mut files: Vec<PathBuf> = package
        .license_file
        .iter()
        .map(|file| folder.join(file))
        .collect();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.or_failed(|| format!("list the files of the crate {}", package.name))?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        let is_text = NAMES.iter().any(|start| name.starts_with(start)) && !is_code(&name);
        if entry.file_type().is_file() && is_text && !files.contains(&entry.path().to_owned()) {
            files.push(entry.into_path());
        }
    }
    if files.is_empty() {
        files.push(instead(package, own)?);
    }
    Ok(files)
}

fn is_code(name: &str) -> bool {
    [".c", ".h", ".py", ".rs"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// Some crates name their licence and leave out its text. That of Apache-2.0 is the same for all.
fn instead(package: &Package, own: &Path) -> Result<PathBuf> {
    let licence = package.licence().unwrap_or_default();
    if licence.split(" OR ").any(|name| name == OWN) {
        return Ok(own.to_owned());
    }
    Err(Error::failed(format!(
        "the crate {} {} ({licence}) comes without the text of its licence",
        package.name, package.version
    ))
    .hint("say in images/records/src/licences.rs where the text is, or use another crate"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn example(write: impl FnOnce(&dyn Fn(&str, &str))) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        file("LICENSE", "text of Apache-2.0\n");
        file("a/Cargo.toml", "");
        file("b/Cargo.toml", "");
        write(&file);
        let metadata = crate::metadata::tests::example(folder.path());
        let parts = metadata.parts_of(metadata.program("program").unwrap());
        collect(&parts, folder.path())
    }

    #[test]
    fn each_text_is_there_once_with_its_crates() {
        let all = example(|file| {
            file("a/LICENSE-MIT", "do what you like\n");
            file("a/src/inner/NOTICE", "made by Ada");
            file("a/src/license.rs", "fn no_licence() {}");
            file("b/COPYING", "do what you like\n\n");
        })
        .unwrap();
        assert!(
            all.contains("\n  a 1.0.0+x  MIT OR Apache-2.0\n  b 1.0.0+x  MIT\n"),
            "{all}"
        );
        let (line, thin) = ("=".repeat(79), "-".repeat(79));
        let texts = format!(
            "\n{line}\na 1.0.0+x\n{thin}\nmade by Ada\n\n{line}\na 1.0.0+x, b 1.0.0+x\n{thin}\ndo what you like\n"
        );
        assert!(all.ends_with(&texts), "{all}");
        assert!(!all.contains("no_licence"), "{all}");
    }

    #[test]
    fn a_crate_without_a_text_has_that_of_apache_or_is_an_error() {
        let all = example(|file| file("b/LICENSE", "b's\n")).unwrap();
        assert!(all.contains("\ntext of Apache-2.0\n"), "{all}");
        let error = example(|file| file("a/LICENSE", "a's\n")).unwrap_err();
        assert!(
            error.report().contains("b 1.0.0+x (MIT) comes without"),
            "{}",
            error.report()
        );
    }
}
