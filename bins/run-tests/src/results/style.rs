//! How tests appear in the report: their names, how much of their output, and nothing secret.

use std::borrow::Cow;

use common::junit::{Case, Detail, Outcome};
use common::redact::Rules;

use crate::naming::{Known, Naming};
use crate::opts::JunitOutput;

/// How tests appear in the report.
#[derive(Debug, Clone, Default)]
pub(crate) struct Style {
    /// What they are called.
    pub(crate) naming: Naming,
    /// Of which tests the output is kept.
    pub(crate) output: JunitOutput,
    /// What is secret; `None`: nothing.
    pub(crate) secrets: Option<Rules>,
}

impl Style {
    /// The name that a test has in the report; a tool's own class gives way to the target.
    pub(super) fn name(&self, target: &str, suite: &str, class: &str, test: &str) -> String {
        if self.naming.is_plain() {
            return self.masked(test).into_owned();
        }
        let name = self.naming.name(Known {
            target,
            suite,
            class,
            test,
        });
        self.masked(&name).into_owned()
    }

    /// Gives a case the texts that it has in the report.
    pub(super) fn dress(&self, case: &mut Case) {
        match self.output {
            JunitOutput::All => {}
            JunitOutput::Failed if case.outcome.fault().is_some() => {}
            // What a passed test printed is of no interest in a report.
            JunitOutput::Failed | JunitOutput::None => {
                case.system_out = String::new();
                case.system_err = String::new();
            }
        }
        if let Outcome::Failed(detail) | Outcome::Errored(detail) | Outcome::Skipped(detail) =
            &mut case.outcome
        {
            self.dress_detail(detail);
        }
        self.mask(&mut case.system_out);
        self.mask(&mut case.system_err);
    }

    pub(super) fn dress_detail(&self, detail: &mut Detail) {
        if self.output == JunitOutput::None {
            detail.text = String::new();
        }
        self.mask(&mut detail.message);
        self.mask(&mut detail.text);
    }

    /// The output was looked through as it came. What a secret was split by there, as JSON's
    /// escapes and events do, is whole here; and files of the tool were never output.
    fn mask(&self, text: &mut String) {
        if let Cow::Owned(masked) = self.masked(text) {
            *text = masked;
        }
    }

    /// A text without what is secret.
    pub(super) fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.secrets {
            Some(rules) if !text.is_empty() => Cow::Owned(rules.redact(text)),
            _ => Cow::Borrowed(text),
        }
    }
}
