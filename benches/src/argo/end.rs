//! From a workflow's end to the verdict in the bucket.

use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use e2e::Cluster;

use super::{Bench, argo, until_written, wait};
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
        let peer = argo(&bench.kubeconfig).map(|mut argo| {
            argo.args(["wait", &name, "--namespace", bench.namespace.name()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
        });
        let peer = peer.transpose()?;
        // Both follow it by now.
        std::thread::sleep(Duration::from_secs(2));
        let (at, start) = (SystemTime::now(), Instant::now());
        bench.set_status(&name, "Succeeded", 1);
        let peer =
            peer.map(|mut peer| std::thread::spawn(move || peer.wait().map(|_| start.elapsed())));
        let finished = bench.job.results(build).join("finished.json");
        times.push(until_written(&finished, at)?);
        wait(child)?;
        if let Some(peer) = peer {
            peers.push(peer.join().map_err(|_| "argo wait")??);
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
