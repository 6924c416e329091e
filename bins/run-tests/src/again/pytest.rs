//! pytest: a plugin of a few lines keeps the first run from stopping early, and deselects all
//! other tests when some run again. Node ids on the command line would have to replace the paths
//! that are there, which only pytest can tell from the values of its options.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use common::exec::Command;
use common::{Result, ResultExt};

use crate::reporter::plugin;
use crate::tool::Selector;

const PLUGIN: &str = include_str!("pytest_plugin.py");
/// The plugin's module.
const MODULE: &str = "run_tests_again";
/// The tests that are wanted; none where that file is missing.
const WANTED: &str = "again.json";
/// Made where a session ended before all of its tests had run.
const STOPPED: &str = "stopped";

/// What a pytest whose tests may run again is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pytest {
    /// The folder of the plugin, and of what it reads and writes.
    folder: PathBuf,
}

impl Pytest {
    /// Writes the plugin into a folder of this run's own; gives the variables that load it.
    pub(crate) fn prepare(
        folder: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(Self, Vec<(OsString, OsString)>)> {
        let env = plugin(MODULE, PLUGIN, folder, variable)?;
        let folder = folder.to_owned();
        Ok((Pytest { folder }, env))
    }

    /// The command that runs just these tests, which are named as in pytest's JUnit.
    pub(super) fn again(&self, command: &Command, tests: &[Selector]) -> Result<Command> {
        let names: Vec<[&str; 2]> = tests
            .iter()
            .map(|test| [&*test.group, &test.name])
            .collect();
        let text = serde_json::json!(names).to_string();
        let file = self.folder.join(WANTED);
        std::fs::write(&file, text).or_failed(|| format!("write {}", file.display()))?;
        Ok(command.clone())
    }

    /// Whether a session ended before all of its tests had run.
    pub(crate) fn stopped_early(&self) -> bool {
        self.folder.join(STOPPED).exists()
    }
}

/// pytest remembers what failed last.
pub(super) fn for_a_person(command: &Command) -> Option<Command> {
    let program = Path::new(&command.program).file_name()?.to_str()?;
    let is_pytest = program == "pytest" || command.args.iter().any(|arg| arg == "pytest");
    is_pytest.then(|| command.clone().arg("--last-failed"))
}
