//! checkout against the sequence of git commands that Prow's clonerefs runs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::figure::{Figure, median};
use crate::process::{Cost, binary, cost, time};
use crate::repository::{Repository, git, in_folder};

const RUNS: usize = 5;
const REPOSITORIES: usize = 8;
/// Ticks of `/proc/PID/stat` in a second, on every Linux.
const TICKS: f64 = 100.0;

pub(crate) fn measure() -> Outcome<Vec<Figure>> {
    let names: Vec<String> = (0..REPOSITORIES)
        .map(|number| format!("r{number}"))
        .collect();
    let served = Repository::new(&names)?;
    let one = &names[..1];
    let cache = served.path("cache");
    let with_cache = ["--cache".into(), cache.display().to_string()];
    // The first fills the cache.
    run(&served, one, &with_cache)?;
    let mut times: [Vec<Duration>; 6] = Default::default();
    let mut peak = 0;
    // One after the other, so that all see the same machine.
    for _ in 0..RUNS {
        times[0].push(clonerefs(&served)?);
        times[1].push(shallow_clone(&served)?);
        let cold = run(&served, one, &[])?;
        peak = peak.max(cold.peak("checkout")?);
        times[2].push(cold.time);
        times[3].push(time(&mut checkout(&served, one, &[])?)?);
        times[4].push(run(&served, one, &with_cache)?.time);
        times[5].push(excess(&served, &names, cold.time)?);
    }
    let [prow, shallow, cold, again, warm, excess] = times.map(median);
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    let of = format!("a presubmit of 11000 commits and 1600 files, median of {RUNS}");
    Ok(vec![
        Figure::milliseconds(format!("the commands of clonerefs: {of}"), prow),
        Figure::milliseconds("`git clone --depth 2`, which merges nothing", shallow),
        Figure::milliseconds("`checkout`, cold", cold).at_most(shallow.as_secs_f64() * 1000.0),
        Figure::new("its speed over that of clonerefs", ratio(prow, cold), "x").at_least(2.5),
        Figure::megabytes("its peak memory", peak).at_most(20.0),
        Figure::milliseconds("`checkout --cache`, warm", warm),
        Figure::new("its speed over that of clonerefs", ratio(prow, warm), "x").at_least(10.0),
        Figure::milliseconds("`checkout` over a finished checkout", again).at_most(50.0),
        Figure::milliseconds(
            format!("{REPOSITORIES} at once: beyond 1.3 of one and the processors' time"),
            excess,
        )
        .at_most(0.0),
    ])
}

/// The time of a first checkout of these repositories.
fn run(served: &Repository, names: &[String], args: &[String]) -> Outcome<Cost> {
    remove(&served.path("src"))?;
    cost(&mut checkout(served, names, args)?)
}

fn checkout(served: &Repository, names: &[String], args: &[String]) -> Outcome<Command> {
    let refs: Vec<String> = names.iter().map(|name| refs(served, name)).collect();
    let spec = format!(
        r#"{{"type":"presubmit","job":"j","buildid":"1","refs":{},"extra_refs":[{}]}}"#,
        refs[0],
        refs[1..].join(",")
    );
    let mut command = Command::new(binary("checkout")?);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", served.path("home"))
        .env("JOB_SPEC", spec)
        .arg("--src-dir")
        .arg(served.path("src"))
        .args(["--git-base-url", &served.url()])
        .args(args);
    Ok(command)
}

fn refs(served: &Repository, name: &str) -> String {
    let Repository { base, pull, .. } = served;
    format!(
        r#"{{"org":"o","repo":"{name}","base_ref":"main","base_sha":"{base}","pulls":[{{"number":1,"sha":"{pull}"}}]}}"#
    )
}

/// `pkg/pod-utils/clone` of Prow.
fn clonerefs(served: &Repository) -> Outcome<Duration> {
    let folder = served.path("prow");
    remove(&folder)?;
    let url = format!("{}/o/r0", served.url());
    let start = Instant::now();
    fs::create_dir_all(&folder)?;
    let run = |args: &[&str]| git(&mut in_folder(&folder, args));
    run(&["init"])?;
    run(&["fetch", &url, "--tags", "--prune"])?;
    run(&["fetch", &url, &served.base])?;
    run(&["checkout", &served.base])?;
    run(&["branch", "--force", "main", &served.base])?;
    run(&["checkout", "main"])?;
    let base_time: u64 = run(&["show", "-s", "--format=format:%ct", "HEAD"])?.parse()?;
    run(&["fetch", &url, &served.pull])?;
    let date = (base_time + 1).to_string();
    let mut merge = in_folder(&folder, &["merge", "--no-ff", &served.pull]);
    git(merge
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_DATE", &date))?;
    run(&["submodule", "update", "--init", "--recursive"])?;
    let taken = start.elapsed();
    let ours = served.path("src/o/r0");
    if ours.exists()
        && git(&mut in_folder(&ours, &["rev-parse", "HEAD"]))? != run(&["rev-parse", "HEAD"])?
    {
        return Err("checkout makes another commit than clonerefs".into());
    }
    Ok(taken)
}

fn shallow_clone(served: &Repository) -> Outcome<Duration> {
    let folder = served.path("shallow");
    remove(&folder)?;
    let url = format!("{}/o/r0", served.url());
    let args = ["clone", "--quiet", "--depth", "2", &url];
    time(Command::new("git").args(args).arg(folder))
}

/// How much longer all repositories take at once than 1.3 times the one, and the processors'
/// share in the work of all, the server's work included.
fn excess(served: &Repository, names: &[String], one: Duration) -> Outcome<Duration> {
    let before = worked(served)?;
    let all = run(served, names, &[])?.time;
    let cores = std::thread::available_parallelism()?.get();
    #[expect(clippy::cast_precision_loss, reason = "a few cores")]
    let share = worked(served)?.saturating_sub(before).div_f64(cores as f64);
    Ok(all.saturating_sub(one.mul_f64(1.3) + share))
}

/// Processor time of the ended children of this process and of the server.
fn worked(served: &Repository) -> Outcome<Duration> {
    let mut ticks = 0;
    for process in [std::process::id(), served.server()] {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        for field in fields.split_whitespace().skip(13).take(2) {
            ticks += field.parse::<u32>()?;
        }
    }
    Ok(Duration::from_secs_f64(f64::from(ticks) / TICKS))
}

fn remove(folder: &Path) -> Outcome<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
