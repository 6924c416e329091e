//! Pass or fail, decided in one place: from the phases of the workflows, what their tests say
//! in JUnit, and errors of any part.

use common::bucket::Outcome;
use common::junit::Summary;
use common::workflow::Phase;
use common::{Error, Exit};

use crate::engine::WorkflowEnd;
use crate::fnmatch::Pattern;

/// A JUnit file.
#[derive(Debug)]
pub(crate) struct JUnitFile {
    /// Where it was found, below the job's folder.
    pub(crate) name: String,
    /// What it says; an error where it is malformed, which counts as failed.
    pub(crate) summary: Result<Summary, Error>,
}

impl JUnitFile {
    /// Whether it says that all is well.
    pub(crate) fn passed(&self) -> bool {
        self.summary.as_ref().is_ok_and(Summary::passed)
    }
}

/// Everything that a verdict is made from.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// The workflows that were run.
    pub(crate) workflows: Vec<WorkflowEnd>,
    /// What their tests say.
    pub(crate) junit: Vec<JUnitFile>,
    /// What went wrong in our own work.
    pub(crate) errors: Vec<Error>,
}

impl Evidence {
    /// A workflow that succeeded and left no JUnit although it says that it does has a problem: its
    /// tests may not have run.
    pub(crate) fn look_for_expected_junit(&mut self) {
        let names: Vec<&str> = self.junit.iter().map(|file| file.name.as_str()).collect();
        let ends = self.workflows.iter_mut();
        for end in ends.filter(|end| end.phase == Phase::Succeeded) {
            for pattern in &end.expected_junit {
                let pattern = format!("artifacts/{pattern}");
                if !names
                    .iter()
                    .any(|name| Pattern::new(&pattern).matches(name))
                {
                    let what = format!("workflow {:?} left no JUnit file {pattern}", end.entry);
                    end.problems.push(Error::failed(what).hint(
                        "its annotation submit-e2e/expected-junit says that it does: did the \
                         tests run, and did a step upload their report?",
                    ));
                }
            }
        }
    }

    /// Everything that went wrong beside steps and tests.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Error> {
        let of_workflows = self.workflows.iter().flat_map(|end| &end.problems);
        of_workflows.chain(&self.errors)
    }

    /// The verdict and the exit code that goes with it. An interruption and a time-out explain
    /// the failures that come with them; a mistake of the configuration and a failed test are
    /// told before a service that was out of reach, as running it again helps with neither.
    pub(crate) fn verdict(&self) -> (Outcome, Exit) {
        let exits: Vec<Exit> = self.problems().map(Error::exit).collect();
        if let Some(exit) = exits
            .iter()
            .find(|exit| matches!(exit, Exit::Interrupted(_)))
        {
            return (Outcome::Aborted, *exit);
        }
        for exit in [Exit::TimedOut, Exit::Usage] {
            if exits.contains(&exit) {
                return (Outcome::Failure, exit);
            }
        }
        let all_succeeded = (self.workflows.iter()).all(|end| end.phase == Phase::Succeeded);
        if !all_succeeded
            || !self.junit.iter().all(JUnitFile::passed)
            || exits.contains(&Exit::Failed)
        {
            return (Outcome::Failure, Exit::Failed);
        }
        match exits.first() {
            Some(exit) => (Outcome::Failure, *exit),
            None => (Outcome::Success, Exit::Success),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(phase: Phase, problem: Option<Error>) -> WorkflowEnd {
        WorkflowEnd {
            phase,
            problems: problem.into_iter().collect(),
            ..WorkflowEnd::default()
        }
    }

    fn junit(summary: Result<Summary, Error>) -> JUnitFile {
        JUnitFile {
            name: "artifacts/junit.xml".to_owned(),
            summary,
        }
    }

    fn failed_tests() -> Summary {
        Summary {
            failures: 1,
            ..Summary::default()
        }
    }

    #[test]
    fn nothing_to_run_is_a_success() {
        assert_eq!(
            Evidence::default().verdict(),
            (Outcome::Success, Exit::Success)
        );
    }

    #[test]
    fn every_kind_of_evidence_can_fail_the_job() {
        for (evidence, expected) in [
            (
                vec![end(Phase::Succeeded, None)],
                (Outcome::Success, Exit::Success),
            ),
            (
                vec![end(Phase::Succeeded, None), end(Phase::Failed, None)],
                (Outcome::Failure, Exit::Failed),
            ),
            (
                vec![end(Phase::Error, None)],
                (Outcome::Failure, Exit::Failed),
            ),
            (
                vec![end(Phase::Failed, Some(Error::timed_out("x")))],
                (Outcome::Failure, Exit::TimedOut),
            ),
            (
                vec![
                    end(Phase::Failed, Some(Error::interrupted(15, "x"))),
                    end(Phase::Error, Some(Error::failed("x"))),
                ],
                (Outcome::Aborted, Exit::Interrupted(15)),
            ),
            (
                vec![end(Phase::Succeeded, Some(Error::failed("x")))],
                (Outcome::Failure, Exit::Failed),
            ),
        ] {
            let evidence = Evidence {
                workflows: evidence,
                ..Evidence::default()
            };
            assert_eq!(evidence.verdict(), expected, "{evidence:?}");
        }
    }

    #[test]
    fn junit_that_fails_or_cannot_be_read_fails_a_workflow_that_succeeded() {
        for (summary, outcome) in [
            (Ok(Summary::default()), Outcome::Success),
            (Ok(failed_tests()), Outcome::Failure),
            (Err(Error::failed("malformed")), Outcome::Failure),
        ] {
            let evidence = Evidence {
                workflows: vec![end(Phase::Succeeded, None)],
                junit: vec![junit(summary)],
                errors: Vec::new(),
            };
            assert_eq!(evidence.verdict().0, outcome);
        }
    }

    #[test]
    fn junit_that_is_promised_and_missing_fails_a_workflow_that_succeeded() {
        let outcome = |phase, patterns: &[&str]| {
            let mut evidence = Evidence {
                workflows: vec![WorkflowEnd {
                    phase,
                    expected_junit: patterns.iter().map(|one| (*one).to_owned()).collect(),
                    ..WorkflowEnd::default()
                }],
                junit: vec![junit(Ok(Summary::default()))],
                errors: Vec::new(),
            };
            evidence.look_for_expected_junit();
            (evidence.verdict().0, evidence.problems().count())
        };
        assert_eq!(
            outcome(Phase::Succeeded, &["junit*.xml"]),
            (Outcome::Success, 0)
        );
        let missing = ["junit.xml", "*/junit_unit.xml"];
        assert_eq!(outcome(Phase::Succeeded, &missing), (Outcome::Failure, 1));
        // There is a reason already.
        assert_eq!(outcome(Phase::Failed, &missing), (Outcome::Failure, 0));
    }

    #[test]
    fn errors_of_our_own_decide_the_exit_code() {
        let errors = |errors: Vec<Error>| {
            Evidence {
                errors,
                ..Evidence::default()
            }
            .verdict()
            .1
        };
        assert_eq!(errors(vec![Error::unavailable("x")]), Exit::Unavailable);
        assert_eq!(
            errors(vec![Error::unavailable("x"), Error::failed("y")]),
            Exit::Failed
        );
        assert_eq!(
            errors(vec![Error::failed("y"), Error::usage("x")]),
            Exit::Usage
        );
        assert_eq!(
            errors(vec![Error::usage("x"), Error::interrupted(2, "y")]),
            Exit::Interrupted(2)
        );
    }
}
