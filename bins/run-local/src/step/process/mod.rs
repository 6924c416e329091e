//! A step as a process of this machine, which stands in for the step's image.

mod isolation;
mod links;
mod rewrite;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use common::env::Env;
use common::exec::{self, Command};
use common::view::{self, Bind, View};

use super::resolve::Resolved;
use super::runtime::{Following, Ran, output_text};
use super::{environment, volumes};
use isolation::{Isolation, find_isolation};
use links::Links;

/// Where the image has the suite's binaries.
const IMAGE_BINARIES: &str = "/usr/local/bin";

/// Where a step sees its folder if that is hidden under a mount.
const HOME: &str = "/.run-local";

/// The script's text, in the step's folder.
const SCRIPT: &str = "script";

/// Runs steps as processes.
pub(crate) struct Process {
    /// This program.
    own_path: PathBuf,
    /// The folder of the suite's binaries.
    own_folder: PathBuf,
    isolation: Isolation,
}

/// A step made ready to run.
struct Prepared {
    command: Command,
    binds: Vec<Bind>,
    view: Option<View>,
    /// Output parameters by path, where rewriting put them elsewhere.
    outputs: Vec<(String, PathBuf)>,
}

impl Prepared {
    fn real_path(&self, path: &Path) -> PathBuf {
        match &self.view {
            Some(view) => view.real_path(path),
            None => rewrite::path(path, &self.binds),
        }
    }
}

impl Process {
    /// Finds out, by trying, what this machine allows.
    pub(crate) async fn find(own_path: PathBuf, run_dir: &Path) -> Self {
        Process {
            own_folder: own_path.parent().map(PathBuf::from).unwrap_or_default(),
            isolation: find_isolation(&own_path, run_dir).await,
            own_path,
        }
    }

    /// The variables that every step starts from.
    pub(crate) fn inherited(&self, env: &Env, also: &[String]) -> Vec<(String, String)> {
        environment::inherited(env, also, &self.own_folder)
    }

    pub(super) async fn run(
        &self,
        resolved: Resolved,
        following: Following<'_, '_>,
    ) -> Result<Ran, String> {
        let merge_output = !resolved.result_wanted;
        let mut prepared = self.prepare(resolved)?;
        prepared.command.merge_output = merge_output;
        let Following {
            output,
            limits,
            stop,
        } = following;
        let ended = exec::run(&prepared.command, limits, stop, output).await;
        let ended = ended.map_err(|error| format!("run the step: {error}"))?;
        let outputs = std::mem::take(&mut prepared.outputs);
        let read = |(name, path): (String, PathBuf)| {
            let text = read_output(&prepared.real_path(&path));
            (name, path, text)
        };
        let outputs = outputs.into_iter().map(read).collect();
        if let Some(view) = &prepared.view {
            view::tidy(&view.root);
        }
        Ok(Ran {
            ended,
            out_of_memory: false,
            outputs,
        })
    }

    fn prepare(&self, resolved: Resolved) -> Result<Prepared, String> {
        let mut words = resolved.command;
        words.extend(resolved.args);
        let mut binds = resolved.binds;
        self.add_image_paths(&words, resolved.source.as_deref(), &mut binds);
        let mut variables = resolved.variables;
        environment::put_first_on_path(&mut variables, &self.own_folder);
        let texts = Texts {
            words,
            source: resolved.source,
            working_dir: resolved.working_dir,
            variables,
        };
        match self.isolation {
            Isolation::Namespace => {
                self.in_namespace(texts, binds, resolved.outputs, &resolved.folder)
            }
            Isolation::Rewrite => rewritten(texts, binds, resolved.outputs, &resolved.folder),
        }
    }

    fn in_namespace(
        &self,
        step: Texts,
        binds: Vec<Bind>,
        mut outputs: Vec<(String, PathBuf)>,
        folder: &Path,
    ) -> Result<Prepared, String> {
        let mut view = View {
            root: folder.join("root"),
            binds: binds.clone(),
            outputs: Vec::new(),
        };
        let links = Links::follow_in(&mut view.binds);
        view.binds.retain(|bind| bind.source != bind.target);
        let home = home(folder, &mut view.binds);
        let mut words = step.words;
        if let Some(source) = &step.source {
            write_script(folder, source)?;
            words.push(home.join(SCRIPT).display().to_string());
        }
        let working_dir = match step.working_dir {
            None => home.join("work"),
            Some(path) => {
                let path = view::clean(&path)
                    .ok_or_else(|| format!("the workingDir {path:?} is not an absolute path"))?;
                let path = links.follow(&path);
                if view.real_path(&path) == path && !path.exists() {
                    return Err(format!(
                        "the workingDir {} does not exist here",
                        path.display()
                    ));
                }
                path
            }
        };
        for (_, path) in &mut outputs {
            // One that is not absolute starts at the step's own working folder.
            *path = links.follow(&working_dir.join(&*path));
            if !path.starts_with(&home) {
                view.outputs.push(path.clone());
            }
        }
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
        })
    }

    /// A manifest may name our binaries where the image has them.
    fn add_image_paths(&self, words: &[String], source: Option<&str>, binds: &mut Vec<Bind>) {
        let texts = || words.iter().map(String::as_str).chain(source);
        if !texts().any(|text| text.contains(IMAGE_BINARIES)) {
            return;
        }
        for entry in std::fs::read_dir(&self.own_folder)
            .into_iter()
            .flatten()
            .flatten()
        {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let target = format!("{IMAGE_BINARIES}/{name}");
            let is_named = texts().any(|text| {
                text.split_whitespace()
                    .any(|word| word.trim_end_matches([';', '"', '\'']) == target)
            });
            let target = PathBuf::from(target);
            if is_named && !target.exists() && entry.path().is_file() {
                binds.push(Bind {
                    source: entry.path(),
                    target,
                    read_only: true,
                });
            }
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
    mut outputs: Vec<(String, PathBuf)>,
    folder: &Path,
) -> Result<Prepared, String> {
    for (name, path) in &mut outputs {
        if path.is_relative() {
            let start = step.working_dir.as_ref();
            *path = start
                .map_or(folder.join("work"), PathBuf::from)
                .join(&*path);
            continue;
        }
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
        write_script(folder, &rewrite(source))?;
        words.push(folder.join(SCRIPT).display().to_string());
    }
    let (program, arguments) = words.split_first().ok_or("the command is empty")?;
    let working_dir: PathBuf = step
        .working_dir
        .map_or(folder.join("work"), |path| rewrite(&path).into());
    std::fs::create_dir_all(&working_dir)
        .map_err(|error| format!("make {}: {error}", working_dir.display()))?;
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
    })
}

fn write_script(folder: &Path, source: &str) -> Result<(), String> {
    let path = folder.join(SCRIPT);
    std::fs::write(&path, source).map_err(|error| format!("write {}: {error}", path.display()))
}

/// Where the step sees its folder: elsewhere if a mount hides it, a volume at /tmp for example
/// where the run folder is in there. That place being new, the whole view is then built apart
/// and put in place at the end, so that no mount hides the sources of later ones.
fn home(folder: &Path, binds: &mut Vec<Bind>) -> PathBuf {
    if !binds.iter().any(|bind| folder.starts_with(&bind.target)) {
        return folder.to_owned();
    }
    binds.push(Bind {
        source: folder.to_owned(),
        target: PathBuf::from(HOME),
        read_only: false,
    });
    PathBuf::from(HOME)
}

fn read_output(path: &Path) -> io::Result<String> {
    // A pipe that a step put there must not hold us up.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    output_text(file)
}
