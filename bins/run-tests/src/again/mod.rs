//! How single tests of a command are run again: by the tool's own arguments, or by way of the
//! tool that writes JUnit.

mod pytest;
mod whole;

use common::exec::Command;
use common::{Error, Result};

use crate::plan::Plan;
use crate::reporter::Reporter;
use crate::tool::{Selector, Tool, nextest};

pub(crate) use self::pytest::Pytest;
pub(crate) use self::whole::check_environment;

/// The command as it has to run first, so that all of its tests do; refused where they cannot
/// be picked.
pub(crate) fn first(tool: Tool, reporter: Option<Reporter>, command: &Command) -> Result<Command> {
    match (tool, reporter) {
        (Tool::Go | Tool::Cargo, _) | (_, Some(Reporter::Pytest | Reporter::Nextest)) => {
            whole::whole(tool, reporter, command)
        }
        _ => Err(Error::usage(format!(
            "--rerun-fails cannot pick single tests of {}",
            command.program.display()
        ))
        .hint(
            "run the test tool itself behind --: `go test`, `cargo test`, `cargo nextest run` or \
             `pytest`",
        )),
    }
}

/// The commands that run these tests again, one after the other, for run-tests to read.
pub(crate) fn commands(plan: &Plan, tests: &[Selector]) -> Result<Vec<Command>> {
    match (&plan.pytest, plan.reporter) {
        (Some(pytest), _) => Ok(vec![pytest.again(&plan.command, tests)?]),
        (None, Some(Reporter::Nextest)) => Ok(vec![nextest::picking(&plan.command, tests)]),
        _ => {
            let tests = plan.tool.with_their_own(tests);
            let commands = plan.tool.again(&plan.typed, &tests).unwrap_or_default();
            let prepared = commands.into_iter();
            Ok(prepared
                .map(|command| plan.tool.prepare(command, plan.format))
                .collect())
        }
    }
}

/// The same for a person, where one command line says it.
pub(crate) fn for_a_person(plan: &Plan, tests: &[Selector]) -> Vec<Command> {
    match plan.reporter {
        Some(Reporter::Nextest) => vec![nextest::picking(&plan.given, tests)],
        Some(Reporter::Pytest) => pytest::for_a_person(&plan.given).into_iter().collect(),
        _ => plan.tool.again(&plan.given, tests).unwrap_or_default(),
    }
}
