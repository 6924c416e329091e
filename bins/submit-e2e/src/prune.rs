//! Removes the folders of old runs: of a person's runs folder, or of the volume that a cluster's
//! workflows share, whose filling up ends every test there.

mod choose;
mod scan;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use common::app::App;
use common::whole_file::unless_absent;
use common::{Error, Exit, Result, ResultExt};
use indicatif::DecimalBytes;
use tracing::{info, warn};

use crate::opts::PruneOpts;
use choose::{Limits, choose};
use scan::{Contents, Run};

/// A folder that is on its way out: no run of this name is found any more, and the next prune
/// goes on with it where this one is killed.
const LEAVING: &str = ".removing-";

/// Looks at all folders, chooses, removes.
pub(crate) fn run(opts: &PruneOpts, app: &App) -> Result<Exit> {
    let folder = match &opts.runs_dir {
        Some(folder) => folder.clone(),
        None => app.env.runs_folder()?,
    };
    let Some(contents) = contents(&folder, app, opts.runs_dir.is_some())? else {
        info!("{} is not there: nothing to remove", folder.display());
        return Ok(Exit::Success);
    };
    if contents.others > 0 {
        info!(
            "{} entries of {} are not the folder of a run: they stay",
            contents.others,
            folder.display()
        );
    }
    let limits = Limits {
        age: opts.max_age,
        size: opts.max_size,
        rest: opts.min_age,
    };
    let chosen = choose(contents.runs, limits, SystemTime::now());
    if opts.dry_run {
        let lines = chosen.leave.iter().map(|(run, why)| {
            let size = DecimalBytes(run.size);
            format!("{}  {size}  {why}\n", run.folder.display())
        });
        return app.print(lines.collect::<String>());
    }
    let removed = remove_all(&contents.leaving, &chosen.leave, app)?;
    info!(
        "{}: {} runs removed ({}), {} stay ({})",
        folder.display(),
        removed.runs,
        DecimalBytes(removed.size),
        chosen.stay,
        DecimalBytes(chosen.stay_size),
    );
    if chosen.too_large {
        warn!(
            "what stays is larger than --max-size, and changed within --min-age ({})",
            humantime::format_duration(opts.min_age)
        );
    }
    match removed.failed {
        0 => Ok(Exit::Success),
        failed => Err(
            Error::failed(format!("{failed} folders could not be removed"))
                .hint("run it as the user whose steps wrote them, or as root"),
        ),
    }
}

/// What the folder holds; a person who has never run anything has none.
fn contents(folder: &Path, app: &App, named: bool) -> Result<Option<Contents>> {
    match fs::read_dir(folder) {
        Ok(_) => scan::scan(folder, &app.stop).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound && !named => Ok(None),
        Err(error) => Err(
            Error::usage(format!("read the folder {}", folder.display()))
                .because(error)
                .hint("--runs-dir names the folder that holds a folder for each run"),
        ),
    }
}

#[derive(Default)]
struct Removed {
    runs: u64,
    size: u64,
    failed: u64,
}

/// Removes what an earlier prune left, then the chosen runs. One that cannot be removed does not
/// keep the others.
fn remove_all(leaving: &[PathBuf], chosen: &[(Run, choose::Reason)], app: &App) -> Result<Removed> {
    let mut removed = Removed::default();
    let mut try_it = |what: &Path, remove: &dyn Fn() -> Result<()>| {
        app.stop.check("before all old runs were removed")?;
        let result = remove();
        if let Err(error) = &result {
            warn!("{} stays: {}", what.display(), error.report());
            removed.failed += 1;
        }
        Ok::<_, Error>(result.is_ok())
    };
    let mut gone = Vec::new();
    for folder in leaving {
        try_it(folder, &|| remove_tree(folder))?;
    }
    for (run, why) in chosen {
        if try_it(&run.folder, &|| remove(run))? {
            info!(
                "removed {} ({}): {why}",
                run.folder.display(),
                DecimalBytes(run.size)
            );
            gone.push(run.size);
        }
    }
    removed.runs = gone.len() as u64;
    removed.size = gone.iter().sum();
    Ok(removed)
}

fn remove(run: &Run) -> Result<()> {
    let folder = &run.folder;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let leaving = folder.with_file_name(format!("{LEAVING}{name}"));
    match fs::rename(folder, &leaving) {
        // Another prune was faster.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        renamed => {
            renamed.or_failed(|| format!("rename {}", folder.display()))?;
            remove_tree(&leaving)
        }
    }
}

fn remove_tree(folder: &Path) -> Result<()> {
    let removed = fs::remove_dir_all(folder);
    unless_absent(removed).or_failed(|| format!("remove {}", folder.display()))
}
