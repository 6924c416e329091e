//! Runs one leaf template as a process on this machine.

mod environment;
mod output;
mod rewrite;
mod view;
mod volumes;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use common::app::Stop;
use common::exec::{self, Cause, Command, Ended, Limits};
use common::workflow::{Outputs, Parameter, Phase};

pub(crate) use environment::{Secrets, inherited, missing};
pub(crate) use output::Display;
pub use view::enter;

use crate::manifest::{Container, OutputSource, Template, Volume};
use environment::{Pod, expand};
use output::StepOutput;
use view::{Bind, View};

/// Replaces the tags of a text; an error names the tag without a value.
pub(crate) type Replace<'a> = &'a (dyn Fn(&str) -> Result<String, String> + Send + Sync);

/// Most that is read of a file for an output parameter (Argo's own limit is the size of the
/// workflow object, 1 MiB).
const MAX_OUTPUT: u64 = 256 * 1024;

/// A leaf template about to run.
pub(crate) struct Leaf<'a> {
    pub(crate) id: &'a str,
    pub(crate) node_name: &'a str,
    pub(crate) display_name: &'a str,
    pub(crate) template: &'a Template,
    pub(crate) container: &'a Container,
    pub(crate) result_wanted: bool,
}

/// How it ended.
pub(crate) struct LeafEnd {
    pub(crate) phase: Phase,
    pub(crate) message: String,
    pub(crate) outputs: Outputs,
}

/// A step that failed, for the report at the end.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) id: String,
    pub(crate) last_lines: String,
    pub(crate) log: PathBuf,
}

/// How a step sees its volumes at their paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// In a mount namespace of its own.
    Namespace,
    /// By rewriting the paths: the kernel allows no namespace.
    Rewrite,
}

/// What all steps have in common.
pub(crate) struct StepRunner {
    pub(crate) run_dir: PathBuf,
    /// This program.
    pub(crate) own_path: PathBuf,
    /// The folder of the suite's binaries.
    pub(crate) own_folder: PathBuf,
    pub(crate) inherited: Vec<(String, String)>,
    pub(crate) secrets: Secrets,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) namespace: String,
    pub(crate) service_account: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) grace: Duration,
    pub(crate) isolation: Isolation,
    pub(crate) display: Display,
    pub(crate) failures: Mutex<Vec<Failure>>,
}

/// A step made ready to run.
struct Prepared {
    command: Command,
    binds: Vec<Bind>,
    view: Option<View>,
    /// Output parameters by path, where rewriting put them elsewhere.
    outputs: Vec<(String, PathBuf)>,
    deadline: Option<Duration>,
}

impl StepRunner {
    /// The folder of a step: its log, its private files.
    pub(crate) fn folder(&self, node_name: &str) -> PathBuf {
        self.run_dir
            .join("steps")
            .join(volumes::folder_name(node_name))
    }

    /// Runs a leaf to its end.
    pub(crate) async fn run(&self, leaf: &Leaf<'_>, replace: Replace<'_>, stop: &Stop) -> LeafEnd {
        let started = Instant::now();
        tracing::info!("{}: started", leaf.display_name);
        let folder = self.folder(leaf.node_name);
        let end = match self.prepare(leaf, &folder, replace) {
            Ok(prepared) => self.run_prepared(leaf, &prepared, &folder, stop).await,
            Err(why) => Err(why),
        };
        let end = end.unwrap_or_else(|why| LeafEnd {
            phase: Phase::Error,
            message: why,
            outputs: Outputs::default(),
        });
        let seconds = started.elapsed().as_secs_f64();
        let message = if end.message.is_empty() {
            String::new()
        } else {
            format!(": {}", end.message)
        };
        if end.phase.is_bad() {
            tracing::error!(
                "{}: {} after {seconds:.1} s{message}",
                leaf.display_name,
                end.phase
            );
        } else {
            tracing::info!(
                "{}: {} after {seconds:.1} s{message}",
                leaf.display_name,
                end.phase
            );
        }
        end
    }

