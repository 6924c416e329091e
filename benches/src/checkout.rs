//! checkout against the sequence of git commands that Prow's clonerefs runs.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::figure::{Figure, median};
use crate::process::{binary, cost, time};
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
    run(&served, one, "first", &with_cache)?;
    let mut times: [Vec<Duration>; 6] = Default::default();
    // Not among the others: looking at the memory takes time.
    let peak = cost(&mut checkout(&served, one, "memory", &[])?)?.peak("checkout")?;
    // One after the other, so that all see the same machine.
    for number in 0..RUNS {
        let folder = |what: &str| format!("{what}-{number}");
        times[0].push(clonerefs(&served, &folder("clonerefs"))?);
        times[1].push(shallow_clone(&served, &folder("shallow"))?);
        let cold = run(&served, one, &folder("cold"), &[])?;
        times[2].push(cold);
        times[3].push(run(&served, one, &folder("cold"), &[])?);
        times[4].push(run(&served, one, &folder("warm"), &with_cache)?);
        times[5].push(excess(&served, &names, &folder("all"), cold)?);
        same_commit(&served, number)?;
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

/// How long a checkout into a folder takes. Each has its own, and all are removed at the end: ext4
/// without a journal spends most of the time on inodes that were removed shortly before.
fn run(served: &Repository, names: &[String], folder: &str, args: &[String]) -> Outcome<Duration> {
    settle()?;
    time(&mut checkout(served, names, folder, args)?)
}

fn checkout(
    served: &Repository,
    names: &[String],
    folder: &str,
    args: &[String],
) -> Outcome<Command> {
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
        .arg(served.path(folder))
        .args(["--git-base-url", &served.url()])
        .args(args);
    Ok(command)
}

/// Has the kernel write what earlier runs left, so that this one does not wait for it.
fn settle() -> Outcome<()> {
    time(&mut Command::new("sync")).map(|_| ())
}

fn refs(served: &Repository, name: &str) -> String {
    let Repository { base, pull, .. } = served;
    format!(
        r#"{{"org":"o","repo":"{name}","base_ref":"main","base_sha":"{base}","pulls":[{{"number":1,"sha":"{pull}"}}]}}"#
    )
}

/// `pkg/pod-utils/clone` of Prow.
fn clonerefs(served: &Repository, folder: &str) -> Outcome<Duration> {
    settle()?;
    let folder = served.path(folder);
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
    Ok(start.elapsed())
}

/// What is fast has to be right.
fn same_commit(served: &Repository, number: usize) -> Outcome<()> {
    let head = |folder: String| {
        git(&mut in_folder(
            &served.path(&folder),
            &["rev-parse", "HEAD"],
        ))
    };
    let prow = head(format!("clonerefs-{number}"))?;
    for what in ["cold", "warm", "all"] {
        if head(format!("{what}-{number}/o/r0"))? != prow {
            return Err(format!("{what}: checkout makes another commit than clonerefs").into());
        }
    }
    Ok(())
}

fn shallow_clone(served: &Repository, folder: &str) -> Outcome<Duration> {
    settle()?;
    let url = format!("{}/o/r0", served.url());
    let args = ["clone", "--quiet", "--depth", "2", &url];
    time(Command::new("git").args(args).arg(served.path(folder)))
}

/// How much longer all repositories take at once than 1.3 times the one, and the processors'
/// share in the work of all, the server's work included.
fn excess(served: &Repository, names: &[String], folder: &str, one: Duration) -> Outcome<Duration> {
    let before = worked(served)?;
    let all = run(served, names, folder, &[])?;
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
