//! upload-artifacts against rclone and gcloud, each on a fresh object store.

pub(crate) mod data;
pub(crate) mod sink;
mod store;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::figure::Figure;
use crate::process::{Cost, binary, cost};
use sink::Sink;
use store::Store;

/// As the kernel cuts it.
const OURS: &str = "upload-artifact";
const FILES: &str = "2,004 files, 554 MB";

pub(crate) fn measure() -> Outcome<Vec<Figure>> {
    let place = tempfile::tempdir()?;
    let mut figures = Vec::new();
    for (kind, fill) in data::KINDS {
        let folder = place.path().join(kind);
        data::job(&folder, fill)?;
        figures.extend(compare(&folder, kind)?);
        std::fs::remove_dir_all(&folder)?;
    }
    let many = place.path().join("many");
    data::many(&many, 100_000)?;
    figures.push(memory(&many, "100,000 small files")?);
    std::fs::remove_dir_all(&many)?;
    let large = place.path().join("large");
    data::large(&large, 10_000_000_000)?;
    figures.push(memory(&large, "one file of 10 GB")?);
    Ok(figures)
}

/// One set of files by all programs.
fn compare(folder: &Path, kind: &str) -> Outcome<Vec<Figure>> {
    let store = Store::start()?;
    let first = cost(&mut ours(folder, &store.url())?)?;
    let second = cost(&mut ours(folder, &store.url())?)?;
    drop(store);
    let what = format!("upload-artifacts, {FILES}, {kind}");
    let mut figures = vec![
        Figure::megabytes(format!("peak memory of {what}"), first.peak(OURS)?).at_most(40.0),
        Figure::milliseconds(format!("{what}, nothing changed"), second.time).at_most(1000.0),
    ];
    let store = Store::start()?;
    let rclone = cost(&mut rclone(folder, &store))?;
    drop(store);
    figures.extend(ratios(&what, &first, "rclone", &rclone, (70.0, 60.0)));
    if is_installed("gcloud") {
        let store = Store::start()?;
        let gcloud = cost(&mut gcloud(folder, &store))?;
        let name = "gcloud storage rsync";
        figures.extend(ratios(&what, &first, name, &gcloud, (45.0, 20.0)));
    }
    Ok(figures)
}

/// Our time and processor time, in hundredths of the peer's.
fn ratios(what: &str, ours: &Cost, name: &str, peer: &Cost, limits: (f64, f64)) -> [Figure; 2] {
    let ratio = |ours: Duration, peer: Duration| 100.0 * ours.as_secs_f64() / peer.as_secs_f64();
    let (time, cpu) = (ratio(ours.time, peer.time), ratio(ours.cpu, peer.cpu));
    let (took, theirs) = (ours.time.as_secs_f64(), peer.time.as_secs_f64());
    let time_of = format!("time of {what} ({took:.1} s), to {name} ({theirs:.1} s)");
    let (took, theirs) = (ours.cpu.as_secs_f64(), peer.cpu.as_secs_f64());
    let cpu_of = format!("CPU of {what} ({took:.1} s), to {name} ({theirs:.1} s)");
    [
        Figure::new(time_of, time, "%").at_most(limits.0),
        Figure::new(cpu_of, cpu, "%").at_most(limits.1),
    ]
}

/// Against a server that keeps nothing: the stores that run here hold all of it in memory.
fn memory(folder: &Path, what: &str) -> Outcome<Figure> {
    let sink = Sink::start()?;
    let cost = cost(&mut ours(folder, &sink.url())?)?;
    let what = format!("peak memory of upload-artifacts, {what}");
    Ok(Figure::megabytes(what, cost.peak(OURS)?).at_most(60.0))
}

fn ours(folder: &Path, url: &str) -> Outcome<Command> {
    let mut command = Command::new(binary("upload-artifacts")?);
    command
        .env_remove("JOB_SPEC")
        .envs([("JOB_TYPE", "periodic"), ("JOB_NAME", "bench")])
        .env("BUILD_ID", "1")
        .env("STORAGE_EMULATOR_HOST", url)
        .arg("--artifacts-dir")
        .arg(folder)
        .arg("--bucket=gs://bench");
    Ok(command)
}

fn rclone(folder: &Path, store: &Store) -> Command {
    let mut command = Command::new("rclone");
    command
        .envs([
            ("RCLONE_CONFIG_PEER_TYPE", "google cloud storage"),
            ("RCLONE_CONFIG_PEER_ANONYMOUS", "true"),
            ("RCLONE_CONFIG_PEER_NO_CHECK_BUCKET", "true"),
            ("RCLONE_CONFIG_PEER_BUCKET_POLICY_ONLY", "true"),
        ])
        .env("RCLONE_CONFIG_PEER_ENDPOINT", store.api())
        .arg("sync")
        .arg(folder)
        .arg("PEER:bench/artifacts");
    command
}

fn gcloud(folder: &Path, store: &Store) -> Command {
    let mut command = Command::new("gcloud");
    command
        .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", store.api())
        .env("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true")
        .env("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "true")
        .env("CLOUDSDK_CORE_PROJECT", "bench")
        .args(["storage", "rsync", "--recursive", "--quiet"])
        .arg(folder)
        .arg("gs://bench/artifacts");
    command
}

pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
