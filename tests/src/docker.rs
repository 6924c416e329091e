//! A real Docker engine for one test, with a store of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::text;

/// How long an engine may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// An engine that nobody else uses: its images, containers and socket lie in a folder of their
/// own. It needs root, and ends, with all of its containers, when it is dropped or the test is
/// killed.
pub struct DockerEngine {
    engine: Child,
    folder: TempDir,
}

impl Default for DockerEngine {
    fn default() -> Self {
        Self::start()
    }
}

impl DockerEngine {
    /// Starts it. No image can be pulled; containers have the host's network or none.
    pub fn start() -> Self {
        // A socket's path is at most 107 bytes long: not below the test's own folder.
        let folder = tempfile::Builder::new()
            .prefix("docker-")
            .tempdir_in("/tmp")
            .expect("a temporary folder");
        let file = |name: &str| folder.path().join(name);
        let log = fs::File::create(file("log")).expect("a log");
        // `setpriv` has the kernel end the engine when the test is killed.
        let engine = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--", "dockerd"])
            .args(["--bridge", "none", "--iptables=false", "--ip6tables=false"])
            .arg(format!("--host=unix://{}", file("socket").display()))
            .arg("--data-root")
            .arg(file("data"))
            .arg("--exec-root")
            .arg(file("exec"))
            .arg("--pidfile")
            .arg(file("pid"))
            .env("PATH", program_path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log"))
            .stderr(log)
            .spawn()
            .expect("start setpriv, of util-linux");
        let mut started = DockerEngine { engine, folder };
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = started.docker(["version"]);
            if answer.status.success() {
                return started;
            }
            let ended = started.engine.try_wait().expect("ask for the engine");
            assert!(
                ended.is_none() && Instant::now() < end,
                "dockerd, of the package docker.io, does not start (it needs root): {}\n{}",
                text(&answer.stderr),
                fs::read_to_string(started.folder.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// For `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("socket").display())
    }

    /// Runs `docker ARGS…` against it, with no configuration of anybody's.
    pub fn docker<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Output {
        self.command()
            .args(args)
            .output()
            .expect("run docker, of the package docker.io")
    }

    /// As [`DockerEngine::docker`], for what has to succeed; gives what it printed, trimmed.
    pub fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> String {
        let output = self.docker(args);
        assert!(
            output.status.success(),
            "docker: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout).trim().to_owned()
    }

    /// `docker`, for this engine.
    pub fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .env("DOCKER_HOST", self.host())
            .env("DOCKER_CONFIG", self.config())
            .stdin(Stdio::null());
        command
    }

    /// For `DOCKER_CONFIG`: an empty folder.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }
}

impl Drop for DockerEngine {
    fn drop(&mut self) {
        // Asked first: it ends its containers and its containerd, which a kill would leave.
        let _ = Command::new("kill")
            .arg(self.engine.id().to_string())
            .status();
        let end = Instant::now() + PATIENCE;
        while matches!(self.engine.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.engine.kill();
        let _ = self.engine.wait();
    }
}

/// Servers' programs are there, and an ordinary user's PATH lacks it.
fn program_path() -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]);
    std::env::join_paths(folders).unwrap_or(path)
}
