//! A real git server on loopback, by git's own protocol.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{Running, TestEnvironment};

/// What a git server lets its clients do. Servers differ in it.
#[derive(Debug, Clone, Copy)]
pub struct Serving {
    /// Fetching with `--filter`.
    pub partial_clone: bool,
    /// Fetching any commit by its id, not only those that a ref leads to.
    pub any_commit: bool,
}

impl Default for Serving {
    /// As GitHub does it.
    fn default() -> Self {
        Serving {
            partial_clone: true,
            any_commit: true,
        }
    }
}

impl Serving {
    /// The git configuration of the server.
    pub(crate) fn config(self, environment: &TestEnvironment) -> PathBuf {
        let Serving {
            partial_clone,
            any_commit,
        } = self;
        environment.write(
            format!("git-server-{partial_clone}-{any_commit}.config"),
            format!(
                "[uploadpack]\nallowAnySHA1InWant = {any_commit}\n\
                 allowReachableSHA1InWant = {any_commit}\nallowFilter = {partial_clone}\n\
                 [safe]\ndirectory = *\n"
            ),
        )
    }
}

/// A real git server on loopback (`git daemon`) that serves the bare repositories of a folder.
pub struct GitServer {
    _daemon: Running,
    port: u16,
}

impl GitServer {
    /// Serves `base` (below it: `ORG/REPO.git` or `ORG/REPO`).
    pub fn start(environment: &TestEnvironment, base: &Path) -> Self {
        Self::start_with(environment, base, Serving::default())
    }

    /// The same, for a server that can do less.
    pub fn start_with(environment: &TestEnvironment, base: &Path, serving: Serving) -> Self {
        let exec_path = environment.git("", &["--exec-path"]);
        let config = serving.config(environment);
        for _ in 0..20 {
            let port = free_port();
            // Not by way of `git daemon`: killing that leaves the daemon itself running.
            let mut daemon = Running::start(
                environment
                    .command(&Path::new(&exec_path).join("git-daemon"))
                    .env("GIT_CONFIG_GLOBAL", &config)
                    .args(["--reuseaddr", "--export-all", "--listen=127.0.0.1"])
                    .arg(format!("--port={port}"))
                    .arg(format!("--base-path={}", base.display()))
                    .stderr(Stdio::null()),
            );
            // Another process may take the port first; then the daemon ends at once.
            if daemon.answers_on(port) {
                return GitServer {
                    _daemon: daemon,
                    port,
                };
            }
        }
        panic!("git daemon found no port in 20 tries");
    }

    /// `git://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("git://{}", self.address())
    }

    /// `127.0.0.1:PORT`, for a proxy before it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Running {
    /// Waits until a server takes connections; `false` when it ended, or has not in 5 s.
    pub(crate) fn answers_on(&mut self, port: u16) -> bool {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if self.try_wait().expect("ask for the server").is_some() {
                return false;
            }
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

/// A port that nobody listened on a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
