//! What the compiler said, for the packages that do not build.

use std::collections::HashMap;

use common::junit::Kept;

/// How many broken builds are remembered.
const BUILDS: usize = 200;

/// Output of builds by what was built: `e/p`, or `e/p [e/p.test]` for the tests of a package.
#[derive(Default)]
pub(super) struct Builds {
    said: HashMap<String, Kept>,
    /// Before Go 1.24 builds speak plain text: the package whose lines come now.
    plain: Option<String>,
}

impl Builds {
    /// Takes an event of a build.
    pub(super) fn output(&mut self, import_path: &str, output: &str) {
        self.kept(import_path, |kept| kept.push(output));
    }

    /// Takes a line of plain text. A line such as `# e/p [e/p.test]` starts a package's.
    pub(super) fn plain(&mut self, line: &str) {
        if let Some(import_path) = line.strip_prefix("# ") {
            self.plain = Some(import_path.to_owned());
        }
        if let Some(import_path) = self.plain.take() {
            self.kept(&import_path, |kept| kept.line(line));
            self.plain = Some(import_path);
        }
    }

    fn kept(&mut self, import_path: &str, add: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.said.get_mut(import_path) {
            add(kept);
        } else if self.said.len() < BUILDS {
            let mut kept = Kept::for_a_case();
            add(&mut kept);
            self.said.insert(import_path.to_owned(), kept);
        }
    }

    /// What was said of a build: of the one that is named, else of the package and its tests.
    pub(super) fn text(&self, failed: &str, package: &str) -> String {
        if let Some(said) = self.said.get(failed) {
            return said.text();
        }
        let of_package = |path: &&String| path.split(' ').next() == Some(package);
        let mut paths: Vec<&String> = self.said.keys().filter(of_package).collect();
        paths.sort();
        paths.iter().map(|path| self.said[*path].text()).collect()
    }
}
