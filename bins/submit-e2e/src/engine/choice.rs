//! Which engine runs the workflows where nobody said so.

use std::fmt;

use common::{Error, Result};

use super::argo::Source;
use crate::opts::{EngineName, RunOpts, Runtime};

/// An engine, and why it is this one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) engine: EngineName,
    why: String,
}

/// What was asked for; else the cluster for a Prow job that has one, and this machine for
/// everything else: a person's working tree is not on the cluster.
pub(crate) fn choose(
    asked: Option<EngineName>,
    is_prow_job: bool,
    cluster: Option<&Source>,
) -> Choice {
    let choice = |engine, why: String| Choice { engine, why };
    match (asked, cluster) {
        (Some(engine), _) => choice(engine, "--engine says so".to_owned()),
        (None, Some(cluster)) if is_prow_job => choice(
            EngineName::Argo,
            format!("this is a Prow job, and {cluster} leads to a cluster"),
        ),
        (None, Some(cluster)) => choice(
            EngineName::Local,
            format!("this is no Prow job; --engine argo takes the cluster of {cluster}"),
        ),
        (None, None) => choice(EngineName::Local, "no cluster is configured".to_owned()),
    }
}

impl Choice {
    /// Refuses for a cluster what is for steps on this machine: a run that passes over it would not be
    /// the one that was asked for.
    pub(super) fn check(&self, opts: &RunOpts) -> Result<()> {
        let given = [
            (opts.runtime == Runtime::Docker, "--runtime docker"),
            (!opts.secret.is_empty(), "--secret"),
            (!opts.pass_env.is_empty(), "--pass-env"),
        ];
        match given.into_iter().find(|(is_given, _)| *is_given) {
            None => Ok(()),
            Some((_, option)) => Err(Error::usage(format!(
                "{option} is for steps on this machine, and these run on a cluster ({self})"
            ))
            .hint("leave it out, or choose this machine with --engine local")),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "engine {}: {}", self.engine, self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_taken_for_prow_jobs_and_where_it_is_asked_for() {
        let cluster = Source::InCluster;
        let engine = |asked, is_prow_job, cluster| choose(asked, is_prow_job, cluster).engine;
        let (argo, local) = (EngineName::Argo, EngineName::Local);
        assert_eq!(engine(None, true, Some(&cluster)), argo);
        assert_eq!(engine(None, false, Some(&cluster)), local);
        assert_eq!(engine(None, true, None), local);
        assert_eq!(engine(Some(argo), false, None), argo);
        assert_eq!(engine(Some(local), true, Some(&cluster)), local);
        assert_eq!(
            choose(None, true, Some(&cluster)).to_string(),
            "engine argo: this is a Prow job, and the pod's service account leads to a cluster"
        );
    }
}
