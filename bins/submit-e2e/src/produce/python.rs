//! Workflows that Python functions give. All functions of a run are called by one Python, which
//! forks a process for each: see `loader.py`, which is a part of this program.

mod output;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::app::Stop;
use common::exec::{self, Cause, Limits};
use common::view::{Bind, View};
use common::{Error, Result, ResultExt, env};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tracing::warn;

use super::{Context, Order, Product};
use crate::config::Kind;
use crate::render::without_templating;
use output::{Answers, Failure};

/// The program that calls the functions.
const LOADER: &str = include_str!("python/loader.py");

/// Where some functions look for the sources whatever they are told.
const SOURCES: &str = "/src";

/// The library that functions are written with. kubeflow/testing put it behind `python_paths`, and
/// files rely on that.
const LIBRARY: &str = "kubeflow/testing/py";

/// Time for Python itself, beyond that of the functions.
const MARGIN: Duration = Duration::from_secs(30);

/// Calls the functions of these entries; each has its own outcome, in their order.
pub(super) async fn call_all(context: &Context<'_>, orders: &[&Order<'_>]) -> Vec<Result<Product>> {
    if orders.is_empty() {
        return Vec::new();
    }
    let names = || orders.iter().map(|order| order.entry.name.as_str());
    let names: Vec<_> = names().collect();
    match answers(context, orders, &names).await {
        Ok(mut answers) => (orders.iter().enumerate())
            .map(|(index, order)| match answers.take(index) {
                Ok(workflow) => Ok(Product::of(workflow)),
                Err(failure) => Err(told(context, order, failure)),
            })
            .collect(),
        // What keeps Python from running keeps every function from it: the first one tells.
        Err(error) => std::iter::once(Err(error))
            .chain(orders.iter().skip(1).map(|order| {
                let config = context.config;
                Err(config.error(order.entry, "py_func", "its function was not called"))
            }))
            .collect(),
    }
}

async fn answers(context: &Context<'_>, orders: &[&Order<'_>], names: &[&str]) -> Result<Answers> {
    let config = context.config;
    let roots = (context.repositories)
        .provide(&config.python_paths, context.app)
        .await?;
    let mut paths = Vec::new();
    for (index, path) in config.python_paths.iter().enumerate() {
        if !context.repositories.has(path) {
            // Python passes over such a folder, and so did kubeflow/testing: real files have them.
            let what = format!("{path} is not there, and is left out");
            warn!("{}", config.path_error(index, what).report());
            continue;
        }
        let found = context.repositories.find(path);
        paths.push(found.map_err(|error| {
            let error = config.path_error(index, error.report());
            error.hint("it is the folder, in a repository, that the package's own folder is in")
        })?);
    }
    if !config.python_paths.iter().any(|path| path == LIBRARY) {
        // Only where it is there: other repositories' functions do without it.
        paths.extend(context.repositories.find(LIBRARY).ok());
    }
    let folder = context.folder.join("python");
    let request = request(context, orders, &folder)?;
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&file, text))
            .or_failed(|| format!("write {}", file.display()))?;
        Ok::<_, Error>(file)
    };
    let (loader, request) = (
        write("loader.py", LOADER)?,
        write("request.json", &request.to_string())?,
    );
    let limits = limits(context, orders.len());
    let run = |view: Option<View>| {
        let command = command(context, view.as_ref(), &paths);
        let (loader, request) = (&loader, &request);
        async move {
            let command = command?.arg(loader).arg(request);
            Answers::of(&command, context.python, limits, &context.app.stop, names).await
        }
    };
    let view = view(&roots, &folder);
    if view.is_some() {
        let answers = run(view).await?;
        if !answers.lacks_view() {
            return answers.complete(context.python);
        }
        warn!(
            "no private mount namespace here ({}): a function that reads {SOURCES}/ORG/REPO does \
             not find it",
            answers.last_words()
        );
    }
    let answers = run(None).await?;
    answers.complete(context.python)
}