    fn prepare(
        &self,
        leaf: &Leaf<'_>,
        folder: &Path,
        replace: Replace<'_>,
    ) -> Result<Prepared, String> {
        let container = leaf.container;
        let work = folder.join("work");
        std::fs::create_dir_all(&work)
            .map_err(|error| format!("make {}: {error}", work.display()))?;
        let volumes = [self.volumes.as_slice(), leaf.template.volumes.as_slice()];
        let binds = volumes::binds(
            container,
            &volumes,
            replace,
            &self.run_dir,
            folder,
            &self.secrets,
        )?;
        let pod = Pod {
            name: leaf.id,
            namespace: &self.namespace,
            service_account: &self.service_account,
            labels: &self.labels,
            annotations: &self.annotations,
        };
        let variables = environment::of_container(
            container,
            replace,
            &self.inherited,
            &self.own_folder,
            &self.secrets,
            &pod,
        )?;
        let mut words = Vec::new();
        for word in container.command.iter().chain(&container.args) {
            words.push(expand(&replace(word)?, &variables));
        }
        let source = container.source.as_deref().map(replace).transpose()?;
        let working_dir = container.working_dir.as_deref().map(replace).transpose()?;
        let deadline = match &leaf.template.active_deadline {
            None => None,
            Some(text) => {
                let text = replace(text)?;
                let seconds: u64 = text
                    .parse()
                    .map_err(|_| format!("activeDeadlineSeconds {text:?} is not a number"))?;
                Some(Duration::from_secs(seconds))
            }
        };
        let mut outputs = Vec::new();
        for output in &leaf.template.outputs {
            if let OutputSource::Path(path) = &output.source {
                outputs.push((output.name.clone(), PathBuf::from(replace(path)?)));
            }
        }
        let step = Texts {
            words,
            source,
            working_dir,
            variables,
        };
        match self.isolation {
            Isolation::Namespace => self.in_namespace(step, binds, outputs, folder, deadline),
            Isolation::Rewrite => rewritten(step, binds, outputs, folder, deadline),
        }
    }

    fn in_namespace(
        &self,
        step: Texts,
        binds: Vec<Bind>,
        outputs: Vec<(String, PathBuf)>,
        folder: &Path,
        deadline: Option<Duration>,
    ) -> Result<Prepared, String> {
        let mut words = step.words;
        if let Some(source) = &step.source {
            words.push(write_script(folder, source)?);
        }
        let mut view = View {
            root: folder.join("root"),
            binds: binds.clone(),
        };
        let working_dir = match step.working_dir {
            None => folder.join("work"),
            Some(path) => {
                let path = view::clean(&path)
                    .ok_or_else(|| format!("the workingDir {path:?} is not an absolute path"))?;
                if view.real_path(&path) == path && !path.exists() {
                    return Err(format!(
                        "the workingDir {} does not exist here",
                        path.display()
                    ));
                }
                path
            }
        };
        view.binds.retain(|bind| bind.source != bind.target);
        let (program, arguments) = words.split_first().ok_or("the command is empty")?;
        let mut command = view
            .command(&self.own_path, &working_dir, program)
            .map_err(|error| error.report())?
            .args(arguments)
            .current_dir("/");
        command.env = step
            .variables
            .into_iter()
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        command.env_clear = true;
        Ok(Prepared {
            command,
            binds,
            view: Some(view),
            outputs,
            deadline,
        })
    }

    async fn run_prepared(
        &self,
        leaf: &Leaf<'_>,
        prepared: &Prepared,
        folder: &Path,
        stop: &Stop,
    ) -> Result<LeafEnd, String> {
        let log = folder.join("log.txt");
        let mut output =
            StepOutput::new(&self.display, leaf.display_name, &log, leaf.result_wanted)
                .map_err(|error| format!("write {}: {error}", log.display()))?;
        let mut command = prepared.command.clone();
        command.merge_output = !leaf.result_wanted;
        let limits = Limits {
            deadline: prepared
                .deadline
                .map(|limit| tokio::time::Instant::now() + limit),
            grace: self.grace,
        };
        let ended = exec::run(&command, limits, stop, &mut output).await;
        let finished = output.finish().await;
        let ended = ended.and_then(|ended| finished.map(|()| ended));
        let ended = ended.map_err(|error| {
            format!(
                "run {}: {error}",
                Path::new(&prepared.command.program).display()
            )
        });
        let end = ended.map(|ended| self.judge(leaf, prepared, &output, &ended));
        if let Some(view) = &prepared.view {
            view::tidy(&view.root);
        }
        let bad = end.as_ref().map_or(true, |end| end.phase.is_bad());
        if bad && let Ok(mut failures) = self.failures.lock() {
            failures.push(Failure {
                id: leaf.id.to_owned(),
                last_lines: output.last_lines(),
                log,
            });
        }
        end
    }

    fn judge(
        &self,
        leaf: &Leaf<'_>,
        prepared: &Prepared,
        output: &StepOutput<'_>,
        ended: &Ended,
    ) -> LeafEnd {
        let (mut phase, mut message) = verdict(ended);
        let mut outputs = Outputs {
            exit_code: Some(ended.code().to_string()),
            result: output.result(),
            ..Outputs::default()
        };
        for declared in &leaf.template.outputs {
            let path = prepared
                .outputs
                .iter()
                .find(|(name, _)| *name == declared.name);
            let Some((_, path)) = path else { continue };
            match (read_output(&prepared.real_path(path)), &declared.default) {
                (Ok(value), _) => outputs.parameters.push(Parameter {
                    name: declared.name.clone(),
                    value: Some(value),
                }),
                (Err(_), Some(default)) => outputs.parameters.push(Parameter {
                    name: declared.name.clone(),
                    value: Some(default.clone()),
                }),
                // A step that failed need not have written its outputs.
                (Err(_), None) if phase.is_bad() => {}
                (Err(why), None) => {
                    phase = Phase::Error;
                    message = format!(
                        "the output parameter {:?} cannot be read from {}: {why}",
                        declared.name,
                        path.display()
                    );
                }
            }
        }
        LeafEnd {
            phase,
            message,
            outputs,
        }
    }
}

