//! Entering a view: the program calls itself, and becomes the command that is to see it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

use rustix::process::Signal;

use super::mounts::unshare;
use super::{ENTER, View};
use crate::{Error, Exit, Result, ResultExt};

/// When this program has been called to enter a view: enters it and becomes the program that
/// the other arguments name. `None` in every other call.
pub fn enter() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != ENTER {
        return None;
    }
    let (view, folder) = (arguments.next()?, arguments.next()?);
    let command: Vec<OsString> = arguments.collect();
    Some(
        match enter_and_become(&view.to_string_lossy(), folder.as_ref(), &command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                use std::io::Write;
                // Logging is not set up in here; the text becomes the step's own last words.
                let _ = writeln!(io::stderr(), "{}: {}", program_name(), error.report());
                ExitCode::from(if error.exit() == Exit::Usage {
                    127
                } else {
                    126
                })
            }
        },
    )
}

fn enter_and_become(view: &str, folder: &Path, command: &[OsString]) -> Result<()> {
    let view: View = serde_json::from_str(view).or_failed(|| "read the view")?;
    unshare()?;
    view.build()?;
    // As a container's runtime does: a workingDir in a volume may be new.
    fs::create_dir_all(folder).or_failed(|| format!("make {}", folder.display()))?;
    std::env::set_current_dir(folder).or_failed(|| format!("change to {}", folder.display()))?;
    // After unshare: entering a user namespace clears it. The step must not outlive run-local.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .or_failed(|| "tie the step to this program")?;
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::failed("the step has no command"));
    };
    let error = std::process::Command::new(program).args(arguments).exec();
    let what = format!("run {}", Path::new(program).display());
    Err(if error.kind() == io::ErrorKind::NotFound {
        Error::usage(what)
            .because(error)
            .hint("programs are looked for on the PATH of this machine")
    } else {
        Error::failed(what).because(error)
    })
}

/// What this program was called.
fn program_name() -> String {
    let name = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&name).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
