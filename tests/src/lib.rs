//! The harness of all tests that run the built binaries: a clean environment, a private home,
//! real servers, and nothing shared between two tests.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a harness that cannot do its work fails the test by a panic"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A private place for one test.
pub struct TestEnvironment {
    root: TempDir,
}

impl Default for TestEnvironment {
    fn default() -> Self {
        Self::new()
    }
}

impl TestEnvironment {
    /// Makes the folders.
    pub fn new() -> Self {
        let root = TempDir::new().expect("a temporary folder");
        fs::create_dir(root.path().join("home")).expect("a home");
        TestEnvironment { root }
    }

    /// The test's folder.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// One of the suite's binaries, in this environment and nothing of the caller's.
    pub fn bin(&self, name: &str) -> assert_cmd::Command {
        assert_cmd::Command::from_std(self.command(&binary(name)))
    }

    /// Any program, in the same environment; for tests that signal it or read along.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.variables())
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("HOME", self.path().join("home").display().to_string()),
            ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
            ("GIT_AUTHOR_NAME", "Test".to_owned()),
            ("GIT_AUTHOR_EMAIL", "test@example.com".to_owned()),
            ("GIT_AUTHOR_DATE", "1700000000 +0000".to_owned()),
            ("GIT_COMMITTER_NAME", "Test".to_owned()),
            ("GIT_COMMITTER_EMAIL", "test@example.com".to_owned()),
            ("GIT_COMMITTER_DATE", "1700000000 +0000".to_owned()),
        ]
    }

    /// Writes a file below the test's folder, with its parents.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("make the parents");
        fs::write(&path, content).expect("write the file");
        path
    }

    /// Reads a file below the test's folder.
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.path().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Runs git in a folder below the test's; gives what it printed, trimmed.
    pub fn git(&self, folder: impl AsRef<Path>, args: &[&str]) -> String {
        let output = self
            .command(Path::new("git"))
            .current_dir(self.path().join(folder))
            .args(args)
            .output()
            .expect("run git");
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout).trim().to_owned()
    }

    /// A snapshot of a run: status, stdout and stderr, with the test's folder, times and the
    /// version replaced by their names.
    pub fn snapshot(&self, output: &Output) -> String {
        let status = output
            .status
            .code()
            .map_or("signal".to_owned(), |code| code.to_string());
        let whole = format!(
            "status: {status}\n----- stdout\n{}----- stderr\n{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        let whole = whole.replace(&self.path().display().to_string(), "[ROOT]");
        whole
            .lines()
            .map(without_time)
            .collect::<Vec<_>>()
            .join("\n")
            + "\n"
    }
}

/// A log line without its time.
fn without_time(line: &str) -> String {
    match line.split_once("Z ") {
        Some((time, rest)) if time.len() == 19 && time.as_bytes()[10] == b'T' => {
            format!("[TIME] {rest}")
        }
        _ => line.to_owned(),
    }
}

/// Output as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The path of one of the suite's binaries, built by the same cargo call as the test or by
/// `make test` before it.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    let path = profile.join(name);
    assert!(
        path.exists(),
        "{} is missing: run cargo build --workspace first",
        path.display()
    );
    path
}

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

/// A real git server on loopback (`git daemon`) that serves the bare repositories of a folder.
pub struct GitServer {
    daemon: Child,
    port: u16,
}

impl GitServer {
    /// Serves `base` (below it: `ORG/REPO.git` or `ORG/REPO`).
    pub fn start(environment: &TestEnvironment, base: &Path) -> Self {
        let exec_path = environment.git("", &["--exec-path"]);
        let config = environment.write(
            "git-server.config",
            "[uploadpack]\nallowAnySHA1InWant = true\nallowFilter = true\n[safe]\ndirectory = *\n",
        );
        for _ in 0..20 {
            let port = free_port();
            // Not by way of `git daemon`: killing that leaves the daemon itself running.
            let mut daemon = environment
                .command(&Path::new(&exec_path).join("git-daemon"))
                .env("GIT_CONFIG_GLOBAL", &config)
                .args(["--reuseaddr", "--export-all", "--listen=127.0.0.1"])
                .arg(format!("--port={port}"))
                .arg(format!("--base-path={}", base.display()))
                .stderr(Stdio::null())
                .spawn()
                .expect("start git daemon");
            // Another process may take the port first; then the daemon ends at once.
            let end = Instant::now() + Duration::from_secs(5);
            while Instant::now() < end {
                if daemon.try_wait().expect("ask for the daemon").is_some() {
                    break;
                }
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return GitServer { daemon, port };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        panic!("git daemon found no port in 20 tries");
    }

    /// `git://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("git://127.0.0.1:{}", self.port)
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
