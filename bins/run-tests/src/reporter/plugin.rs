//! Plugins of a few lines that pytest is given, by variables: they reach a pytest that make or
//! tox starts, and the workers of xdist.

use std::ffi::OsString;
use std::fs::DirEntry;
use std::path::Path;
use std::time::SystemTime;

use common::{Result, ResultExt};

use super::arrange::{TOX_OVERRIDE, TOX_PASSES};

/// Says which test runs, and what it does when time is up.
const WATCH: &str = include_str!("pytest_watch.py");

/// [`TOX_PASSES`], and where the plugins are.
const TOX_PASSES_PATH: &str = "testenv.pass_env+=PYTEST_ADDOPTS,PYTHONPATH";

/// What watches a pytest: it is written into a folder of this run's own.
pub(crate) fn watch(
    folder: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<(OsString, OsString)>> {
    plugin("run_tests_watch", WATCH, folder, variable)
}

/// Writes a plugin; gives the variables that make pytest load it beside what is set already.
pub(crate) fn plugin(
    module: &str,
    source: &str,
    folder: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<(OsString, OsString)>> {
    let file = folder.join(format!("{module}.py"));
    std::fs::write(&file, source).or_failed(|| format!("write {}", file.display()))?;
    let options = variable("PYTEST_ADDOPTS").unwrap_or_default();
    let options = format!("{options} -p {module}");
    let mut path = folder.as_os_str().to_owned();
    if let Some(before) = variable("PYTHONPATH") {
        path.push(":");
        path.push(before);
    }
    let mut env = vec![
        ("PYTEST_ADDOPTS".into(), options.trim().into()),
        ("PYTHONPATH".into(), path),
    ];
    // A pytest that is told to load the plugin has to find it within tox as well.
    if let Some(overrides) = variable(TOX_OVERRIDE)
        && !overrides.contains(TOX_PASSES_PATH)
    {
        let overrides = overrides.replace(TOX_PASSES, TOX_PASSES_PATH);
        env.push((TOX_OVERRIDE.into(), overrides.into()));
    }
    Ok(env)
}

/// The node ids of the tests that run, as [`watch`] tells them, and since when.
pub(crate) fn running(folder: &Path) -> Vec<(String, SystemTime)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_running = |name: &OsString| name.to_string_lossy().starts_with("running-");
    let files = entries.filter(|entry| is_running(&entry.file_name()));
    // A test that ends just now takes its file along.
    let test = |entry: DirEntry| {
        let id = std::fs::read_to_string(entry.path()).ok();
        let id = id.filter(|id| !id.is_empty())?;
        Some((id, entry.metadata().ok()?.modified().ok()?))
    };
    let mut running: Vec<_> = files.filter_map(test).collect();
    running.sort();
    running
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pytest_within_tox_finds_every_plugin() {
        let folder = tempfile::tempdir().unwrap();
        let mut set: Vec<(OsString, OsString)> =
            vec![(TOX_OVERRIDE.into(), format!("x=1;{TOX_PASSES}").into())];
        for module in ["one", "two"] {
            let last = |name: &str| {
                let value = set.iter().rev().find(|(own, _)| own == name);
                value.map(|(_, value)| value.to_string_lossy().into_owned())
            };
            let env = plugin(module, "", folder.path(), last).unwrap();
            set.extend(env);
        }
        let last = |name: &str| set.iter().rev().find(|(own, _)| own == name);
        let overrides = last(TOX_OVERRIDE).unwrap().1.to_string_lossy();
        assert_eq!(overrides, format!("x=1;{TOX_PASSES},PYTHONPATH"));
        let options = last("PYTEST_ADDOPTS").unwrap().1.to_string_lossy();
        assert_eq!(options, "-p one -p two");
    }
}
