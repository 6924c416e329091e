//! Moments in a job's life at which it is interrupted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::{Cluster, Fault, Running, wait_until};

use crate::job::Job;
use crate::manifest::two_steps;

/// Each upload of a description and its content.
const UPLOAD: [&str; 2] = ["POST", "/upload/"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// `started.json` is on its way to the bucket.
    Starting,
    /// The workflow has just been made.
    Created,
    FirstStep,
    SecondStep,
    /// The workflow is over, and the bucket does not know it yet.
    Finishing,
}

impl Moment {
    /// A job of two steps and an exit handler, brought to this moment.
    pub(crate) fn reach(self, cluster: &Cluster) -> (Job<'_>, Running) {
        let job = Job::new(cluster, &two_steps());
        let proxy = job.store.proxy();
        let over = Arc::new(AtomicBool::new(false));
        match self {
            // The store hears of the first upload and does not get it. A second attempt passes.
            Moment::Starting => proxy.on(&UPLOAD, [Fault::StallUploadAfter(0)]),
            Moment::Finishing => proxy.on(&UPLOAD, stall_once_over(&job, over.clone())),
            _ => {}
        }
        // Time enough for a pod of the exit handler on a busy machine.
        let program = job.start_with(&["--grace-period=60s"]);
        match self {
            Moment::Starting => {
                let is_upload = |line: &String| UPLOAD.iter().all(|word| line.contains(word));
                let seen = || proxy.requests().iter().any(is_upload);
                wait_until("started.json is on its way", seen);
            }
            Moment::Created => {
                job.namespace.wait_for_workflow("the workflow", |_| true);
            }
            Moment::FirstStep => {
                job.namespace.wait_for_pod("first", "Running");
            }
            Moment::SecondStep => {
                job.namespace.wait_for_pod("second", "Running");
            }
            Moment::Finishing => {
                let seen = || over.load(Ordering::SeqCst).then_some(());
                job.namespace
                    .wait_for("an upload after the workflow's end", 120, seen);
            }
        }
        (job, program)
    }
}

/// Stalls the first upload that is made when the job's workflow is over, and tells of it.
fn stall_once_over(
    job: &Job<'_>,
    stalled: Arc<AtomicBool>,
) -> impl Iterator<Item = Fault> + Send + use<> {
    let path = job.namespace.path("workflows");
    let cluster = Cluster::connect();
    std::iter::from_fn(move || {
        let workflows = cluster.api().list(&path);
        let is_over = |workflow: &serde_json::Value| workflow["status"]["phase"] == "Succeeded";
        if stalled.load(Ordering::SeqCst) || !workflows.iter().any(is_over) {
            return Some(Fault::Pass);
        }
        stalled.store(true, Ordering::SeqCst);
        Some(Fault::StallUploadAfter(0))
    })
}
