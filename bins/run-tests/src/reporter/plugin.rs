//! Plugins of a few lines that pytest is given, by variables: they reach a pytest that make or
//! tox starts, and the workers of xdist.

use std::ffi::OsString;
use std::fs::{DirEntry, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use common::junit;
use common::{Result, ResultExt};

use super::arrange::{TOX_OVERRIDE, TOX_PASSES};

/// Says which test runs, and what it does when time is up.
const WATCH: &str = include_str!("pytest_watch.py");

/// [`TOX_PASSES`], and where the plugins are.
const TOX_PASSES_PATH: &str = "testenv.pass_env+=PYTEST_ADDOPTS,PYTHONPATH";

/// More than this of what a process was doing is not read, in bytes.
const MOST_OF_A_DUMP: u64 = 64 * 1024;

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

/// A test that runs, as [`watch`] tells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Watched {
    /// Its node id.
    pub(crate) id: String,
    /// Since when.
    pub(crate) since: SystemTime,
    /// Where its process says what it is doing when it is asked.
    dump: PathBuf,
}

impl Watched {
    /// What its process said that it was doing, as far as it did.
    pub(crate) fn dump(&self) -> Option<String> {
        let mut dump = Vec::new();
        let file = File::open(&self.dump).ok()?;
        file.take(MOST_OF_A_DUMP).read_to_end(&mut dump).ok()?;
        (!dump.is_empty()).then(|| junit::clean(&dump))
    }
}

/// The tests that run.
pub(crate) fn running(folder: &Path) -> Vec<Watched> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    // A test that ends just now takes its file along.
    let test = |entry: DirEntry| {
        let name = entry.file_name();
        let process = name.to_str()?.strip_prefix("running-")?;
        let id = std::fs::read_to_string(entry.path()).ok()?;
        Some(Watched {
            dump: folder.join(format!("dump-{process}")),
            since: entry.metadata().ok()?.modified().ok()?,
            id,
        })
    };
    let mut running: Vec<_> = entries.filter_map(test).collect();
    running.retain(|test| !test.id.is_empty());
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
