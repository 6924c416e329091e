//! Pass or fail, decided in one place: from the phases of the workflows, what their tests say
//! in JUnit, and errors of any part.

use common::bucket::Outcome;
use common::junit::Summary;
use common::workflow::Phase;
use common::{Error, Exit};

use crate::engine::WorkflowEnd;

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
    /// Everything that went wrong beside steps and tests.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Error> {
        let of_workflows = self.workflows.iter().filter_map(|end| end.problem.as_ref());
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
        let all_succeeded = (self.workflows.iter()).all(|end| end.phase() == Phase::Succeeded);
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
    use std::time::Duration;

    use common::workflow::WorkflowStatus;
    use serde_json::Value;

    use super::*;
    use crate::workflows::Workflow;

    fn end(phase: Phase, problem: Option<Error>) -> WorkflowEnd {
        WorkflowEnd {
            workflow: Workflow {
                entry: "e2e".to_owned(),
                name: "e2e-1".to_owned(),
                document: None,
                manifest: Value::Null,
                teardown: None,
                kind: "manifest",
            },
            object: Value::Null,
            status: WorkflowStatus {
                phase,
                ..WorkflowStatus::default()
            },
            took: Duration::ZERO,
            problem,
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
                vec![end(Phase::Running, None)],
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
