//! The source archive of build-image, beside gcloud's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Outcome;
use crate::figure::{Figure, median};
use crate::process::{binary, cost, time};
use crate::upload::sink::Sink;
use crate::upload::{data, is_installed};

const FILES: usize = 20_000;
const LARGE: usize = 2 << 30;

/// How often each is measured.
const RUNS: usize = 5;

pub(crate) fn measure() -> Outcome<Vec<Figure>> {
    let place = tempfile::tempdir()?;
    let sink = Sink::start()?;
    let sources = place.path().join("sources");
    data::sources(&sources, FILES)?;
    std::fs::write(sources.join("Dockerfile"), "FROM scratch\nCOPY . /\n")?;
    let ours = (0..RUNS)
        .map(|_| time(&mut build(&sources, &sink)?))
        .collect::<Outcome<Vec<_>>>()?;
    let ours = median(ours);
    let what = "build-image from start to the build's start, source of 20,000 files and 82 MB";
    let mut figures = vec![Figure::milliseconds(what, ours)];
    if is_installed("gcloud") {
        let theirs = (0..RUNS)
            .map(|_| gcloud_archive(&sources))
            .collect::<Outcome<Vec<_>>>()?;
        let theirs = median(theirs);
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        let seconds = theirs.as_secs_f64();
        let what = format!("how much faster that is than gcloud's archive alone ({seconds:.1} s)");
        figures.push(Figure::new(what, ratio, "×").at_least(5.0));
    }
    std::fs::remove_dir_all(&sources)?;
    let large = place.path().join("large");
    std::fs::create_dir(&large)?;
    std::fs::write(large.join("Dockerfile"), "FROM scratch\nCOPY . /\n")?;
    data::incompressible(&large.join("model"), LARGE)?;
    let cost = cost(&mut build(&large, &sink)?)?;
    let what = "peak memory of build-image, source of 2 GB that no compression makes smaller";
    figures.push(Figure::megabytes(what, cost.peak("build-image")?).at_most(40.0));
    Ok(figures)
}

/// Sends the source and starts a build.
fn build(context: &Path, sink: &Sink) -> Outcome<Command> {
    let mut command = Command::new(binary("build-image")?);
    let url = sink.url();
    let image = format!("{}/bench/app", url.trim_start_matches("http://"));
    command
        .env("STORAGE_EMULATOR_HOST", &url)
        .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD", &url)
        .env("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true")
        .args([
            "--project",
            "bench",
            "--tag",
            "v1",
            "--async",
            "--image",
            &image,
        ])
        .args(["--staging-bucket", "gs://bench/source", "--context"])
        .arg(context);
    Ok(command)
}

/// What `gcloud builds submit` does before it sends anything, by its own library: without its
/// start, which takes about a second.
const ARCHIVE: &str = "
import sys, tempfile, time
root = sys.argv[1]
sys.path[:0] = [root + '/lib', root + '/lib/third_party']
from googlecloudsdk.api_lib.cloudbuild import snapshot
from googlecloudsdk.core.util import files
begin = time.monotonic()
source = snapshot.Snapshot(sys.argv[2])
with files.ChDir(sys.argv[2]), tempfile.TemporaryDirectory() as folder:
    source._MakeTarball(folder + '/file.tgz').close()
print(time.monotonic() - begin)
";

fn gcloud_archive(context: &Path) -> Outcome<Duration> {
    let output = Command::new("python3")
        .args(["-c", ARCHIVE])
        .arg(gcloud_root()?)
        .arg(context)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let seconds: f64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
    Ok(Duration::try_from_secs_f64(seconds)?)
}

/// Where gcloud's library lies: beside the program that the link leads to.
fn gcloud_root() -> Outcome<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&path).map(|folder| folder.join("gcloud"));
    let program = programs.find(|program| program.is_file());
    let program = program.ok_or("gcloud is not installed")?.canonicalize()?;
    let root = program.ancestors().nth(2).ok_or("gcloud has no root")?;
    Ok(root.to_owned())
}
