//! A bucket that is away when the job ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use e2e::{Cluster, Fault};

use crate::job::Job;
use crate::manifest::two_steps;

#[test]
fn a_bucket_that_is_away_at_the_end_and_comes_back_gets_the_verdict() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &two_steps());
    let mut program = job.start();
    job.namespace.wait_for_pod("second", "Running");
    let away = Arc::new(AtomicBool::new(true));
    let seen = away.clone();
    let faults = std::iter::from_fn(move || {
        let away = seen.load(Ordering::SeqCst);
        Some(if away {
            Fault::unavailable()
        } else {
            Fault::Pass
        })
    });
    job.store.proxy().on(&["/"], faults);
    let over = |workflow: &serde_json::Value| workflow["status"]["phase"] == "Succeeded";
    job.namespace.wait_for_workflow("its end", over);
    sleep(Duration::from_secs(10));
    assert!(program.try_wait().unwrap().is_none(), "{}", job.log());
    away.store(false, Ordering::SeqCst);
    assert_eq!(job.end_of(&mut program), 0, "{}", job.log());
    job.assert_result("SUCCESS");
}
