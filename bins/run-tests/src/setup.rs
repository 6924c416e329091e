//! What has to be there before the command can start: the private folder of a tool that writes
//! JUnit itself, the part of the tests that runs.

use std::path::Path;

use common::app::App;
use common::exec::{Command, Limits};
use common::{Result, ResultExt};

use crate::again::{self, Pytest};
use crate::plan::Plan;
use crate::reporter::{self, Folder, Reporter};
use crate::shard::{self, Divided};

/// What the command needs while it runs.
pub(crate) struct Setup {
    /// Where the tool writes its reports.
    pub(crate) folder: Option<Folder>,
    /// Whether there is anything to run.
    pub(crate) runs: bool,
}

/// Makes it, and the plan's command one that uses it.
pub(crate) async fn prepare(plan: &mut Plan, app: &App) -> Result<Setup> {
    if plan.rerun_fails > 0 {
        again::check_environment(plan.tool, |name| app.env.get(name).map(str::to_owned))?;
    }
    let pytest = |divided| divided == Divided::Pytest;
    let wanted = plan.reporter.is_some()
        || plan
            .sharding
            .as_ref()
            .is_some_and(|sharding| pytest(sharding.divided));
    let folder = wanted
        .then(|| Folder::new().or_failed(|| "make a folder for the tool's reports"))
        .transpose()?;
    let runs = divide(plan, app, folder.as_ref()).await?;
    if let (Some(reporter), Some(folder)) = (plan.reporter, &folder) {
        // What sharding has set is kept.
        let variable = |name: &str| self::variable(&plan.command, app, name);
        let arranged = reporter.arrange(&plan.command, folder.path(), plan.junit_output, variable);
        for (path, text) in &arranged.files {
            std::fs::write(path, text).or_failed(|| format!("write {}", path.display()))?;
        }
        plan.command = arranged.command;
        if reporter == Reporter::Pytest {
            watch_pytest(plan, app, folder.path())?;
        }
        plan.junit_from = arranged.patterns;
        plan.reports = Some(folder.path().to_owned());
    }
    Ok(Setup { folder, runs })
}

/// Gives pytest the plugins that the plan calls for.
fn watch_pytest(plan: &mut Plan, app: &App, folder: &Path) -> Result<()> {
    if plan.timeout.or(plan.test_timeout).is_some() {
        let watch = reporter::watch(folder, |name| variable(&plan.command, app, name))?;
        plan.command.env.extend(watch);
        plan.watched = Some(folder.to_owned());
    }
    if plan.rerun_fails > 0 {
        let (pytest, env) = Pytest::prepare(folder, |name| variable(&plan.command, app, name))?;
        plan.command.env.extend(env);
        plan.pytest = Some(pytest);
    }
    Ok(())
}

/// A variable as the command will see it.
fn variable(command: &Command, app: &App, name: &str) -> Option<String> {
    let set = command.env.iter().rev().find(|(own, _)| own == name);
    let set = set.map(|(_, value)| value.to_string_lossy().into_owned());
    set.or_else(|| app.env.get(name).map(str::to_owned))
}

/// Makes the command one that runs this part of the tests; false: none belongs to it.
async fn divide(plan: &mut Plan, app: &App, folder: Option<&Folder>) -> Result<bool> {
    let Some(sharding) = plan.sharding.clone() else {
        return Ok(true);
    };
    let folder = folder.map_or(Path::new(""), Folder::path);
    let context = shard::Context {
        folder,
        naming: &plan.naming,
        target: &plan.target,
        limits: Limits {
            deadline: shard::deadline(plan.timeout),
            grace: plan.grace,
        },
        stop: &app.stop,
        variables: &|name| app.env.get(name).map(str::to_owned),
    };
    match shard::divide(&sharding, &plan.typed, &context).await? {
        Some(command) => {
            plan.command = plan.tool.prepare(command.clone(), plan.format);
            plan.typed = command;
            Ok(true)
        }
        None => Ok(false),
    }
}
