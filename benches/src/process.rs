//! Runs programs and looks at what they cost.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// How often the memory of a running program is read. The kernel keeps the peak, so only the
/// very last moment of a process could be missed.
const LOOK: Duration = Duration::from_millis(20);

/// One of the suite's binaries: they lie beside this one.
pub(crate) fn binary(name: &str) -> Outcome<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is missing: run `make bench`", path.display()).into())
    }
}

/// How long a program takes; one that fails is an error. Its output is not looked at.
pub(crate) fn time(command: &mut Command) -> Outcome<Duration> {
    let start = Instant::now();
    let status = quiet(command).status()?;
    let time = start.elapsed();
    if status.success() {
        Ok(time)
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}

/// What a program and those that it started cost.
#[derive(Debug)]
pub(crate) struct Cost {
    /// From start to end.
    pub(crate) time: Duration,
    /// Processor time, of all that it started and waited for as well.
    pub(crate) cpu: Duration,
    /// Peak resident memory in bytes of the largest process of each name.
    pub(crate) peaks: BTreeMap<String, u64>,
}

impl Cost {
    /// The peak of the largest process of this name.
    pub(crate) fn peak(&self, name: &str) -> Outcome<u64> {
        let peak = self.peaks.get(name).copied();
        peak.ok_or_else(|| format!("no process named {name} was seen").into())
    }
}

/// Runs a program and reads the memory of it and its descendants meanwhile.
pub(crate) fn cost(command: &mut Command) -> Outcome<Cost> {
    let start = Instant::now();
    let cpu = cpu_of_children()?;
    let mut child = quiet(command).spawn()?;
    let mut peaks = BTreeMap::new();
    let status = loop {
        note_peaks(child.id(), &mut peaks);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    let time = start.elapsed();
    let cpu = cpu_of_children()?.saturating_sub(cpu);
    if status.success() {
        Ok(Cost { time, cpu, peaks })
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}

/// Processor time of the children that were waited for, from `/proc/self/stat`: what comes
/// 14th and 15th behind the name, in hundredths of a second.
fn cpu_of_children() -> Outcome<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(13).take(2);
    let ticks: u64 = ticks.map(|field| field.parse().unwrap_or(0)).sum();
    Ok(Duration::from_millis(ticks * 10))
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

/// What `/proc/PID/status` says of a process.
struct Process {
    name: String,
    parent: u32,
    /// Peak resident memory in bytes.
    peak: u64,
}

fn note_peaks(root: u32, peaks: &mut BTreeMap<String, u64>) {
    let processes = processes();
    for (pid, process) in &processes {
        if descends(*pid, root, &processes) {
            let peak = peaks.entry(process.name.clone()).or_default();
            *peak = process.peak.max(*peak);
        }
    }
}

fn descends(pid: u32, root: u32, processes: &BTreeMap<u32, Process>) -> bool {
    let parent = |pid: &u32| processes.get(pid).map(|process| process.parent);
    std::iter::successors(Some(pid), parent).any(|ancestor| ancestor == root)
}

fn processes() -> BTreeMap<u32, Process> {
    let Ok(folder) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    folder
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            // Gone already, or a kernel thread, which has no memory of its own.
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            Some((pid, parse_status(&status)?))
        })
        .collect()
}

fn parse_status(status: &str) -> Option<Process> {
    let field = |name: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.trim()))
    };
    let kibibytes: u64 = field("VmHWM:")?.strip_suffix(" kB")?.parse().ok()?;
    Some(Process {
        name: field("Name:")?.to_owned(),
        parent: field("PPid:")?.parse().ok()?,
        peak: kibibytes * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_a_descendant_is_seen() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 0.3; true"]);
        let cost = cost(&mut command).unwrap();
        assert!(cost.peaks["sleep"] > 0 && cost.peaks["sh"] > 0, "{cost:?}");
    }

    #[test]
    fn a_program_that_fails_gives_no_figure() {
        assert!(time(&mut Command::new("false")).is_err());
        assert!(cost(&mut Command::new("false")).is_err());
    }
}
