//! What a job has checked out, for a step that needs to know no more of it.

use super::{Job, JobType, Refs};
use crate::env::{self, Env};
use crate::{Error, Result};

/// The repositories of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Kind of job, where it is said.
    pub job_type: Option<JobType>,
    /// The change under test; periodic jobs may have none.
    pub refs: Option<Refs>,
    /// Further repositories that the job wants checked out.
    pub extra_refs: Vec<Refs>,
}

impl Sources {
    /// Reads `JOB_SPEC`, else the single variables, of which `REPO_OWNER` and `REPO_NAME` are
    /// enough: what the job is called does not matter to its sources.
    pub fn from_env(env: &Env) -> Result<Sources> {
        let mut sources = if let Some(spec) = env.get(env::JOB_SPEC) {
            let job = Job::from_spec(spec)?;
            Sources {
                job_type: Some(job.job_type),
                refs: job.refs,
                extra_refs: job.extra_refs,
            }
        } else {
            Sources {
                job_type: env.get(env::JOB_TYPE).map(JobType::parse).transpose()?,
                refs: Refs::from_variables(env)?,
                extra_refs: Vec::new(),
            }
        };
        sources.take_branch(env);
        for refs in sources.refs.iter().chain(&sources.extra_refs) {
            refs.check()?;
        }
        sources.check_pull()?;
        Ok(sources)
    }

    /// Periodic jobs may name their branch by a variable of its own.
    fn take_branch(&mut self, env: &Env) {
        if matches!(self.job_type, None | Some(JobType::Periodic))
            && let Some(refs) = &mut self.refs
            && refs.base_ref.is_empty()
            && refs.base_sha.is_empty()
            && let Some(branch) = env.get(env::BRANCH_NAME)
        {
            branch.clone_into(&mut refs.base_ref);
        }
    }

    /// To test the base where a pull request was meant would be a lie.
    fn check_pull(&self) -> Result<()> {
        let is_presubmit = self.job_type == Some(JobType::Presubmit);
        let has_pull = self
            .refs
            .as_ref()
            .is_some_and(|refs| !refs.pulls.is_empty());
        if is_presubmit && !has_pull {
            return Err(
                Error::usage("the job is a presubmit without a pull request")
                    .hint("set JOB_SPEC.refs.pulls, or PULL_NUMBER and PULL_PULL_SHA"),
            );
        }
        Ok(())
    }
}
