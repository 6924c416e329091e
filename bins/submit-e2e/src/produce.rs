//! Makes the workflow of an entry from what the repository has: a manifest, a Python function,
//! jsonnet, a ksonnet app, or a reference to something on the cluster.

mod file;
mod jsonnet;
mod ksonnet;
mod python;
mod repositories;
mod tekton;

use std::path::Path;
use std::time::Duration;

use common::app::App;
use common::job::Job;
use common::yaml::Document;
use common::{Exit, Result, workflow};
use serde_json::{Map, Value, json};

use crate::config::{Config, Entry, Kind};
use common::evaluate::{self, Evaluation};

pub(crate) use repositories::Repositories;

/// What all entries are made with.
pub(crate) struct Context<'a> {
    pub(crate) app: &'a App,
    pub(crate) config: &'a Config,
    pub(crate) job: &'a Job,
    /// Where the repositories are that entries name.
    pub(crate) repositories: &'a Repositories,
    /// A folder for files that are needed meanwhile.
    pub(crate) folder: &'a Path,
    /// The Python that runs functions.
    pub(crate) python: &'a Path,
    /// Time for each function and each evaluation.
    pub(crate) limit: Duration,
}

/// An entry to make, and what the job says of it.
pub(crate) struct Order<'a> {
    pub(crate) entry: &'a Entry,
    /// Name of the object.
    pub(crate) name: &'a str,
    /// Namespace of the object, where one is asked for.
    pub(crate) namespace: Option<&'a str>,
    /// The bucket's URL, where there is one.
    pub(crate) bucket: Option<&'a str>,
    /// The URL of the job's folder in it.
    pub(crate) results: Option<&'a str>,
}

/// An object as its author wrote it.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) value: Value,
    /// The file that it was read from as it is, which knows its lines.
    pub(crate) document: Option<Document>,
    /// An object to run after it, whatever came of it.
    pub(crate) teardown: Option<Value>,
}

impl Product {
    fn of(value: Value) -> Product {
        Product {
            value,
            document: None,
            teardown: None,
        }
    }
}

/// What is still to do for an entry.
enum Begun {
    Made(Result<Product>),
    /// To be evaluated.
    Jsonnet(Evaluation),
    /// To be called.
    Function,
}

/// Makes all, at once where they wait; each has its own outcome, in the order of the orders.
pub(crate) async fn all(context: &Context<'_>, orders: &[Order<'_>]) -> Vec<Result<Product>> {
    let mut begun = Vec::new();
    let mut functions = Vec::new();
    let mut evaluations = Vec::new();
    for order in orders {
        begun.push(match begin(context, order) {
            Begun::Jsonnet(evaluation) => {
                evaluations.push(evaluation);
                Begun::Jsonnet(Evaluation::default())
            }
            Begun::Function => {
                functions.push(order);
                Begun::Function
            }
            made @ Begun::Made(_) => made,
        });
    }
    let (folder, stop) = (context.folder, &context.app.stop);
    let evaluated = evaluate::run_all(evaluations, folder, context.limit, stop).await;
    let called = python::call_all(context, &functions).await;
    let (mut evaluated, mut called) = (evaluated.into_iter(), called.into_iter());
    let end = |(begun, order): (Begun, &Order<'_>)| match begun {
        Begun::Made(product) => Some(product),
        Begun::Jsonnet(_) => Some(evaluation_end(context, order, evaluated.next()?)),
        Begun::Function => called.next(),
    };
    begun.into_iter().zip(orders).filter_map(end).collect()
}

fn begin(context: &Context<'_>, order: &Order<'_>) -> Begun {
    let entry = order.entry;
    let evaluation = match &entry.kind {
        Kind::PyFunc { .. } => return Begun::Function,
        Kind::Manifest(path) => return Begun::Made(manifest(context, entry, path)),
        Kind::WorkflowTemplate {
            reference,
            arguments,
        } => return Begun::Made(Ok(Product::of(from_template(reference, arguments, order)))),
        Kind::Tekton(tekton) => return Begun::Made(tekton::product(context, order, tekton)),
        Kind::Jsonnet {
            path,
            ext_vars,
            top_level_args,
        } => file::of_config(context, entry, path)
            .and_then(|file| Ok((file, file::limit(context)?)))
            .map(|file| jsonnet::evaluation(context, order, file, ext_vars, top_level_args)),
        Kind::Ksonnet { app_dir, component } => {
            ksonnet::evaluation(context, order, app_dir, component)
        }
    };
    match evaluation {
        Ok(evaluation) => Begun::Jsonnet(evaluation),
        Err(error) => Begun::Made(Err(error)),
    }
}

fn evaluation_end(
    context: &Context<'_>,
    order: &Order<'_>,
    value: Result<Value>,
) -> Result<Product> {
    let entry = order.entry;
    let mistake = |what: String| context.config.error(entry, entry.kind.key(), what);
    // An interruption is nobody's mistake.
    let value = value.map_err(|error| match error.exit() {
        Exit::Usage => mistake(error.report()),
        _ => error,
    })?;
    match entry.kind {
        Kind::Ksonnet { .. } => ksonnet::workflow_in(value)
            .map_err(mistake)
            .map(Product::of),
        _ => Ok(Product::of(value)),
    }
}

fn manifest(context: &Context<'_>, entry: &Entry, path: &str) -> Result<Product> {
    let document = workflow::read(&file::of_config(context, entry, path)?)?;
    Ok(Product {
        value: document.value.clone(),
        document: Some(document),
        teardown: None,
    })
}

/// A Workflow that runs a template of the cluster. Its parameters are those of the entry.
fn from_template(
    reference: &Map<String, Value>,
    arguments: &Map<String, Value>,
    order: &Order<'_>,
) -> Value {
    let mut arguments = arguments.clone();
    let parameters = (arguments.entry("parameters")).or_insert_with(|| json!([]));
    if let Some(parameters) = parameters.as_array_mut() {
        for name in order.entry.params.keys() {
            if !parameters
                .iter()
                .any(|parameter| parameter["name"] == **name)
            {
                parameters.push(json!({"name": name}));
            }
        }
    }
    json!({
        "apiVersion": workflow::API_VERSION,
        "kind": "Workflow",
        "metadata": {},
        "spec": {"workflowTemplateRef": reference, "arguments": arguments},
    })
}
