//! By what the objects of a build are known, so that a second start of it finds what the first one
//! made.

use common::job::Job;
use serde_json::{Value, json};

use super::feed::Selector;
use crate::fnv::fnv64;

/// Label with the build that an object belongs to. It is our own: a manifest may set Prow's
/// labels itself.
const RUN: &str = "submit-e2e/run";

/// Label with the entry of `prow_config.yaml` that an object was made from, as a hash: names of
/// entries need not be values of labels.
const ENTRY: &str = "submit-e2e/entry";

/// A build, as its objects' labels tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    id: String,
    /// Whether Prow gave the build its id: then nobody else's build has it.
    pub(super) is_prows: bool,
}

impl Run {
    pub(super) fn of(job: &Job) -> Self {
        let id = fnv64(&[&job.name, &job.prow_job_id, &job.build_id]);
        Run {
            id: format!("{id:016x}"),
            is_prows: !job.prow_job_id.is_empty(),
        }
    }

    /// Selects the objects of this build.
    pub(super) fn selector(&self) -> Selector {
        Selector::Label(format!("{RUN}={}", self.id))
    }

    /// Labels an object as this entry's of this build.
    pub(super) fn mark(&self, mut object: Value, entry: &str) -> Value {
        let labels = &mut object["metadata"]["labels"];
        if !labels.is_object() {
            *labels = json!({});
        }
        labels[RUN] = self.id.as_str().into();
        labels[ENTRY] = entry_label(entry).into();
        object
    }

    /// Whether labels say that an object is this entry's of this build.
    pub(super) fn owns(&self, entry: &str, label: impl Fn(&str) -> Option<String>) -> bool {
        label(RUN).as_ref() == Some(&self.id) && label(ENTRY) == Some(entry_label(entry))
    }
}

fn entry_label(entry: &str) -> String {
    format!("{:016x}", fnv64(&[entry]))
}

#[cfg(test)]
mod tests {
    use common::job::JobType;

    use super::*;

    fn run(prow_job_id: &str, build_id: &str) -> Run {
        Run::of(&Job {
            job_type: JobType::Periodic,
            name: "e2e".to_owned(),
            build_id: build_id.to_owned(),
            prow_job_id: prow_job_id.to_owned(),
            refs: None,
            extra_refs: Vec::new(),
        })
    }

    #[test]
    fn a_second_start_of_a_build_knows_its_objects_and_no_others() {
        let object = run("a-b", "7").mark(json!({"metadata": {"labels": null}}), "unit tests");
        let label = |name: &str| {
            object["metadata"]["labels"][name]
                .as_str()
                .map(str::to_owned)
        };
        assert!(run("a-b", "7").owns("unit tests", label));
        assert!(!run("a-b", "7").owns("lint", label));
        assert!(!run("a-b", "8").owns("unit tests", label));
        assert!(!run("a-c", "7").owns("unit tests", label));
        assert!(run("a-b", "7").is_prows && !run("", "7").is_prows);
    }
}
