//! pytest: a plugin of a few lines deselects all other tests. Node ids on the command line
//! would have to replace the paths that are there, which only pytest can tell from the values
//! of its options.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use common::exec::Command;
use common::{Result, ResultExt};

use crate::reporter::plugin;
use crate::tool::Selector;

const PLUGIN: &str = include_str!("pytest_plugin.py");
/// The plugin's module.
const MODULE: &str = "run_tests_again";

/// What a pytest that runs some tests again is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pytest {
    env: Vec<(OsString, OsString)>,
    /// The file with the tests that are wanted.
    wanted: PathBuf,
}

impl Pytest {
    /// Writes the plugin into a folder of this run's own.
    pub(crate) fn prepare(
        folder: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let wanted = folder.join("again.json");
        let mut env = plugin(MODULE, PLUGIN, folder, variable)?;
        let list = wanted.clone().into_os_string();
        env.push(("RUN_TESTS_AGAIN".into(), list));
        Ok(Pytest { env, wanted })
    }

    /// The command that runs just these tests, which are named as in pytest's JUnit.
    pub(super) fn again(&self, command: &Command, tests: &[Selector]) -> Result<Command> {
        let names: Vec<[&str; 2]> = tests
            .iter()
            .map(|test| [&*test.group, &test.name])
            .collect();
        let text = serde_json::json!(names).to_string();
        let file = &self.wanted;
        std::fs::write(file, text).or_failed(|| format!("write {}", file.display()))?;
        let mut again = command.clone();
        again.env.extend(self.env.iter().cloned());
        Ok(again)
    }
}

/// pytest remembers what failed last.
pub(super) fn for_a_person(command: &Command) -> Option<Command> {
    let program = Path::new(&command.program).file_name()?.to_str()?;
    let is_pytest = program == "pytest" || command.args.iter().any(|arg| arg == "pytest");
    is_pytest.then(|| command.clone().arg("--last-failed"))
}
