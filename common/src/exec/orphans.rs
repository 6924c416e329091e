//! Processes that fled the group of a child.

use rustix::process::{Pid, Signal};

use crate::{Result, ResultExt};

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
            let _ = rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty());
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
    use rustix::process::{WaitId, WaitIdOptions, waitid};
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
