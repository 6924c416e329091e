//! 500 workflows of 50 nodes each, followed at once.

use std::fs;

use e2e::Cluster;

use super::life::{count, requests};
use super::{Bench, wait};
use crate::Outcome;
use crate::figure::Figure;

const WORKFLOWS: usize = 500;
const NODES: usize = 50;

pub(super) fn measure(cluster: &Cluster) -> Outcome<Vec<Figure>> {
    let bench = Bench::new(cluster, WORKFLOWS)?;
    let child = bench.start(1, WORKFLOWS)?;
    let names = bench.open();
    let process = child.id();
    for name in &names {
        bench.set_status(name, "Running", NODES);
    }
    // The peak so far, and that of the ends as well.
    let mut peak = peak(process)?;
    for (n, name) in names.iter().enumerate() {
        bench.set_status(name, "Succeeded", NODES);
        if n + 1 < names.len() {
            peak = peak.max(self::peak(process)?);
        }
    }
    wait(child)?;
    let what = format!("memory with {WORKFLOWS} workflows of {NODES} nodes");
    let mut figures = vec![Figure::megabytes(what, peak).at_most(60.0)];
    if let Some(requests) = requests(bench.namespace.name())? {
        let is_watch = |request: &&serde_json::Value| request["verb"] == "watch";
        let watches = requests.iter().filter(is_watch).count();
        let what = format!("watches of {WORKFLOWS} workflows");
        figures.push(Figure::new(what, count(watches), "").at_most(1.0));
        let each = count(requests.len()) / count(WORKFLOWS);
        let what = format!("API requests for each of {WORKFLOWS} workflows");
        figures.push(Figure::new(what, each, "").at_most(10.0));
    }
    Ok(figures)
}

/// The peak resident memory of a process so far, in bytes.
fn peak(process: u32) -> Outcome<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kibibytes.ok_or("no VmHWM")?.parse::<u64>()? * 1024)
}
