//! Makes the workflow of an entry from what the repository has: a manifest, a Python function,
//! jsonnet, a ksonnet app, or a reference to something on the cluster.

mod file;
mod python;
mod repositories;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::app::App;
use common::job::Job;
use common::yaml::Document;
use common::{Result, workflow};
use serde_json::{Map, Value, json};

use crate::config::{Config, Entry, Kind};

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
}

/// An object as its author wrote it.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) value: Value,
    /// The file that it was read from as it is, which knows its lines.
    pub(crate) document: Option<Document>,
}

impl Product {
    fn of(value: Value) -> Product {
        Product {
            value,
            document: None,
        }
    }

    /// The file that it is, where it is one.
    pub(crate) fn source(&self) -> Option<PathBuf> {
        self.document.as_ref().map(|document| document.path.clone())
    }
}

/// Makes all, at once where they wait; each has its own outcome, in the order of the orders.
pub(crate) async fn all(context: &Context<'_>, orders: &[Order<'_>]) -> Vec<Result<Product>> {
    let mut products: Vec<Option<Result<Product>>> = Vec::new();
    for order in orders {
        products.push(match &order.entry.kind {
            Kind::PyFunc { .. } => None,
            _ => Some(one(context, order)),
        });
    }
    let functions: Vec<&Order<'_>> = (orders.iter().zip(&products))
        .filter_map(|(order, product)| product.is_none().then_some(order))
        .collect();
    let mut called = python::call_all(context, &functions).await.into_iter();
    products
        .into_iter()
        .filter_map(|product| product.or_else(|| called.next()))
        .collect()
}

fn one(context: &Context<'_>, order: &Order<'_>) -> Result<Product> {
    match &order.entry.kind {
        Kind::Manifest(path) => {
            let path = file::of_config(context, order.entry, path)?;
            let document = workflow::read(&path)?;
            Ok(Product {
                value: document.value.clone(),
                document: Some(document),
            })
        }
        Kind::WorkflowTemplate {
            reference,
            arguments,
        } => Ok(Product::of(from_template(reference, arguments, order))),
        other => Err(context
            .config
            .error(order.entry, other.key(), "not supported yet")),
    }
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
