//! What the API server is asked in the life of a workflow.

use std::fs;
use std::path::PathBuf;

use e2e::Cluster;
use serde_json::Value;

use super::{Bench, wait};
use crate::figure::Figure;
use crate::{Outcome, note};

pub(super) fn measure(cluster: &Cluster) -> Outcome<Vec<Figure>> {
    let bench = Bench::new(cluster, 1)?;
    let child = bench.start(1, 1)?;
    let name = bench.open().pop().ok_or("no workflow")?;
    for phase in ["Running", "Succeeded"] {
        bench.set_status(&name, phase, 3);
    }
    wait(child)?;
    let Some(requests) = requests(bench.namespace.name())? else {
        note("requests are not counted: the cluster has no audit log that is ours to read")?;
        return Ok(Vec::new());
    };
    let what = "API requests in the life of a workflow";
    Ok(vec![
        Figure::new(what, count(requests.len()), "").at_most(10.0),
    ])
}

/// What was asked in a namespace by its accounts, as the API server's audit log has it; `None`
/// where the cluster is not this machine's own.
pub(super) fn requests(namespace: &str) -> Outcome<Option<Vec<Value>>> {
    let Some(state) = std::env::var_os("TEST_CLUSTER") else {
        return Ok(None);
    };
    let log = fs::read_to_string(PathBuf::from(state).join("log/audit.log"))?;
    let account = format!("system:serviceaccount:{namespace}:submit-e2e");
    let mut requests = Vec::new();
    for line in log.lines().filter(|line| line.contains(&account)) {
        let event: Value = serde_json::from_str(line)?;
        // A watch is told of at its start and at its end.
        let is_again = event["verb"] == "watch" && event["stage"] == "ResponseComplete";
        if !is_again {
            requests.push(event);
        }
    }
    Ok(Some(requests))
}

/// A number of things.
pub(super) fn count(things: usize) -> f64 {
    // Exact up to 2⁵³.
    #[expect(clippy::cast_precision_loss, reason = "far fewer")]
    let count = things as f64;
    count
}