impl Prepared {
    fn real_path(&self, path: &Path) -> PathBuf {
        match &self.view {
            Some(view) => view.real_path(path),
            None => rewrite::path(path, &self.binds),
        }
    }
}

/// The texts of a step, their tags and variables replaced.
struct Texts {
    words: Vec<String>,
    source: Option<String>,
    working_dir: Option<String>,
    variables: Vec<(String, String)>,
}

/// A step without a namespace: mounted paths, and those of its outputs, are rewritten.
fn rewritten(
    step: Texts,
    mut binds: Vec<Bind>,
    outputs: Vec<(String, PathBuf)>,
    folder: &Path,
    deadline: Option<Duration>,
) -> Result<Prepared, String> {
    for (name, path) in &outputs {
        // A file of the step's own: two steps may both name /tmp/result.
        if !binds.iter().any(|bind| path.starts_with(&bind.target)) {
            let source = folder.join("outputs").join(volumes::folder_name(name));
            let parent = folder.join("outputs");
            std::fs::create_dir_all(&parent)
                .map_err(|error| format!("make {}: {error}", parent.display()))?;
            binds.push(Bind {
                source,
                target: path.clone(),
                read_only: false,
            });
        }
    }
    let rewrite = |text: &str| rewrite::text(text, &binds);
    let mut words: Vec<String> = step.words.iter().map(|word| rewrite(word)).collect();
    if let Some(source) = &step.source {
        words.push(write_script(folder, &rewrite(source))?);
    }
    let (program, arguments) = words.split_first().ok_or("the command is empty")?;
    let working_dir = step
        .working_dir
        .map_or(folder.join("work"), |path| rewrite(&path).into());
    let mut command = Command::new(program)
        .args(arguments)
        .current_dir(working_dir);
    command.env = step
        .variables
        .into_iter()
        .map(|(name, value)| {
            // The PATH names folders of this machine.
            let value = if name == "PATH" {
                value
            } else {
                rewrite(&value)
            };
            (name.into(), value.into())
        })
        .collect();
    command.env_clear = true;
    Ok(Prepared {
        command,
        binds,
        view: None,
        outputs,
        deadline,
    })
}

fn write_script(folder: &Path, source: &str) -> Result<String, String> {
    let path = folder.join("script");
    std::fs::write(&path, source).map_err(|error| format!("write {}: {error}", path.display()))?;
    Ok(path.display().to_string())
}

/// A pod's end in the controller's words.
fn verdict(ended: &Ended) -> (Phase, String) {
    let code = ended.code();
    match ended.cause {
        Cause::Itself if ended.status.success() => (Phase::Succeeded, String::new()),
        Cause::Itself => (Phase::Failed, format!("Error (exit code {code})")),
        Cause::Deadline => (
            Phase::Failed,
            "Pod was active on the node longer than the specified deadline".to_owned(),
        ),
        Cause::Stopped(_) => (Phase::Failed, "Stopped with strategy 'Stop'".to_owned()),
    }
}

fn read_output(path: &Path) -> Result<String, String> {
    use std::io::Read;
    let open = std::fs::File::open(path);
    let mut text = String::new();
    open.and_then(|file| file.take(MAX_OUTPUT).read_to_string(&mut text))
        .map_err(|error| error.to_string())?;
    // The controller cuts one newline off the end.
    Ok(text.strip_suffix('\n').map_or(text.clone(), str::to_owned))
}

/// Finds out how steps can see their volumes, by trying.
pub(crate) async fn find_isolation(own_path: &Path, run_dir: &Path) -> Isolation {
    let root = run_dir.join("steps").join("probe");
    let view = View {
        root: root.clone(),
        binds: Vec::new(),
    };
    let limits = Limits {
        deadline: Some(tokio::time::Instant::now() + Duration::from_secs(10)),
        grace: Duration::from_secs(1),
    };
    let why = match view.command(own_path, Path::new("/"), "true") {
        Err(error) => error.report(),
        Ok(command) => match exec::capture(&command, limits, &Stop::never(), 4096).await {
            Ok(captured) if captured.ended.success() => String::new(),
            Ok(captured) => String::from_utf8_lossy(&captured.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        },
    };
    view::tidy(&root);
    if why.is_empty() {
        return Isolation::Namespace;
    }
    tracing::warn!(
        "no private mount namespace here ({why}): paths under a mountPath are rewritten to \
         folders of {} in command, args, env, source and workingDir",
        run_dir.display()
    );
    Isolation::Rewrite
}
