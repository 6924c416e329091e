//! pytest: a plugin of a few lines lists the tests, and deselects those of other shards. Node
//! ids on the command line would be the other way; they would have to replace the paths that
//! are there, which only pytest and its plugins can tell from the values of their options.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::exec::Command;
use common::{Result, ResultExt};

const PLUGIN: &str = include_str!("pytest_plugin.py");
/// The plugin's module.
const MODULE: &str = "run_tests_shard";

/// Variables of our own environment.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

fn list_file(folder: &Path) -> PathBuf {
    folder.join("tests.json")
}

fn shard_file(folder: &Path) -> PathBuf {
    folder.join("shard.json")
}

/// The command that lists the tests into the folder.
pub(super) fn listing(
    command: &Command,
    folder: &Path,
    variables: Variables<'_>,
) -> Result<Command> {
    let plugin = folder.join(format!("{MODULE}.py"));
    std::fs::write(&plugin, PLUGIN).or_failed(|| format!("write {}", plugin.display()))?;
    Ok(with_plugin(command, "--collect-only -q", folder, variables)
        .env("RUN_TESTS_LIST", list_file(folder)))
}

/// The tests that were listed.
pub(super) fn listed(folder: &Path) -> Result<BTreeSet<String>> {
    let file = list_file(folder);
    let text = std::fs::read_to_string(&file).or_failed(|| "read the tests that pytest listed")?;
    serde_json::from_str(&text).or_failed(|| "understand the tests that pytest listed")
}

/// The command that runs just these.
pub(super) fn narrowed(
    command: &Command,
    all: &BTreeSet<String>,
    chosen: &BTreeSet<String>,
    folder: &Path,
    variables: Variables<'_>,
) -> Result<Command> {
    let file = shard_file(folder);
    let text = serde_json::json!({"all": all, "chosen": chosen}).to_string();
    std::fs::write(&file, text).or_failed(|| format!("write {}", file.display()))?;
    Ok(with_plugin(command, "", folder, variables).env("RUN_TESTS_SHARD", file))
}

/// By variables: they reach the workers of xdist as well, and pytester removes them from the
/// sessions that tests of plugins start.
fn with_plugin(
    command: &Command,
    options: &str,
    folder: &Path,
    variables: Variables<'_>,
) -> Command {
    let before = variables("PYTEST_ADDOPTS").unwrap_or_default();
    let options = format!("{before} -p {MODULE} {options}");
    let mut path = folder.as_os_str().to_owned();
    if let Some(before) = variables("PYTHONPATH") {
        path.push(":");
        path.push(before);
    }
    let command = command.clone().env("PYTEST_ADDOPTS", options.trim());
    command.env("PYTHONPATH", path)
}

/// Class and name of a test in pytest's JUnit: `a/test_b.py::C::test[x::y]` is `a.test_b.C` and
/// `test[x::y]`. Source: `mangle_test_address` of its junitxml module.
pub(crate) fn junit_names(node_id: &str) -> (String, String) {
    let (path, parameters) = match node_id.split_once('[') {
        Some((path, parameters)) => (path, format!("[{parameters}")),
        None => (node_id, String::new()),
    };
    let mut names: Vec<String> = path.split("::").map(str::to_owned).collect();
    names[0] = names[0].replace('/', ".");
    let module = names[0].strip_suffix(".py").map(str::to_owned);
    if let Some(module) = module {
        names[0] = module;
    }
    let name = names.pop().unwrap_or_default() + &parameters;
    (names.join("."), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_ids_are_told_as_junit_tells_them() {
        let names = |class: &str, name: &str| (class.to_owned(), name.to_owned());
        assert_eq!(
            junit_names("a/test_b.py::C::test[x::y/z]"),
            names("a.test_b.C", "test[x::y/z]")
        );
        assert_eq!(junit_names("test_a.py::test"), names("test_a", "test"));
    }

    #[test]
    fn the_variables_that_are_set_are_kept() {
        let variables = |name: &str| Some(format!("own-{name}"));
        let command = with_plugin(&Command::new("pytest"), "-q", Path::new("/t"), &variables);
        assert_eq!(command.env[0].1, "own-PYTEST_ADDOPTS -p run_tests_shard -q");
        assert_eq!(command.env[1].1, "/t:own-PYTHONPATH");
    }
}
