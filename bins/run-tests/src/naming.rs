//! What a test is called in the report: the same in every run, so that the histories of
//! `TestGrid` line up.

use common::{Error, Result};

/// What stands for a test within a template.
const FIELDS: [(&str, Field); 5] = [
    ("workflow", Field::Workflow),
    ("target", Field::Target),
    ("suite", Field::Suite),
    ("class", Field::Class),
    ("test", Field::Test),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Workflow,
    Target,
    Suite,
    Class,
    Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

/// How tests are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Naming {
    parts: Vec<Part>,
    workflow: String,
}

/// What is known of a test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// Name that the tests report as.
    pub(crate) target: &'a str,
    /// Package, test binary or file.
    pub(crate) suite: &'a str,
    /// Class, where the tool told one.
    pub(crate) class: &'a str,
    /// Name within those.
    pub(crate) test: &'a str,
}

impl Naming {
    /// By default `{workflow}/{test}` in a workflow, `{test}` elsewhere.
    pub(crate) fn new(template: Option<&str>, workflow: Option<&str>) -> Result<Self> {
        let default = if workflow.is_some() {
            "{workflow}/{test}"
        } else {
            "{test}"
        };
        let parts = parts(template.unwrap_or(default))?;
        if workflow.is_none() && parts.contains(&Part::Field(Field::Workflow)) {
            return Err(
                Error::usage("--name-template has {workflow}, and no workflow is known")
                    .hint("set WORKFLOW_NAME or --workflow"),
            );
        }
        Ok(Naming {
            parts,
            workflow: workflow.unwrap_or_default().to_owned(),
        })
    }

    /// The name that a test has in the report.
    pub(crate) fn name(&self, known: Known<'_>) -> String {
        let part = |part: &'_ Part| match part {
            Part::Text(text) => text.clone(),
            Part::Field(Field::Workflow) => self.workflow.clone(),
            Part::Field(Field::Target) => known.target.to_owned(),
            Part::Field(Field::Suite) => known.suite.to_owned(),
            Part::Field(Field::Class) => known.class.to_owned(),
            Part::Field(Field::Test) => known.test.to_owned(),
        };
        self.parts.iter().map(part).collect()
    }

    /// Whether a test keeps its own name.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.parts.as_slice(), [] | [Part::Field(Field::Test)])
    }
}

fn parts(template: &str) -> Result<Vec<Part>> {
    let wrong = |what: String| {
        let names: Vec<String> = FIELDS
            .iter()
            .map(|(name, _)| format!("{{{name}}}"))
            .collect();
        let hint = format!("it may hold {}", names.join(", "));
        Err(Error::usage(format!("--name-template {template:?} {what}")).hint(hint))
    };
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, field)) = rest.split_once('{') {
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        let Some((name, behind)) = field.split_once('}') else {
            return wrong("has a { that is never closed".to_owned());
        };
        match FIELDS.iter().find(|(known, _)| *known == name) {
            Some((_, field)) => parts.push(Part::Field(*field)),
            None => return wrong(format!("has {{{name}}}, which stands for nothing")),
        }
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    if !parts.contains(&Part::Field(Field::Test)) {
        return wrong("has no {test}: all tests would have one name".to_owned());
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(template: Option<&str>, workflow: Option<&str>) -> String {
        let known = Known {
            target: "unit-tests",
            suite: "e.io/pkg",
            class: "c",
            test: "TestA/b",
        };
        Naming::new(template, workflow).unwrap().name(known)
    }

    #[test]
    fn a_test_is_named_after_its_workflow_or_by_the_template() {
        assert_eq!(name(None, None), "TestA/b");
        assert_eq!(name(None, Some("e2e")), "e2e/TestA/b");
        assert_eq!(name(Some("{test}"), Some("e2e")), "TestA/b");
        assert_eq!(
            name(Some("[{target}] {suite}.{class}: {test}!"), None),
            "[unit-tests] e.io/pkg.c: TestA/b!"
        );
    }

    #[test]
    fn a_template_that_cannot_name_tests_is_refused() {
        let refused = |template| Naming::new(Some(template), None).unwrap_err().report();
        assert!(refused("{suite}").contains("has no {test}"));
        assert!(refused("{test}{").contains("never closed"));
        assert!(refused("{test}{build}").contains("{build}, which stands for nothing"));
        assert!(refused("{workflow}{test}").contains("no workflow is known"));
    }
}
