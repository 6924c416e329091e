//! A step as a container of its image, by the docker program: mounts, variables, user and
//! working folder as the step's pod would have them.

mod create;
mod described;
mod engine;
mod follow;
mod image;
mod outputs;
mod secrets;
mod variables;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use common::app::Stop;
use common::exec::{self, Cause, Ended};
use common::view::Bind;
use serde_json::Value;

use super::environment::Secrets;
use super::resolve::Resolved;
use super::runtime::{Following, Ran};
pub(crate) use described::Described;
use secrets::SecretCopies;

/// The label that every container has: the run folder that it belongs to.
const RUN_LABEL: &str = "io.test-worker.run-folder";

/// Where a script's text is in a pod of Argo's.
const SCRIPT: &str = "/argo/staging/script";

/// A folder of this machine that containers see at its own path: `DIR` or `DIR:ro`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) read_only: bool,
}

/// Runs steps as containers.
pub(crate) struct Docker {
    run_dir: PathBuf,
    shared: Vec<Shared>,
    secrets: Secrets,
    copies: SecretCopies,
}

impl Docker {
    /// Makes sure that there is an engine, and removes what an earlier run that was killed in
    /// the same folder left there.
    pub(crate) async fn find(
        run_dir: &Path,
        shared: Vec<Shared>,
        secrets: Secrets,
        stop: &Stop,
    ) -> common::Result<Self> {
        engine::check(stop).await?;
        let docker = Docker {
            run_dir: run_dir.to_owned(),
            shared,
            copies: SecretCopies::new(run_dir)?,
            secrets,
        };
        docker.end_containers().await;
        Ok(docker)
    }

    /// Ends and removes every container of this run folder.
    pub(crate) async fn end_containers(&self) {
        let label = format!("label={RUN_LABEL}={}", self.run_dir.display());
        let list =
            engine::docker("ps").args(["--all", "--quiet", "--no-trunc", "--filter", &label]);
        match engine::short(&list).await {
            Err(why) => tracing::warn!("containers of this run may be left: {why}"),
            Ok(list) => {
                for id in String::from_utf8_lossy(&list).split_whitespace() {
                    remove(id).await;
                }
            }
        }
    }

    pub(super) async fn run(
        &self,
        mut resolved: Resolved,
        following: Following<'_, '_>,
    ) -> Result<Ran, String> {
        let (limits, stop) = (following.limits, following.stop);
        let image = image::checked(&resolved)?;
        image::provide(&image, &resolved, limits, stop).await?;
        open(&self.run_dir, &resolved.binds);
        let copies = self
            .copies
            .replace(&mut resolved.binds, &self.secrets, &resolved.pod_name)?;
        let name = self.container_name(&resolved.pod_name);
        let variables = variables::pass(&resolved.variables)?;
        let create = create::command(&name, &image, &resolved, self, &variables)?;
        tracing::debug!("{create}");
        let ran = match engine::call(&create, limits, stop).await {
            Err(why) => Err(why),
            Ok(_) => start(&name, &resolved, following).await,
        };
        remove(&name).await;
        drop((variables, copies));
        ran
    }

    /// One name for each step of each run folder.
    fn container_name(&self, pod_name: &str) -> String {
        let mut hasher = DefaultHasher::new();
        self.run_dir.hash(&mut hasher);
        format!("{pod_name}-{:08x}", hasher.finish() & 0xffff_ffff)
    }
}

/// Starts a container and follows it to its end.
async fn start(
    name: &str,
    resolved: &Resolved,
    following: Following<'_, '_>,
) -> Result<Ran, String> {
    let mut start = engine::docker("start").arg("--attach").arg(name);
    start.merge_output = !resolved.result_wanted;
    start.if_killed = Some(Box::new(removal(name)));
    let ended = follow::to_its_end(name, &start, following).await;
    let ended = ended.map_err(|error| format!("run docker start: {error}"))?;
    look_back(name, resolved, ended).await
}