/// What the loader reads.
fn request(context: &Context<'_>, orders: &[&Order<'_>], folder: &Path) -> Result<Value> {
    let functions = orders.iter().enumerate().map(|(index, order)| {
        let Kind::PyFunc { function, kwargs } = &order.entry.kind else {
            return json!(null);
        };
        let mut fixed = json!({"name": order.name});
        if let Some(namespace) = order.namespace {
            fixed["namespace"] = namespace.into();
        }
        json!({
            "index": index,
            "function": function,
            "kwargs": kwargs,
            // The entry's own name and namespace would not be those of the object.
            "fixed": fixed,
            "standard": {"test_target_name": order.entry.name},
            "optional": order.bucket.map_or_else(Map::new, |bucket| {
                Map::from_iter([("bucket".to_owned(), bucket.into())])
            }),
        })
    });
    let cores = std::thread::available_parallelism().or_failed(|| "count the processors")?;
    Ok(json!({
        "functions": functions.collect::<Vec<_>>(),
        "at_once": cores,
        "limit": context.limit.as_secs_f64(),
        "limit_text": humantime::format_duration(context.limit).to_string(),
        "cache": folder.join("cache"),
    }))
}

/// Python, about to be told what to run: in the repository's root, with Prow's variables.
fn command(context: &Context<'_>, view: Option<&View>, paths: &[PathBuf]) -> Result<exec::Command> {
    let paths = std::env::join_paths(paths).or_usage(|| "python_paths: a path with a colon")?;
    let root = context.repositories.root();
    let python = program(context.python)?;
    let command = match view {
        Some(view) => {
            let own = std::env::current_exe().or_failed(|| "look up this program")?;
            view.command(&own, root, &python.to_string_lossy())?
        }
        None => exec::Command::new(python).current_dir(root),
    };
    let command = command.env_remove(env::PROW).env("PYTHONPATH", paths);
    let variables = context.job.variables();
    // Functions copy them into containers.
    Ok(variables
        .into_iter()
        .fold(command, |command, (name, value)| {
            command.env(name, without_templating(name, &value))
        }))
}

/// The program as it is found from the repository's root: a path was given from the folder that
/// this program was started in.
fn program(python: &Path) -> Result<PathBuf> {
    if python.components().count() < 2 {
        return Ok(python.to_owned());
    }
    std::path::absolute(python).or_failed(|| format!("find {}", python.display()))
}

/// The repositories at `/src/ORG/REPO`, where they are elsewhere; `None` where they are there.
fn view(roots: &BTreeMap<String, PathBuf>, folder: &Path) -> Option<View> {
    let elsewhere = roots.iter().filter_map(|(name, root)| {
        let target = Path::new(SOURCES).join(name);
        let source = root.canonicalize().ok()?;
        (target.canonicalize().ok().as_ref() != Some(&source)).then_some(Bind {
            source,
            target,
            read_only: false,
        })
    });
    let binds: Vec<_> = elsewhere.collect();
    (!binds.is_empty()).then(|| View {
        root: folder.join("view"),
        binds,
        outputs: Vec::new(),
    })
}

fn limits(context: &Context<'_>, functions: usize) -> Limits {
    let rounds = u32::try_from(functions).unwrap_or(u32::MAX);
    let whole = context.limit.saturating_mul(rounds).saturating_add(MARGIN);
    Limits {
        deadline: Instant::now().checked_add(whole),
        grace: Duration::from_secs(2),
    }
}

/// A function's failure, at the line of the file that calls it.
fn told(context: &Context<'_>, order: &Order<'_>, failure: Failure) -> Error {
    let config = context.config;
    let what = [vec![failure.what], failure.traceback].concat().join("\n");
    let error = match &failure.item {
        Some(item) => config.item_error(order.entry, "kwargs", item, what),
        None => config.error(order.entry, "py_func", what),
    };
    if failure.hint.is_empty() {
        error
    } else {
        error.hint(failure.hint)
    }
}

/// What is wrong with a Python that did not do its work.
fn not_run(python: &Path, cause: &str) -> Error {
    Error::usage(format!(
        "{} cannot call the functions of py_func",
        python.display()
    ))
    .because(cause.to_owned())
    .hint("Python 3.6 or later is needed: say with --python which one")
}

fn interrupted(cause: Cause, stop: &Stop) -> Result<()> {
    match cause {
        Cause::Stopped(_) => stop.check("while Python functions were called"),
        _ => Ok(()),
    }
}
