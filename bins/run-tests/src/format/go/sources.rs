//! Where the files are that Go names in short.

use std::path::{Path, PathBuf};

/// The folder and the module that the tests are run in.
#[derive(Debug, Default)]
pub(super) struct Sources {
    folder: PathBuf,
    module: Option<String>,
}

impl Sources {
    /// Those of a folder: its `go.mod` says the module's name.
    pub(super) fn of(folder: PathBuf) -> Self {
        let module = std::fs::read_to_string(folder.join("go.mod"));
        let module = module.ok().and_then(|text| module_of(&text));
        Sources { folder, module }
    }

    /// A file as seen from the folder, where that is known: a test names its file without the
    /// folder, a panic with all of them.
    pub(super) fn file(&self, package: &str, file: &str) -> String {
        if let Ok(rest) = Path::new(file).strip_prefix(&self.folder)
            && self.folder.is_absolute()
        {
            return rest.to_string_lossy().into_owned();
        }
        let within = || {
            let rest = package.strip_prefix(self.module.as_deref()?)?;
            let plain = rest.is_empty() || rest.starts_with('/');
            (plain && !file.contains('/')).then(|| rest.trim_start_matches('/'))
        };
        match within() {
            Some("") | None => file.to_owned(),
            Some(folder) => format!("{folder}/{file}"),
        }
    }
}

/// `e/p` of the line `module e/p`.
fn module_of(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let name = lines.find_map(|line| line.trim().strip_prefix("module "))?;
    let name = name.split("//").next()?.trim().trim_matches('"');
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_as_seen_from_the_folder() {
        let sources = Sources {
            folder: PathBuf::from("/src"),
            module: module_of("// why\nmodule \"e/m\" // x\n\ngo 1.24\n"),
        };
        for (package, file, expected) in [
            ("e/m/pkg/a", "a_test.go", "pkg/a/a_test.go"),
            ("e/m", "a_test.go", "a_test.go"),
            ("e/more/a", "a_test.go", "a_test.go"),
            ("e/m/a", "/src/a/a_test.go", "a/a_test.go"),
            ("e/m/a", "/other/a_test.go", "/other/a_test.go"),
            ("e/m/a", "b/a_test.go", "b/a_test.go"),
        ] {
            assert_eq!(sources.file(package, file), expected, "{package} {file}");
        }
        let unknown = Sources::default();
        assert_eq!(unknown.file("e/m/a", "/x/a_test.go"), "/x/a_test.go");
    }
}
