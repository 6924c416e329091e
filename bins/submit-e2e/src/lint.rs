//! `lint`: the configuration and every workflow of it, checked without running anything.

mod references;
mod schema;
mod steps;

use std::fmt::Write as _;

use common::app::App;
use common::{Error, Exit, Result, counted};

use crate::config::Entry;
use crate::names::Naming;
use crate::opts::LintOpts;
use crate::origin::Origin;
use crate::selection::Selection;
use crate::workflows::{Maker, Workflow};
use schema::Schema;

/// Something that is wrong with a workflow, or may be.
#[derive(Debug)]
pub(crate) struct Finding {
    /// Where, as a JSON pointer of the workflow.
    pointer: String,
    what: String,
    is_error: bool,
}

impl Finding {
    fn error(pointer: String, what: String) -> Self {
        Finding {
            pointer,
            what,
            is_error: true,
        }
    }

    fn warning(pointer: String, what: String) -> Self {
        Finding {
            is_error: false,
            ..Finding::error(pointer, what)
        }
    }
}

/// What is told, a line each.
#[derive(Debug, Default)]
struct Report {
    text: String,
    errors: usize,
    warnings: usize,
}

impl Report {
    fn add(&mut self, is_error: bool, what: &str) {
        let (level, count) = if is_error {
            ("error", &mut self.errors)
        } else {
            ("warning", &mut self.warnings)
        };
        *count += 1;
        // Writing to a text cannot fail.
        let _ = writeln!(self.text, "{level}: {what}");
    }

    fn add_workflow(&mut self, selection: &Selection, entry: &Entry, workflow: &Workflow) {
        let mut found: Vec<Finding> = Vec::new();
        if workflow.manifest["kind"] == "Workflow" {
            let of_schema = Schema::new().check(&workflow.manifest);
            found.extend((of_schema.into_iter()).map(|(at, what)| Finding::error(at, what)));
            found.extend(references::check(&workflow.manifest));
            found.extend(steps::check(&workflow.manifest));
        }
        for finding in found {
            let what = if let Some(document) = &workflow.document {
                format!("{}: {}", document.place(&finding.pointer), finding.what)
            } else {
                let what = format!("{}: {}", finding.pointer, finding.what);
                let error = selection.config.error(entry, entry.kind.key(), what);
                error.to_string()
            };
            self.add(finding.is_error, &common::on_one_line(&what));
        }
    }
}

/// Checks everything; exit 2 where there is an error.
pub(crate) async fn run(opts: LintOpts, app: App) -> Result<Exit> {
    let (origin, folder) = Origin::find(&opts.source, &app).await?;
    let source = origin.source(&opts.source, &app).await?;
    let selection = Selection::of_all(&source, &opts.source)?;
    let maker = Maker {
        origin: &origin,
        source: &source,
        source_opts: &opts.source,
        opts: &opts.render,
        bucket: opts.render.bucket.as_deref(),
        layout: common::bucket::Layout::Prow,
        folder: folder.path(),
        names: Naming::EachTime,
        parameters: &[],
        app: &app,
    };
    let mut report = Report::default();
    for warning in &selection.config.warnings {
        report.add(false, warning);
    }
    let outcomes = maker.try_all(&selection).await?;
    let count = outcomes.len();
    for (entry, outcome) in selection.selected().zip(outcomes) {
        match outcome {
            Ok(workflow) => report.add_workflow(&selection, entry, &workflow),
            Err(error) => report.add(true, &told(&error)),
        }
    }
    let (errors, warnings) = (report.errors, report.warnings);
    let sum = format!(
        "{}, {}, {}\n",
        counted(count as u64, "workflow"),
        counted(errors as u64, "error"),
        counted(warnings as u64, "warning")
    );
    app.print(report.text + &sum)?;
    Ok(if errors > 0 {
        Exit::Usage
    } else {
        Exit::Success
    })
}

/// An error with its further lines indented, and nothing in it that could drive a terminal.
fn told(error: &Error) -> String {
    let report = error.report();
    let lines: Vec<_> = report.lines().map(common::on_one_line).collect();
    lines.join("\n    ")
}
