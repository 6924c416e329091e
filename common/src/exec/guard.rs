//! A process that outlives this one, to end what this one started.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::Pid;

use super::orphans::WaitedFor;

/// Waits for a line; what it gets when this process is killed is the end of its input. Then it
/// ends the group, and runs what there is to run.
const SCRIPT: &str = r#"read -r _ || { kill -s KILL -- "-$1"; shift; "$@"; }"#;

/// Ends a group when this process is killed. A signal that nobody can handle leaves no other
/// way: the kernel's (`PR_SET_PDEATHSIG`) reaches the child only, not what that started.
pub(super) struct Guard(
    Child,
    #[expect(dead_code, reason = "lives as long")] WaitedFor,
);

impl Guard {
    /// Starts to watch over a group. `then` runs when the group has been ended.
    pub(super) fn over(group: Pid, then: Option<&super::Command>) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", SCRIPT, "guard"])
            .arg(group.as_raw_nonzero().to_string());
        match then {
            Some(then) => {
                shell.arg(&then.program).args(&then.args);
            }
            None => {
                shell.env_clear();
            }
        }
        let shell = shell
            .current_dir("/")
            // A signal for the group of this process is none for the guard.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let waited_for = WaitedFor::new(shell.id());
        Ok(Guard(shell, waited_for))
    }
}

/// The group has ended.
impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut input) = self.0.stdin.take() {
            // It may have been killed; then there is nothing to tell.
            let _ = input.write_all(b"\n");
        }
        let _ = self.0.wait();
    }
}
