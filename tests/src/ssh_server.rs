//! A real sshd on loopback, for the user who runs the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::git_server::free_port;
use crate::{Running, TestEnvironment, text};

/// Takes one key; ends when dropped.
pub struct SshServer {
    _server: Running,
    port: u16,
    folder: PathBuf,
}

impl SshServer {
    /// Starts it; its files are in `ssh` below the test's folder.
    pub fn start(environment: &TestEnvironment) -> Self {
        let folder = environment.path().join("ssh");
        fs::create_dir_all(&folder).expect("a folder");
        for name in ["host", "client"] {
            make_key(environment, &folder.join(name), &["-t", "ed25519"]);
        }
        let file = |name: &str| folder.join(name).display().to_string();
        fs::copy(file("client.pub"), file("authorized")).expect("authorise the key");
        let config = environment.write(
            "ssh/config",
            format!(
                "HostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
                 PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
                 ListenAddress 127.0.0.1\n",
                file("host"),
                file("authorized")
            ),
        );
        // Root's sshd wants it, and a container that never booted lacks it.
        let _ = fs::create_dir_all("/run/sshd");
        for _ in 0..20 {
            let port = free_port();
            // sshd starts itself again by its own path.
            let mut server = Running::start(
                environment
                    .command(&program("sshd"))
                    .args(["-D", "-e", "-p", &port.to_string(), "-f"])
                    .arg(&config)
                    .stderr(Stdio::null()),
            );
            if server.answers_on(port) {
                let host_key = fs::read_to_string(file("host.pub")).expect("the host's key");
                let known = format!("[127.0.0.1]:{port} {host_key}");
                environment.write("ssh/known_hosts", known);
                return SshServer {
                    _server: server,
                    port,
                    folder,
                };
            }
        }
        panic!("sshd did not start on any of 20 ports");
    }

    /// `127.0.0.1:PORT`, for a proxy before it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `ssh://USER@127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        let user = std::process::Command::new("id").arg("-un").output();
        let user = text(&user.expect("the user's name").stdout);
        format!("ssh://{}@{}", user.trim(), self.address())
    }

    /// The private key that it takes.
    pub fn key(&self) -> PathBuf {
        self.folder.join("client")
    }

    /// A `known_hosts` file with its key.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }
}

/// Makes a key pair without a passphrase; `options` are those of ssh-keygen.
pub fn make_key(environment: &TestEnvironment, file: &Path, options: &[&str]) {
    let made = environment
        .command(&program("ssh-keygen"))
        .args(["-q", "-N", "", "-C", "test"])
        .args(options)
        .arg("-f")
        .arg(file)
        .status();
    assert!(made.expect("run ssh-keygen").success());
}

/// A program's own path. An ordinary user's `PATH` lacks those of servers.
fn program(name: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let mut places = path.split(':').map(|folder| Path::new(folder).join(name));
    let found = places.find(|place| place.exists());
    found.unwrap_or_else(|| panic!("{name} is not here: make test installs it"))
}