/// What the engine knows of a container that has ended, and the files that are outputs.
async fn look_back(name: &str, resolved: &Resolved, ended: Ended) -> Result<Ran, String> {
    let inspect = engine::docker("inspect").args(["--type=container", "--format={{json .}}", name]);
    let container: Value = serde_json::from_slice(&engine::short(&inspect).await?)
        .map_err(|error| format!("docker inspect: {error}"))?;
    let state = &container["State"];
    let ended = match ended.cause {
        Cause::Itself => Ended {
            status: own_status(state, ended)?,
            cause: Cause::Itself,
        },
        cause => Ended {
            status: own_status(state, ended).unwrap_or(ended.status),
            cause,
        },
    };
    let working_dir = container["Config"]["WorkingDir"].as_str().unwrap_or("/");
    let mut outputs = Vec::new();
    for (output, path) in &resolved.outputs {
        let path = Path::new(working_dir).join(path);
        let text = outputs::read(name, &path).await;
        outputs.push((output.clone(), path, text));
    }
    Ok(Ran {
        ended,
        out_of_memory: state["OOMKilled"] == true,
        outputs,
    })
}

/// The exit status of the container's first process. That of `docker start` could be its own.
fn own_status(state: &Value, ended: Ended) -> Result<ExitStatus, String> {
    let error = state["Error"].as_str().unwrap_or_default();
    if !error.is_empty() {
        return Err(format!("the container did not start: {error}"));
    }
    match (state["Status"].as_str(), state["ExitCode"].as_i64()) {
        (Some("exited" | "dead"), Some(code)) => {
            let code = i32::try_from(code & 0xff).unwrap_or(1);
            Ok(ExitStatus::from_raw(code << 8))
        }
        (status, _) => Err(format!(
            "docker start ended with exit code {} while the container was {}",
            ended.code(),
            status.unwrap_or("unknown")
        )),
    }
}

/// The user of a container is not this one: as for a volume in a cluster that all steps write
/// to, everybody may write to a folder that stands in for one. Subfolders are the steps' own.
fn open(run_dir: &Path, binds: &[Bind]) {
    let own = rustix::process::getuid().as_raw();
    for bind in binds.iter().filter(|bind| bind.source.starts_with(run_dir)) {
        let is_own = |metadata: &std::fs::Metadata| metadata.is_dir() && metadata.uid() == own;
        if std::fs::metadata(&bind.source).is_ok_and(|metadata| is_own(&metadata)) {
            let mode = std::fs::Permissions::from_mode(0o777);
            if let Err(error) = std::fs::set_permissions(&bind.source, mode) {
                tracing::warn!("open {} for the step: {error}", bind.source.display());
            }
        }
    }
}

fn removal(name: &str) -> exec::Command {
    engine::docker("rm").args(["--force", "--volumes", "--", name])
}

/// Removes a container, running or not; one that is gone is no error.
async fn remove(name: &str) {
    if let Err(why) = engine::short(&removal(name)).await
        && !why.contains("No such container")
    {
        tracing::warn!("{why}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended() -> Ended {
        Ended {
            status: ExitStatus::from_raw(1 << 8),
            cause: Cause::Itself,
        }
    }

    #[test]
    fn the_engine_says_how_a_container_ended_and_not_its_program() {
        let state = |text: &str| own_status(&serde_json::from_str(text).unwrap(), ended());
        let code = |text: &str| state(text).unwrap().code();
        assert_eq!(
            code(r#"{"Status": "exited", "ExitCode": 125, "Error": ""}"#),
            Some(125)
        );
        assert_eq!(code(r#"{"Status": "exited", "ExitCode": 0}"#), Some(0));
        let error = state(r#"{"Status": "created", "ExitCode": 127, "Error": "no such file"}"#);
        assert_eq!(
            error.unwrap_err(),
            "the container did not start: no such file"
        );
        let error = state(r#"{"Status": "running", "ExitCode": 0, "Error": ""}"#);
        assert!(
            error
                .unwrap_err()
                .contains("while the container was running")
        );
    }
}
