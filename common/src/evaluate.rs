//! Jsonnet, evaluated in a process of its own: this program calls itself. A repository's jsonnet
//! may run for ever or need all memory; so it is the process that ends, and not the job.

mod imports;
mod parameters;
mod plus;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use rsjsonnet_front::Session;
use rsjsonnet_lang::arena::Arena;
use rsjsonnet_lang::program::Thunk;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use crate::app::Stop;
use crate::exec::{self, Cause, Limits};
use crate::{Error, Result, ResultExt};

/// First argument of this program when it calls itself to evaluate.
const EVALUATE: &str = "__evaluate";

/// The largest result, and the most that is kept of what is said about a mistake.
const MOST_RESULT: usize = 10 * 1024 * 1024;

/// How many lines of a mistake are told.
const MOST_LINES: usize = 24;

/// Address space of an evaluation, in bytes.
const MEMORY: u64 = 2 * 1024 * 1024 * 1024;

/// A file of jsonnet, and what it is given.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Evaluation {
    /// The file.
    pub file: PathBuf,
    /// The folder that no import leaves.
    pub root: PathBuf,
    /// Folders in which imports are looked for, after that of the importing file.
    pub search_paths: Vec<PathBuf>,
    /// Values of `std.extVar`, as JSON.
    pub ext_vars: Map<String, Value>,
    /// Values of `std.extVar`, as jsonnet.
    pub ext_code: Vec<(String, String)>,
    /// Arguments of the function that the file gives.
    pub top_level_args: Map<String, Value>,
    /// Further ones, for parameters that it has.
    pub optional_args: Map<String, Value>,
    /// Whether a `+` before a value gives it, whatever it is, as `ks` had it.
    pub is_lenient: bool,
}

impl Evaluation {
    /// The value of the file. `request` is a file for what the process is asked; an error is what
    /// the evaluator says, with file and line.
    async fn run(&self, request: &Path, limit: Duration, stop: &Stop) -> Result<Value> {
        let text = serde_json::to_vec(self).or_failed(|| "write an evaluation's request")?;
        std::fs::write(request, text).or_failed(|| format!("write {}", request.display()))?;
        let own = std::env::current_exe().or_failed(|| "look up this program")?;
        let command = exec::Command::new(own).arg(EVALUATE).arg(request);
        let limits = Limits {
            deadline: Instant::now().checked_add(limit),
            grace: Duration::ZERO,
        };
        let captured = exec::capture(&command, limits, stop, MOST_RESULT + 1).await;
        let captured = captured.or_failed(|| "start an evaluation")?;
        stop.check("while jsonnet was evaluated")?;
        if captured.ended.cause == Cause::Deadline {
            let limit = humantime::format_duration(limit);
            return Err(
                Error::usage(format!("its evaluation did not end within {limit}"))
                    .hint("does it call itself without an end?"),
            );
        }
        if !captured.ended.success() {
            let said = String::from_utf8_lossy(&captured.stderr);
            let lines: Vec<_> = said.trim_end().lines().take(MOST_LINES).collect();
            return Err(match lines[..] {
                [] => Error::usage(format!(
                    "its evaluation ended with exit code {}",
                    captured.ended.code()
                ))
                .hint("does it need more than 2 GiB of memory?"),
                _ => Error::usage(lines.join("\n")),
            });
        }
        if captured.stdout.len() > MOST_RESULT {
            return Err(Error::usage("its value has more than 10 MiB"));
        }
        serde_json::from_slice(&captured.stdout).or_failed(|| "read what an evaluation gave")
    }

    /// Evaluates, in the process that is for it. A mistake has been told on stderr.
    fn evaluate(&self) -> Option<String> {
        let arena = Arena::new();
        let mut session = Session::new(&arena);
        if let Err(what) = imports::check(self) {
            session.print_error(&what);
            return None;
        }
        for path in &self.search_paths {
            session.add_search_path(path.clone());
        }
        let literal = |(name, value): (&String, &Value)| (name.clone(), value.to_string());
        let ext_vars = self.ext_vars.iter().map(literal);
        for (name, code) in ext_vars.chain(self.ext_code.iter().cloned()) {
            let thunk = session.load_virt_file(&format!("<{name}>"), code.into_bytes())?;
            let name = session.program().intern_str(&name);
            session.program_mut().add_ext_var(name, &thunk);
        }
        let file = self.load(&mut session)?;
        let mut value = session.eval_value(&file)?;
        if value.is_function() {
            let takes = parameters::of_function(&self.file);
            let optional = (self.optional_args.iter()).filter(|(name, _)| {
                takes.contains(name) && !self.top_level_args.contains_key(*name)
            });
            let mut arguments: Vec<(_, Thunk<'_>)> = Vec::new();
            for (name, code) in self.top_level_args.iter().chain(optional).map(literal) {
                let thunk = session.load_virt_file(&format!("<{name}>"), code.into_bytes())?;
                arguments.push((session.program().intern_str(&name), thunk));
            }
            let function = session.program_mut().value_to_thunk(&value);
            value = session.eval_call(&function, &[], &arguments)?;
        } else if let Some(name) = self.top_level_args.keys().next() {
            session.print_error(&format!(
                "it is no function, so it takes no argument {name:?}"
            ));
            return None;
        }
        session.manifest_json(&value, false)
    }

    fn load<'p>(&self, session: &mut Session<'p>) -> Option<Thunk<'p>> {
        let text = std::fs::read(&self.file).ok().filter(|_| self.is_lenient);
        match text.and_then(|text| plus::without(&text)) {
            Some(text) => session.load_virt_file(&self.file.display().to_string(), text),
            None => session.load_real_file(&self.file),
        }
    }
}

/// Evaluates all, as many at once as there are processors; gives their values in their order.
/// `folder` is for files that are needed meanwhile.
pub async fn run_all(
    evaluations: Vec<Evaluation>,
    folder: &Path,
    limit: Duration,
    stop: &Stop,
) -> Vec<Result<Value>> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let turns = Rc::new(Semaphore::new(cores));
    let local = LocalSet::new();
    let mut running = JoinSet::new();
    for (index, evaluation) in evaluations.into_iter().enumerate() {
        let request = folder.join(format!("evaluation-{index}.json"));
        let (turns, stop) = (turns.clone(), stop.clone());
        let run = async move {
            let _turn = turns.acquire().await;
            (index, evaluation.run(&request, limit, &stop).await)
        };
        running.spawn_local_on(run, &local);
    }
    let mut values = local.run_until(running.join_all()).await;
    values.sort_by_key(|(index, _)| *index);
    values.into_iter().map(|(_, value)| value).collect()
}

/// When this program has been called to evaluate: does that. `None` in every other call.
pub fn enter() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != EVALUATE {
        return None;
    }
    let request = arguments.next()?;
    Some(match evaluate(&request) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Logging is not set up in here.
            let _ = writeln!(std::io::stderr(), "{}", error.report());
            ExitCode::FAILURE
        }
    })
}

fn evaluate(request: &OsString) -> Result<bool> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = Rlimit {
        current: Some(MEMORY),
        maximum: Some(MEMORY),
    };
    setrlimit(Resource::As, limit).or_failed(|| "limit the memory")?;
    let text = std::fs::read(request).or_failed(|| "read the request")?;
    let evaluation: Evaluation = serde_json::from_slice(&text).or_failed(|| "read the request")?;
    let Some(json) = evaluation.evaluate() else {
        return Ok(false);
    };
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(json.as_bytes());
    written
        .and_then(|()| stdout.flush())
        .or_failed(|| "write the value")?;
    Ok(true)
}
