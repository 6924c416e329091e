//! A periodic Prow job of a repository with one workflow, in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::Outcome;
use crate::process::binary;

const CONFIG: &str = "workflows: [{name: bench, manifest: workflow.yaml}]\n";

/// The folder is removed with the value.
#[derive(Debug)]
pub(crate) struct Job(TempDir);

impl Job {
    /// Writes the repository; `spec` is the workflow's, as YAML that is indented by two.
    pub(crate) fn new(spec: &str) -> Outcome<Job> {
        // Beside the binaries: /tmp may be too small for a log of a gigabyte.
        let place = binary("submit-e2e")?.with_file_name("bench");
        fs::create_dir_all(&place)?;
        let job = Job(TempDir::new_in(place)?);
        let repository = job.repository();
        fs::create_dir_all(&repository)?;
        fs::write(repository.join("prow_config.yaml"), CONFIG)?;
        let head = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: bench}\n";
        fs::write(
            repository.join("workflow.yaml"),
            format!("{head}spec:\n{spec}"),
        )?;
        Ok(job)
    }

    /// submit-e2e, about to run the job as its run number `build`.
    pub(crate) fn submit(&self, build: usize) -> Outcome<Command> {
        let mut command = self.command(build, &["run", "--engine", "local"])?;
        command
            .arg("--bucket")
            .arg(format!("file://{}", self.path("bucket").display()))
            .arg("--run-dir")
            .arg(self.path(&format!("run/{build}")));
        Ok(command)
    }

    /// submit-e2e with these arguments, for the job's run number `build`.
    pub(crate) fn command(&self, build: usize, args: &[&str]) -> Outcome<Command> {
        let mut command = Command::new(binary("submit-e2e")?);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("JOB_NAME", "bench")
            .env("JOB_TYPE", "periodic")
            .env("BUILD_ID", build.to_string())
            .env("REPO_OWNER", "example")
            .env("REPO_NAME", "bench")
            .current_dir(self.0.path())
            .args(args)
            .arg("--repos-dir")
            .arg(self.path("src"));
        Ok(command)
    }

    /// Writes a file of the repository, with its parents.
    pub(crate) fn write(&self, name: &str, content: &str) -> Outcome<()> {
        let path = self.repository().join(name);
        fs::create_dir_all(path.parent().ok_or("a file without a folder")?)?;
        Ok(fs::write(path, content)?)
    }

    /// The repository.
    pub(crate) fn repository(&self) -> PathBuf {
        self.path("src/example/bench")
    }

    /// The folder of a run in the bucket.
    pub(crate) fn results(&self, build: usize) -> PathBuf {
        self.path(&format!("bucket/logs/bench/{build}"))
    }

    fn path(&self, below: &str) -> PathBuf {
        Path::join(self.0.path(), below)
    }
}
