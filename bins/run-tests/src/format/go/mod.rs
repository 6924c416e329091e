//! `go test -json`: events, a line each, among which plain text of the build may stand.

mod builds;
mod event;
mod package;
mod sources;
mod story;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::OsString;
use std::rc::Rc;
use std::time::Duration;

use common::exec::Dump;
use common::junit::distinct;

use self::builds::Builds;
use self::event::{Action, Event};
use self::package::Package;
use self::sources::Sources;
use super::{End, Format, OutOfTime, Running, Translation};
use crate::results::Results;

/// SIGQUIT: a Go program prints what its goroutines do, and ends.
const DUMP: Dump = Dump {
    signal: 3,
    time: Duration::from_secs(5),
};
/// How many packages may run at once, or never end.
const PACKAGES: usize = 20_000;

/// Whether a command whose output has this line speaks as `go test -json` does.
pub(super) fn starts_with(line: &str) -> bool {
    event::read(line).is_some_and(|event| event.action() != Action::Other)
}

/// The reader for a `go test` with these arguments, or for a stream of one where there are none.
pub(super) fn reader(args: &[OsString]) -> Go {
    let own = args.iter().take_while(|arg| *arg != "-args");
    let verbose = own.into_iter().any(|arg| arg == "-v" || arg == "-v=true");
    let folder = std::env::current_dir().unwrap_or_default();
    Go::new(verbose, Sources::of(folder))
}

/// Reads what `go test -json` prints.
pub(super) struct Go {
    /// Everything is shown as it comes, as `go test -v` does.
    verbose: bool,
    sources: Rc<Sources>,
    /// The packages that run, without the one of the last event.
    packages: HashMap<String, Package>,
    recent: (String, Option<Package>),
    builds: Builds,
    translation: Translation,
    out_of_time: Option<OutOfTime>,
}

impl Go {
    fn new(verbose: bool, sources: Sources) -> Self {
        Go {
            verbose,
            sources: Rc::new(sources),
            packages: HashMap::new(),
            recent: (String::new(), None),
            builds: Builds::default(),
            translation: Translation::default(),
            out_of_time: None,
        }
    }

    fn event(&mut self, event: &Event<'_>, results: &mut Results) {
        let action = event.action();
        self.translation.log.extend(event.output.as_bytes());
        if self.verbose || action == Action::BuildOutput {
            self.translation.shown.extend(event.output.as_bytes());
        }
        match action {
            Action::BuildOutput => self.builds.output(&event.import_path, &event.output),
            Action::BuildFail | Action::Other => {}
            _ if event.package.is_empty() => {}
            _ if event.test.is_empty() => self.of_package(action, event, results),
            _ => self.of_test(action, event, results),
        }
    }

    /// The package of this name. Too many at once are no Go's.
    fn package(&mut self, name: &str, results: &mut Results) -> Option<&mut Package> {
        // Most events are of the same package as the one before.
        if self.recent.0 != name {
            self.put_back();
            let package = match self.packages.remove(name) {
                Some(package) => package,
                None if self.packages.len() >= PACKAGES => return None,
                None => {
                    let suite = distinct(name);
                    results.begin(&suite);
                    Package::new(suite, self.sources.clone())
                }
            };
            self.recent = (name.to_owned(), Some(package));
        }
        self.recent.1.as_mut()
    }

    /// Takes the package of the last event to the others.
    fn put_back(&mut self) {
        if let (name, Some(package)) = std::mem::take(&mut self.recent) {
            self.packages.insert(name, package);
        }
    }

    fn of_test(&mut self, action: Action, event: &Event<'_>, results: &mut Results) {
        let Some(package) = self.package(&event.package, results) else {
            return;
        };
        match action {
            Action::Output => package.said(event),
            Action::Run | Action::Cont => package.runs(&event.test),
            Action::Pause => package.waits(&event.test),
            Action::Pass | Action::Bench | Action::Fail | Action::Skip => {
                let shown = package.ended(action, event, results);
                if !self.verbose {
                    self.translation.shown.extend(shown.as_bytes());
                }
            }
            _ => {}
        }
    }

    fn of_package(&mut self, action: Action, event: &Event<'_>, results: &mut Results) {
        let Some(package) = self.package(&event.package, results) else {
            return;
        };
        match action {
            Action::Output => package.said_outside(event),
            Action::Pass | Action::Fail | Action::Skip | Action::Bench => {
                if let Some(package) = std::mem::take(&mut self.recent).1 {
                    let shown = package.shown_at_its_end(action == Action::Fail);
                    if !self.verbose {
                        self.translation.shown.extend(shown.as_bytes());
                    }
                    if let Some(time) = event.elapsed() {
                        // A suite that has no case takes no time either.
                        results.took(package.name(), time);
                    }
                    let suite = package.name().to_owned();
                    package.finish(
                        action == Action::Fail,
                        event,
                        &self.builds,
                        self.out_of_time.as_ref(),
                        results,
                    );
                    results.end(&suite);
                }
            }
            _ => {}
        }
    }
}

impl Format for Go {
    fn line(&mut self, line: &str, results: &mut Results) {
        if let Some(event) = event::read(line) {
            return self.event(&event, results);
        }
        for text in [&mut self.translation.shown, &mut self.translation.log] {
            text.extend(line.as_bytes());
            text.push(b'\n');
        }
        self.builds.plain(line);
    }

    fn end(&mut self, end: &End, results: &mut Results) {
        self.put_back();
        let mut left: Vec<Package> = self.packages.drain().map(|(_, package)| package).collect();
        left.sort_by(|one, other| one.name().cmp(other.name()));
        for package in left {
            package.cut(end, self.out_of_time.as_ref(), results);
        }
    }

    fn is_idle(&self) -> bool {
        self.packages.is_empty() && self.recent.1.is_none()
    }

    fn translation(&mut self) -> Option<&mut Translation> {
        Some(&mut self.translation)
    }

    fn tells_starts(&self) -> bool {
        true
    }

    fn longest_running(&self) -> Option<Running<'_>> {
        let packages = self.packages.values().chain(&self.recent.1);
        let running = packages.flat_map(Package::running);
        running.min_by_key(|test| test.since)
    }

    fn dump(&self) -> Option<Dump> {
        Some(DUMP)
    }

    fn out_of_time(&mut self, reason: &OutOfTime) {
        self.out_of_time = Some(reason.clone());
    }
}
