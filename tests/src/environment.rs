//! A private place for one test: its folder, its home, its variables.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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
