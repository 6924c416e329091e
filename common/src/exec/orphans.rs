//! Processes that fled the group of a child, and those that the first process of a container
//! gets from everywhere.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};
use tokio::signal::unix::{SignalKind, signal};

use crate::{Result, ResultExt};

/// The children that somebody here waits for.
static WAITED_FOR: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// How long a child's end may wait for the one who started it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A child that somebody here waits for, for as long as this lives.
#[derive(Debug)]
pub(super) struct WaitedFor(u32);

impl WaitedFor {
    pub(super) fn new(child: u32) -> Self {
        waited_for().insert(child);
        WaitedFor(child)
    }
}

impl Drop for WaitedFor {
    fn drop(&mut self) {
        waited_for().remove(&self.0);
    }
}

fn waited_for() -> std::sync::MutexGuard<'static, BTreeSet<u32>> {
    WAITED_FOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes note of the ends of orphans for as long as the program runs. Nobody else does: as the
/// first process of a container, and after [`adopt_orphans`], this one would otherwise collect
/// zombies until no process can be started any more.
pub async fn reap_orphans() -> Result<()> {
    let mut ends = signal(SignalKind::child()).or_failed(|| "handle SIGCHLD")?;
    loop {
        ends.recv().await;
        // Those who wait for a child of their own come first, and many ends are one look.
        tokio::time::sleep(PATIENCE).await;
        while has_ended_child() {
            for child in children() {
                if !waited_for().contains(&raw(child)) {
                    let _ = waitpid(Some(child), WaitOptions::NOHANG);
                }
            }
            tokio::time::sleep(PATIENCE).await;
        }
    }
}

/// Whether a child has ended that was not waited for yet.
fn has_ended_child() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::All, look), Ok(Some(_)))
}

fn raw(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

/// From now on processes that flee their group by starting one of their own become children
/// of this process when their parent ends, so that [`end_orphans`] finds them.
pub fn adopt_orphans() -> Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .or_failed(|| "ask for the orphans of child processes")
}

/// Kills every child that this process still has, until none is left: for the end of a
/// program that called [`adopt_orphans`].
pub fn end_orphans() {
    // Each round may orphan the children of those that it killed.
    for _ in 0..100 {
        // Mostly there is none, and to look through all processes takes milliseconds.
        if !has_children() {
            return;
        }
        let mut found = false;
        for child in children() {
            // One that we may not kill would be waited for in vain.
            if rustix::process::kill_process(child, Signal::KILL).is_err() {
                continue;
            }
            found = true;
            let _ = waitpid(Some(child), WaitOptions::empty());
        }
        if !found {
            return;
        }
    }
}

/// From now on this process is asked to end, by SIGHUP, when its parent is gone: nobody would
/// read what it does, nor end it. The kernel sends one signal for each thread of the parent,
/// so it must not be one of which the second insists.
pub fn end_with_parent() -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::HUP))
        .or_failed(|| "ask for the end of the parent process")
}

/// Whether this process has a child, be it one that has ended.
fn has_children() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::All, look), Err(rustix::io::Errno::CHILD))
}

/// The children of this process. Not every kernel lists them by parent.
fn children() -> Vec<Pid> {
    let own = rustix::process::getpid().as_raw_nonzero().to_string();
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name, in parentheses, may hold anything; the parent is the second field after it.
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1));
        parent == Some(own.as_str())
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(is_child)
        .filter_map(Pid::from_raw)
        .collect()
}
