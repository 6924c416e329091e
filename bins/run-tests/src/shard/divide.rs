//! Lists the tests and makes the command one that runs those of this part.

use std::collections::BTreeSet;
use std::path::Path;

use common::app::Stop;
use common::exec::{self, Command, Limits};
use common::{Error, Result, ResultExt};
use tokio::time::Instant;

use super::{Divided, Durations, Sharding, cargo, go, pytest};
use crate::naming::{Known, Naming};
use crate::tool::{GoTest, Selector, nextest};

/// How much a list of tests may say, in bytes.
const LIST: usize = 64 * 1024 * 1024;
/// How much of what a failed listing said is told, in bytes.
const SAID: usize = 4 * 1024;

/// What is known of the run whose tests are divided.
pub(crate) struct Context<'a> {
    /// A folder of this run's own.
    pub(crate) folder: &'a Path,
    /// How tests are called in the reports that durations come from.
    pub(crate) naming: &'a Naming,
    /// Name that the tests report as.
    pub(crate) target: &'a str,
    /// Bounds of the listing.
    pub(crate) limits: Limits,
    /// Ends the listing.
    pub(crate) stop: &'a Stop,
    /// Variables of our own environment.
    pub(crate) variables: &'a dyn Fn(&str) -> Option<String>,
}

/// The command that runs this part of the tests; `None`: no test belongs to it.
pub(crate) async fn divide(
    sharding: &Sharding,
    command: &Command,
    context: &Context<'_>,
) -> Result<Option<Command>> {
    let durations = Durations::read(&sharding.durations)?;
    let named = |suite: &str, test: &str| {
        let known = Known {
            target: context.target,
            suite,
            class: suite,
            test,
        };
        durations
            .of_test(suite, &context.naming.name(known))
            .or_else(|| durations.of_test(suite, test))
    };
    match sharding.divided {
        Divided::Nextest if sharding.durations.is_empty() => Ok(Some(partition(sharding, command))),
        Divided::Nextest => {
            let listed = context.list(&nextest::listing(command)).await?;
            let tests = nextest::listed(&listed)?;
            let seconds = |id: &str| {
                let test = tests.get(id)?;
                let of_name = || durations.of_name(&test.name);
                named(&test.group, &test.name)
                    .or_else(|| durations.of_name(id))
                    .or_else(of_name)
            };
            let all: BTreeSet<String> = tests.keys().cloned().collect();
            let narrowed = |chosen: BTreeSet<String>| {
                let chosen: Vec<Selector> = chosen
                    .iter()
                    .filter_map(|id| tests.get(id).cloned())
                    .collect();
                nextest::picking(command, &chosen)
            };
            Ok(sharding.choose(&all, seconds).map(narrowed))
        }
        Divided::Cargo => {
            let listed = context.list(&cargo::listing(command)).await?;
            let all = cargo::listed(&listed);
            let seconds = |test: &str| {
                let name = context.naming.name(Known {
                    target: context.target,
                    suite: "",
                    class: "",
                    test,
                });
                durations.of_name(&name).or_else(|| durations.of_name(test))
            };
            let chosen = sharding.choose(&all, seconds);
            chosen
                .map(|chosen| cargo::narrowed(command, &all, &chosen))
                .transpose()
        }
        Divided::Pytest => {
            let listing = pytest::listing(command, context.folder, context.variables)?;
            context.list(&listing).await?;
            let all = pytest::listed(context.folder)?;
            let seconds = |id: &str| {
                let (class, name) = pytest::junit_names(id);
                durations.of_name(id).or_else(|| named(&class, &name))
            };
            let narrowed = |chosen| {
                pytest::narrowed(command, &all, &chosen, context.folder, context.variables)
            };
            sharding.choose(&all, seconds).map(narrowed).transpose()
        }
        Divided::Go => {
            let go = GoTest::of(command).ok_or_else(|| {
                Error::usage(format!("--shard cannot divide the tests of {command}"))
            })?;
            // Nothing is listed where nothing has tests: the command then says so itself.
            let packages = go::listed(&context.list(&go::packages(&go)).await?);
            if let Some(package) = packages.first()
                && packages.len() == 1
                && !go.picks_tests()
            {
                let listed = context.list(&go::tests(&go, package)).await?;
                let all = go::listed_tests(&listed);
                let chosen = sharding.choose(&all, |test| named(package, test));
                return Ok(chosen.map(|chosen| go::of_tests(&go, package, &chosen)));
            }
            let seconds = |package: &str| {
                durations
                    .of_name(package)
                    .or_else(|| durations.of_group(package))
            };
            let chosen = sharding.choose(&packages, seconds);
            let narrowed = |chosen: BTreeSet<String>| {
                if packages.is_empty() {
                    command.clone()
                } else {
                    go::of_packages(&go, &chosen)
                }
            };
            Ok(chosen.map(narrowed))
        }
    }
}

impl Sharding {
    /// The tests of this part, if there are any. Where there are none in all, that is for the
    /// run itself to tell.
    fn choose(
        &self,
        all: &BTreeSet<String>,
        seconds: impl Fn(&str) -> Option<f64>,
    ) -> Option<BTreeSet<String>> {
        let chosen = self.shard.choose(all, seconds);
        tracing::info!("shard {}: {} of {}", self.shard, chosen.len(), all.len());
        (!chosen.is_empty() || all.is_empty()).then_some(chosen)
    }
}

impl Context<'_> {
    /// What a listing command says.
    async fn list(&self, command: &Command) -> Result<String> {
        let mut command = command.clone();
        command.merge_output = false;
        let what = || format!("list the tests with {command}");
        let captured = exec::capture(&command, self.limits, self.stop, LIST);
        let captured = captured.await.or_failed(what)?;
        let ended = captured.ended;
        match ended.cause {
            exec::Cause::Stopped(signal) => return Err(Error::interrupted(signal, what())),
            exec::Cause::Deadline => return Err(Error::timed_out(what())),
            // pytest's code for a session without tests.
            exec::Cause::Itself if ended.success() || ended.code() == 5 => {}
            exec::Cause::Itself => {
                let said = [captured.stdout, captured.stderr].concat();
                let said = common::junit::clean(&said[said.len().saturating_sub(SAID)..]);
                return Err(Error::failed(what()).because(format!(
                    "exit code {}: {}",
                    ended.code(),
                    said.trim()
                )));
            }
        }
        if captured.stdout.len() >= LIST {
            return Err(Error::failed(what()).because("the list has more than 64 MiB"));
        }
        Ok(String::from_utf8_lossy(&captured.stdout).into_owned())
    }
}

/// nextest's own partition by the hash of a test's name: nothing has to be listed first.
fn partition(sharding: &Sharding, command: &Command) -> Command {
    let mut command = command.clone();
    let behind = nextest::run_word(&command).map_or(command.args.len(), |run| run + 1);
    let partition = format!("hash:{}", sharding.shard);
    let flag = ["--partition".into(), partition.into()];
    command.args.splice(behind..behind, flag);
    command
}

/// When the listing has to end.
pub(crate) fn deadline(timeout: Option<std::time::Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}
