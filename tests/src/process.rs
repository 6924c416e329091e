//! Programs that run beside a test, and waiting for what they do.

use std::fs;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

/// A program that runs beside the test; killed where the test does not wait for its end, so
/// that a test that fails leaves nothing running.
pub struct Running(Option<Child>);

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        Running(Some(command.spawn().expect("start the program")))
    }

    /// Waits for its end; gives what it wrote to the pipes that are still open.
    pub fn wait_with_output(mut self) -> Output {
        let child = self.0.take().expect("a program that was not waited for");
        child.wait_with_output().expect("the program's output")
    }
}

impl std::ops::Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.0.as_ref().expect("a program that was not waited for")
    }
}

impl std::ops::DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        self.0.as_mut().expect("a program that was not waited for")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until a condition holds; fails the test after 20 s.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "waited 20 s for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process runs (a zombie does not).
pub fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !(stat.is_empty() || stat.contains(") Z ") || stat.contains(") X "))
}
