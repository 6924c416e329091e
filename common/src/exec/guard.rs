//! A process that outlives this one, to end what this one started.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::Pid;

use super::orphans::WaitedFor;

/// Reads the group and waits for another line; what it gets when this process is killed is the end
/// of its input. Then it ends the group, and runs what there is to run.
const SCRIPT: &str = r#"read -r group && { read -r _ || { kill -s KILL -- "-$group"; "$@"; }; }"#;

/// Ends a group when this process is killed. A signal that nobody can handle leaves no other
/// way: the kernel's (`PR_SET_PDEATHSIG`) reaches the child only, not what that started.
pub(super) struct Guard(
    Child,
    #[expect(dead_code, reason = "lives as long")] WaitedFor,
);

impl Guard {
    /// Starts one that has nothing to watch over yet: it is there before the group, so that there is
    /// no time in which nobody is. `then` runs when the group has been ended.
    pub(super) fn start(then: Option<&super::Command>) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SCRIPT, "guard"]);
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

    /// Begins to watch over a group.
    pub(super) fn watch(&mut self, group: Pid) {
        if let Some(input) = &mut self.0.stdin {
            // It may have been killed; then nobody watches.
            let _ = input.write_all(format!("{}\n", group.as_raw_nonzero()).as_bytes());
        }
    }
}

/// The group has ended.
impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut input) = self.0.stdin.take() {
            // It may have been killed; then there is nothing to tell.
            let _ = input.write_all(b"\n\n");
        }
        let _ = self.0.wait();
    }
}
