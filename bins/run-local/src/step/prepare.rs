//! Makes a step ready to run: its folders, its variables, its command.

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::exec::Command;

use super::environment::{self, Pod, expand};
use super::isolation::Isolation;
use super::links::Links;
use super::{Leaf, Replace, StepRunner, rewrite, volumes};
use crate::manifest::OutputSource;
use common::view::{self, Bind, View};

/// Where the image has the suite's binaries.
const IMAGE_BINARIES: &str = "/usr/local/bin";

/// Where a step sees its folder if that is hidden under a mount.
const HOME: &str = "/.run-local";

/// The script's text, in the step's folder.
const SCRIPT: &str = "script";

/// A step made ready to run.
pub(super) struct Prepared {
    pub(super) command: Command,
    pub(super) binds: Vec<Bind>,
    pub(super) view: Option<View>,
    /// Output parameters by path, where rewriting put them elsewhere.
    pub(super) outputs: Vec<(String, PathBuf)>,
    pub(super) deadline: Option<Duration>,
}

impl Prepared {
    pub(super) fn real_path(&self, path: &Path) -> PathBuf {
        match &self.view {
            Some(view) => view.real_path(path),
            None => rewrite::path(path, &self.binds),
        }
    }
}

impl StepRunner {
    pub(super) fn prepare(
        &self,
        leaf: &Leaf<'_>,
        folder: &Path,
        replace: Replace<'_>,
    ) -> Result<Prepared, String> {
        let container = leaf.container;
        start_afresh(folder)?;
        let volumes = [self.volumes.as_slice(), leaf.template.volumes.as_slice()];
        let mut binds = volumes::binds(
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
        self.add_image_paths(&words, source.as_deref(), &mut binds);
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
        mut outputs: Vec<(String, PathBuf)>,
        folder: &Path,
        deadline: Option<Duration>,
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
            deadline,
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

/// A pod starts with nothing of the one before it, and so does a step. The volumes that are
/// kept are elsewhere.
fn start_afresh(folder: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("make {}: {error}", folder.display());
    let removed = match std::fs::remove_dir_all(folder) {
        // Read-only folders, a module cache of Go's for example, keep their files.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            make_writable(folder);
            std::fs::remove_dir_all(folder)
        }
        other => other,
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    std::fs::create_dir_all(folder.join("work")).map_err(failed)
}

/// Lets this user change a folder and those in it, as far as they are this user's own.
fn make_writable(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
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
    deadline: Option<Duration>,
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
        deadline,
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
