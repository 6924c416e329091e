//! What will be done: the manifest checked in full, every folder named, nothing started.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::env::Env;
use common::{Error, Result, ResultExt};

use crate::choice::Choice;
use crate::manifest::{Container, EnvSource, Template, VolumeSource, Workflow};
use crate::opts::{Opts, RuntimeName};
use crate::step::{Secrets, Shared, missing};

/// A run, ready to start.
pub(crate) struct Plan {
    pub(crate) workflow: Arc<Workflow>,
    /// Runs only this step.
    pub(crate) choice: Option<Choice>,
    pub(crate) manifest: PathBuf,
    /// Absolute.
    pub(crate) run_dir: PathBuf,
    pub(crate) status: Option<PathBuf>,
    pub(crate) secrets: Secrets,
    pub(crate) pass_env: Vec<String>,
    pub(crate) runtime: RuntimeName,
    /// For containers.
    pub(crate) shared: Vec<Shared>,
    pub(crate) grace: Duration,
    pub(crate) output_prefix: String,
}

impl Plan {
    /// Reads and checks the manifest, and everything that the flags name.
    pub(crate) fn new(opts: Opts, env: &Env) -> Result<Self> {
        let document = common::workflow::read(&opts.manifest)?;
        let status = common::workflow::status(&document.value)?;
        // With --step, -p may also name an input of that step.
        let mut given = opts.parameters.clone();
        if opts.step.is_some() {
            let declared = Workflow::declared_parameters(&document);
            given.retain(|(name, _)| declared.contains(&name.as_str()));
        }
        let workflow = Workflow::read(&document, &given)?;
        let choice = match &opts.step {
            Some(name) => Some(Choice::find(&workflow, &status, name, &opts.parameters)?),
            None => None,
        };
        let run_dir = match opts.run_dir {
            Some(folder) => folder,
            None => env.runs_folder()?.join(&workflow.name),
        };
        let run_dir = std::path::absolute(&run_dir).or_usage(|| "look up the run folder")?;
        let status = match opts.status {
            Some(file) => Some(file),
            None if choice.is_some() => None,
            None => Some(run_dir.join("workflow.yaml")),
        };
        let plan = Plan {
            choice,
            manifest: opts.manifest,
            secrets: secrets(&opts.secrets)?,
            run_dir,
            status,
            pass_env: opts.pass_env,
            shared: shared(&opts.mounts, opts.runtime)?,
            runtime: opts.runtime,
            grace: opts.grace_period,
            output_prefix: opts.output_prefix,
            workflow: Arc::new(workflow),
        };
        plan.check_secrets()?;
        plan.check_containers()?;
        Ok(plan)
    }

    /// What a runtime needs of each container, and what it does not give.
    fn check_containers(&self) -> Result<()> {
        for template in self.templates() {
            for container in template.containers() {
                self.check_container(template, container)?;
            }
        }
        Ok(())
    }

    fn check_container(&self, template: &Template, container: &Container) -> Result<()> {
        let error = |what: &str| {
            let what = format!("template {:?}: {what}", template.name);
            self.workflow.document.error(&container.pointer, what)
        };
        let by_docker = self.runtime == RuntimeName::Docker;
        if container.command.is_empty() && (!by_docker || container.source.is_some()) {
            return Err(error(
                "there is no command, and run-local cannot ask the image for its own",
            )
            .hint("give the template a command; Argo then starts faster as well"));
        }
        if by_docker && container.image.is_none() {
            return Err(error("there is no image to make a container of"));
        }
        if by_docker && container.security.privileged {
            return Err(
                error("run-local gives no container the whole machine (privileged: true)")
                    .hint("run this step with --runtime process, or on a cluster"),
            );
        }
        Ok(())
    }

    /// The fields that only matter to a cluster, as far as this runtime does not apply them.
    pub(crate) fn not_applied(&self) -> Vec<&str> {
        const BY_DOCKER: [&str; 3] = ["image", "imagePullPolicy", "securityContext"];
        let is_applied =
            |field: &str| self.runtime == RuntimeName::Docker && BY_DOCKER.contains(&field);
        let fields = self.workflow.not_applied.iter().map(String::as_str);
        fields.filter(|field| !is_applied(field)).collect()
    }

    /// Every secret and config map that a step needs must be given before any step runs.
    fn check_secrets(&self) -> Result<()> {
        for template in self.templates() {
            for name in required_secrets(&self.workflow, template) {
                if !self.secrets.contains_key(name) {
                    let what = format!("template {:?}: {}", template.name, missing(name));
                    return Err(self.workflow.document.error(&template.pointer, what));
                }
            }
        }
        Ok(())
    }

    /// The templates that may run.
    fn templates(&self) -> Vec<&Template> {
        let mut names = match &self.choice {
            Some(choice) => vec![choice.template.as_str()],
            None => std::iter::once(self.workflow.entrypoint.as_str())
                .chain(self.workflow.on_exit.as_deref())
                .collect(),
        };
        let mut found: Vec<&Template> = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some(name) = names.pop() {
            if let Some(template) = self.workflow.templates.get(name)
                && seen.insert(name)
            {
                names.extend(
                    template
                        .body
                        .tasks()
                        .iter()
                        .map(|task| task.template.as_str()),
                );
                found.push(template);
            }
        }
        found
    }
}

fn required_secrets<'a>(workflow: &'a Workflow, template: &'a Template) -> Vec<&'a str> {
    let mut names = Vec::new();
    for container in template.containers() {
        for variable in &container.env {
            if let EnvSource::Key {
                object,
                optional: false,
                ..
            } = &variable.source
            {
                names.push(object.as_str());
            }
        }
        let from = container.env_from.iter().filter(|from| !from.optional);
        names.extend(from.map(|from| from.object.as_str()));
        for mount in &container.mounts {
            let mut volumes = workflow.volumes.iter().chain(&template.volumes);
            if let Some(volume) = volumes.find(|volume| volume.name == mount.volume)
                && let VolumeSource::Projected {
                    name,
                    optional: false,
                } = &volume.source
            {
                names.push(name);
            }
        }
    }
    names
}

fn secrets(given: &[(String, String)]) -> Result<Secrets> {
    let mut secrets = Secrets::new();
    for (name, folder) in given {
        let folder = Path::new(folder)
            .canonicalize()
            .or_usage(|| format!("--secret {name}={folder}: look up the folder"))?;
        if !folder.is_dir() {
            return Err(Error::usage(format!(
                "--secret {name}: {} is not a folder",
                folder.display()
            ))
            .hint("a secret is a folder with a file for each key, as it is in a pod"));
        }
        secrets.insert(name.clone(), folder);
    }
    Ok(secrets)
}

fn shared(mounts: &[String], runtime: RuntimeName) -> Result<Vec<Shared>> {
    if runtime == RuntimeName::Process && !mounts.is_empty() {
        return Err(Error::usage("--mount goes with --runtime docker")
            .hint("processes see the folders of this machine as they are"));
    }
    let one = |text: &String| {
        let (folder, read_only) = match text.strip_suffix(":ro") {
            Some(folder) => (folder, true),
            None => (text.as_str(), false),
        };
        let folder = std::path::absolute(folder)
            .ok()
            .and_then(|path| common::view::clean(&path.to_string_lossy()))
            .filter(|path| path.is_dir() && path != Path::new("/"))
            .ok_or_else(|| Error::usage(format!("--mount {text}: there is no such folder")))?;
        Ok(Shared { folder, read_only })
    };
    mounts.iter().map(one).collect()
}
