//! From a workflow's end to the verdict in the bucket.

use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

use e2e::Cluster;

use super::{Bench, until_written, wait};
use crate::Outcome;
use crate::figure::{Figure, median};

const RUNS: usize = 9;

pub(super) fn measure(cluster: &Cluster) -> Outcome<Vec<Figure>> {
    let bench = Bench::new(cluster, 1)?;
    let mut times = Vec::new();
    let mut peers = Vec::new();
    for build in 1..=RUNS {
        let child = bench.start(build, 1)?;
        let name = bench.open().pop().ok_or("no workflow")?;
        bench.set_status(&name, "Running", 1);
        let mut peer = bench.argo(&["wait", &name])?;
        // Both follow it by now.
        std::thread::sleep(Duration::from_secs(2));
        if let Some(peer) = &mut peer
            && let Some(status) = peer.try_wait()?
        {
            return Err(format!("argo wait ended before the workflow did: {status}").into());
        }
        let (at, start) = (SystemTime::now(), Instant::now());
        bench.set_status(&name, "Succeeded", 1);
        let peer = peer.map(|peer| std::thread::spawn(move || end_of(peer, start)));
        let finished = bench.job.results(build).join("finished.json");
        times.push(until_written(&finished, at)?);
        wait(child)?;
        if let Some(peer) = peer {
            peers.push(
                peer.join()
                    .map_err(|_| "a thread of the bench panicked")??,
            );
        }
    }
    let what = "workflow's end to finished.json, median";
    let mut figures = vec![Figure::milliseconds(what, median(times)).at_most(500.0)];
    if !peers.is_empty() {
        figures.push(Figure::milliseconds(
            "the same for argo wait's end",
            median(peers),
        ));
    }
    Ok(figures)
}

/// How long it takes from then on until a program ends.
fn end_of(mut program: Child, since: Instant) -> std::io::Result<Duration> {
    let status = program.wait()?;
    let time = since.elapsed();
    if status.success() {
        Ok(time)
    } else {
        Err(std::io::Error::other(format!("argo wait: {status}")))
    }
}
