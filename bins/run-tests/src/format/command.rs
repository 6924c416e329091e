//! The whole command is one test.

use common::junit::{Case, Detail, Kept, Outcome};

use super::{End, Format};
use crate::results::Results;

/// Passes when the command exits with 0.
pub(super) struct Command {
    name: String,
    output: Kept,
}

impl Command {
    pub(super) fn new(target: &str) -> Self {
        Command {
            name: target.to_owned(),
            output: Kept::for_a_case(),
        }
    }
}

impl Format for Command {
    fn line(&mut self, line: &str, _results: &mut Results) {
        self.output.line(line);
    }

    fn end(&mut self, end: &End, results: &mut Results) {
        let detail = |message: &str, output: &mut Kept| Detail {
            message: message.to_owned(),
            text: output.take(),
        };
        let outcome = match end {
            End::Success => Outcome::Passed,
            End::Failure {
                how,
                crashed: false,
            } => Outcome::Failed(detail(how, &mut self.output)),
            End::Failure { how: reason, .. } | End::CutShort(reason) => {
                Outcome::Errored(detail(reason, &mut self.output))
            }
        };
        let case = Case {
            name: self.name.clone(),
            outcome,
            ..Case::default()
        };
        results.add(&self.name, case);
    }
}
