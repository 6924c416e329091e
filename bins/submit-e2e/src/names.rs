//! The name of a workflow: `{JOB_NAME}-{workflow}` and a suffix that makes it this run's own.

use std::hash::{BuildHasher, Hasher, RandomState};

use common::job::{Job, JobType};

use crate::fnv::fnv64;

/// Longest name: it becomes a label's value (63) and Argo appends to it.
const LONGEST: usize = 62;

/// How many digits of a commit id the name has.
const SHA_DIGITS: usize = 7;

/// A DNS-1123 label of fewer than 63 characters. The suffix (pull request and commit, the end
/// of the build's number, salt) is kept whole; the job's name is cut where that is too long,
/// then the workflow's.
pub(crate) fn workflow_name(job: &Job, workflow: &str, salt: &str) -> String {
    let suffix = suffix(job, salt);
    let room = LONGEST - suffix.len() - 1;
    let job_name = label(&job.name);
    let mut workflow = label(workflow);
    workflow.truncate((room * 2 / 3).max(room.saturating_sub(job_name.len() + 1)));
    let workflow = workflow.trim_end_matches('-');
    let mut head = job_name;
    head.truncate(room.saturating_sub(workflow.len() + 1));
    let parts = [head.trim_end_matches('-'), workflow, &suffix];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

/// Whether an object may have this name: a DNS-1123 label of fewer than 63 characters.
pub(crate) fn is_valid(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST && label(name) == name
}

/// Whether a second start of a build names its objects as the first one did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Each start has names of its own.
    EachTime,
    /// All starts of a build that Prow numbered have the same.
    OfBuild,
}

impl Naming {
    /// Four hexadecimal digits: random ones, or those of the build and of what is named. Each
    /// further attempt gives others.
    pub(crate) fn salt(self, job: &Job, what: &str, attempt: u32) -> String {
        let hash = if self == Naming::OfBuild && !job.prow_job_id.is_empty() {
            let attempt = attempt.to_string();
            fnv64(&[&job.prow_job_id, &job.build_id, what, &attempt])
        } else {
            // The standard library seeds its hash maps from the system's random source.
            RandomState::new().build_hasher().finish()
        };
        format!("{:04x}", hash & 0xffff)
    }
}

fn suffix(job: &Job, salt: &str) -> String {
    let mut parts = Vec::new();
    match (job.job_type, job.pull(), &job.refs) {
        (_, Some(pull), _) => {
            parts.push(pull.number.to_string());
            parts.push(start(&pull.sha));
        }
        (JobType::Postsubmit, _, Some(refs)) => parts.push(start(&refs.base_sha)),
        _ => {}
    }
    let build = label(&job.build_id);
    parts.push(build[build.len().saturating_sub(4)..].to_owned());
    parts.push(salt.to_owned());
    parts.retain(|part| !part.is_empty());
    label(&parts.join("-"))
}

fn start(sha: &str) -> String {
    label(sha).chars().take(SHA_DIGITS).collect()
}

/// Lower-case letters, digits and hyphens (so plain ASCII), no hyphen first or last.
fn label(text: &str) -> String {
    let valid = |c: char| match c.to_ascii_lowercase() {
        valid @ ('a'..='z' | '0'..='9') => valid,
        _ => '-',
    };
    let text: String = text.chars().map(valid).collect();
    text.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use common::job::{Pull, Refs};
    use proptest::prelude::*;

    use super::*;

    fn job(job_type: JobType, name: &str, build: &str) -> Job {
        Job {
            job_type,
            name: name.to_owned(),
            build_id: build.to_owned(),
            prow_job_id: String::new(),
            refs: Some(Refs {
                base_sha: "0123456789abcdef".to_owned(),
                pulls: vec![Pull {
                    number: 72,
                    sha: "fedcba9876543210".to_owned(),
                    ..Pull::default()
                }],
                ..Refs::default()
            }),
            extra_refs: Vec::new(),
        }
    }

    #[test]
    fn each_job_type_has_its_suffix() {
        let name = |job_type| workflow_name(&job(job_type, "tf-e2e", "1234567"), "gis", "00ff");
        assert_eq!(name(JobType::Presubmit), "tf-e2e-gis-72-fedcba9-4567-00ff");
        assert_eq!(name(JobType::Postsubmit), "tf-e2e-gis-0123456-4567-00ff");
        assert_eq!(name(JobType::Periodic), "tf-e2e-gis-4567-00ff");
        assert_eq!(name(JobType::Batch), "tf-e2e-gis-4567-00ff");
    }

    #[test]
    fn a_long_name_is_cut_in_its_middle() {
        let job = job(JobType::Presubmit, &"kubeflow-".repeat(8), "1234567");
        let name = workflow_name(&job, "code_search", "00ff");
        assert_eq!(
            name,
            "kubeflow-kubeflow-kubeflow-ku-code-search-72-fedcba9-4567-00ff"
        );
    }

    #[test]
    fn salts_are_four_digits_and_differ() {
        let job = job(JobType::Periodic, "e2e", "7");
        let salt = |_| Naming::OfBuild.salt(&job, "gis", 0);
        let salts: std::collections::HashSet<_> = (0..20).map(salt).collect();
        assert!(salts.iter().all(|salt| salt.len() == 4));
        assert!(salts.len() > 10);
    }

    #[test]
    fn a_second_start_of_a_prow_job_gives_the_same_names() {
        let mut job = job(JobType::Periodic, "e2e", "7");
        job.prow_job_id = "5ad3f2c0".to_owned();
        let salt = |what, attempt| Naming::OfBuild.salt(&job, what, attempt);
        assert_eq!(salt("gis", 0), salt("gis", 0));
        assert_ne!(salt("gis", 0), salt("gis", 1));
        assert_ne!(salt("gis", 0), salt("tfjob", 0));
        let each: std::collections::HashSet<_> = (0..20)
            .map(|_| Naming::EachTime.salt(&job, "gis", 0))
            .collect();
        assert!(each.len() > 10);
    }

    proptest! {
        #[test]
        fn every_name_is_a_dns_label_with_its_suffix_whole(
            name in ".{0,80}", workflow in ".{0,80}", build in ".{0,30}", kind in 0..4_usize,
        ) {
            let kinds = [JobType::Presubmit, JobType::Postsubmit, JobType::Periodic, JobType::Batch];
            let job = job(kinds[kind], &name, &build);
            let label = workflow_name(&job, &workflow, "00ff");
            prop_assert!(label.len() < 63);
            prop_assert!(label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')));
            prop_assert!(!label.starts_with('-'));
            prop_assert!(label.ends_with(&suffix(&job, "00ff")));
        }
    }
}
