//! A generated repository of a real one's shape, behind `git daemon` on loopback.

use std::fs;
use std::io::{BufWriter, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Outcome;
use crate::process::binary;

const COMMITS: usize = 11_000;
const FILES: usize = 1_600;
/// Files lie in packages, four folders each, and a commit changes some files of one package, a block
/// of lines in each: 10 objects a commit, as in argo-workflows, where 10,000 commits are 51,000 blobs
/// of 100 MB and 53,000 trees. Here it is 54,000 blobs of 87 MB and 56,000 trees.
const PACKAGES: usize = 40;
const CHANGES: usize = 5;
const BLOCK: usize = 40;
const LINES: usize = 180;
/// The pull request starts this many commits before the base.
const BEHIND: usize = 30;

/// Served at `ORG/REPO` for some names of it, with one pull request.
pub(crate) struct Repository {
    folder: TempDir,
    daemon: Child,
    port: u16,
    /// The base's commit.
    pub(crate) base: String,
    /// The pull request's commit.
    pub(crate) pull: String,
}

impl Repository {
    /// Generates it and serves it under these names.
    pub(crate) fn new(names: &[String]) -> Outcome<Repository> {
        let place = binary("checkout")?.with_file_name("bench");
        fs::create_dir_all(&place)?;
        let folder = TempDir::new_in(place)?;
        let org = folder.path().join("served/o");
        fs::create_dir_all(&org)?;
        let bare = folder.path().join("repository.git");
        git(Command::new("git")
            .args(["init", "--quiet", "--bare"])
            .arg(&bare))?;
        let mut import = in_folder(&bare, &["fast-import", "--quiet"])
            .stdin(Stdio::piped())
            .spawn()?;
        if let Some(stdin) = import.stdin.take() {
            History::new().write(BufWriter::new(stdin))?;
        }
        if !import.wait()?.success() {
            return Err("git fast-import failed".into());
        }
        // As a server packs it.
        git(&mut in_folder(
            &bare,
            &["symbolic-ref", "HEAD", "refs/heads/main"],
        ))?;
        git(&mut in_folder(&bare, &["repack", "-a", "-d", "-f", "-q"]))?;
        git(&mut in_folder(
            &bare,
            &["commit-graph", "write", "--reachable"],
        ))?;
        for name in names {
            std::os::unix::fs::symlink(&bare, org.join(format!("{name}.git")))?;
        }
        let (daemon, port) = serve(folder.path())?;
        Ok(Repository {
            base: git(&mut in_folder(&bare, &["rev-parse", "refs/heads/main"]))?,
            pull: git(&mut in_folder(&bare, &["rev-parse", "refs/pull/1/head"]))?,
            folder,
            daemon,
            port,
        })
    }

    /// Where the repositories are found.
    pub(crate) fn url(&self) -> String {
        format!("git://127.0.0.1:{}", self.port)
    }

    /// A folder that is removed with the repository.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// The server's process.
    pub(crate) fn server(&self) -> u32 {
        self.daemon.id()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Runs git; gives what it printed, trimmed.
pub(crate) fn git(command: &mut Command) -> Outcome<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {stderr}").into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Git in a folder, with Prow's identity and nobody's configuration.
pub(crate) fn in_folder(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(args);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", folder);
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "ci-robot");
        command.env(format!("GIT_{who}_EMAIL"), "ci-robot@k8s.io");
    }
    command
}

fn serve(folder: &Path) -> Outcome<(Child, u16)> {
    let exec_path = git(Command::new("git").arg("--exec-path"))?;
    let config = folder.join("server.config");
    fs::write(
        &config,
        "[uploadpack]\nallowAnySHA1InWant = true\nallowFilter = true\n[safe]\ndirectory = *\n",
    )?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut daemon = Command::new(Path::new(&exec_path).join("git-daemon"))
        .env("GIT_CONFIG_GLOBAL", config)
        .args(["--reuseaddr", "--export-all", "--listen=127.0.0.1"])
        .arg(format!("--port={port}"))
        .arg(format!("--base-path={}", folder.join("served").display()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let end = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > end || daemon.try_wait()?.is_some() {
            let _ = daemon.kill();
            return Err("git daemon did not start".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((daemon, port))
}

/// Files of source-like lines, a few of which each commit changes.
struct History {
    files: Vec<Vec<String>>,
    /// Xorshift: the same history in each run.
    state: u64,
}

impl History {
    fn new() -> History {
        let mut history = History {
            files: Vec::new(),
            state: 0x2545_f491_4f6c_dd1d,
        };
        for _ in 0..FILES {
            let lines = LINES / 2 + history.below(LINES);
            let file = (0..lines).map(|_| history.line()).collect();
            history.files.push(file);
        }
        history
    }

    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).unwrap_or_default() % limit
    }

    fn line(&mut self) -> String {
        let words = 4 + self.below(12);
        let words: Vec<String> = (0..words)
            .map(|_| format!("w{:x}", self.below(4096)))
            .collect();
        words.join(" ") + "\n"
    }

    fn write(mut self, mut out: impl Write) -> Outcome<()> {
        for number in 0..COMMITS {
            let changed: Vec<usize> = if number == 0 {
                (0..FILES).collect()
            } else {
                let package = self.below(PACKAGES);
                let mut file = || package + PACKAGES * self.below(FILES / PACKAGES);
                (0..CHANGES).map(|_| file()).collect()
            };
            commit_line(&mut out, "refs/heads/main", number)?;
            for file in changed {
                if number > 0 {
                    let lines = self.files[file].len();
                    let place = self.below(lines);
                    for place in place..lines.min(place + BLOCK) {
                        let line = self.line();
                        self.files[file][place] = line;
                    }
                }
                self.write_file(&mut out, file)?;
            }
            let reset = match number {
                number if number + BEHIND == COMMITS => "refs/pull/1/head".to_owned(),
                number if number % 100 == 99 => format!("refs/tags/v{}", number / 100),
                _ => continue,
            };
            writeln!(out, "reset {reset}\nfrom refs/heads/main\n")?;
        }
        commit_line(&mut out, "refs/pull/1/head", COMMITS)?;
        writeln!(out, "M 100644 inline added\ndata 4\nnew\n")?;
        Ok(out.flush()?)
    }

    fn write_file(&self, out: &mut impl Write, file: usize) -> Outcome<()> {
        let content = self.files[file].concat();
        let (package, part) = (file % PACKAGES, file / PACKAGES % 4);
        let size = content.len();
        writeln!(
            out,
            "M 100644 inline pkg{package}/part{part}/file{file}.go\ndata {size}\n{content}"
        )?;
        Ok(())
    }
}

fn commit_line(out: &mut impl Write, branch: &str, number: usize) -> Outcome<()> {
    let time = 1_500_000_000 + number * 3600;
    let message = format!("Change number {number}\n");
    writeln!(
        out,
        "commit {branch}\ncommitter A Person <person@example.com> {time} +0000\ndata {}\n{message}",
        message.len()
    )?;
    Ok(())
}
