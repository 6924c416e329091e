//! Walks the elements of a JUnit file and keeps count.

use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use super::attributes::{NAME, check_attributes, number, raw, shown};
use super::case::{Case, Kind, Part};
use super::faults::Faults;
use super::model;
use super::read::{FailedTest, Summary};
use super::text::{clean, shorten};

/// How deep elements may be nested.
const DEPTH: usize = 64;

type Result<T> = std::result::Result<T, String>;

/// Takes a test case, with the name of its suite.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&str, model::Case);

/// Where in the file we are, and what was counted on the way.
#[derive(Default)]
pub(super) struct Walk<'a> {
    /// Takes each case, with the name of its suite.
    visit: Option<Visit<'a>>,
    open: Vec<Element>,
    rooted: bool,
    faults: Faults,
    tests: u64,
    skipped: u64,
}

enum Element {
    Suite(Suite),
    Case(Case),
    Part(Part),
    /// `<stackTrace>`: Surefire's text of an attempt.
    Trace,
    Other(String),
}

/// What a suite says of itself, and what its cases show.
#[derive(Default)]
struct Suite {
    name: String,
    /// Identifies it with the suites around it.
    key: u64,
    says: Counts,
    shows: Counts,
}

#[derive(Default, Clone, Copy)]
struct Counts {
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(visit: Option<Visit<'a>>) -> Self {
        Walk {
            visit,
            ..Walk::default()
        }
    }

    /// Takes the next event; true at the end of a whole document.
    pub(super) fn take(&mut self, event: Event<'_>) -> Result<bool> {
        match event {
            Event::Decl(declaration) => only_utf8(&declaration)?,
            Event::Start(start) => self.start(&start)?,
            Event::Empty(start) => {
                self.start(&start)?;
                self.end();
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text)?,
            Event::CData(text) => {
                self.within_root()?;
                self.text(&text)?;
            }
            Event::GeneralRef(reference) => {
                self.within_root()?;
                self.text(&resolve(&reference)?)?;
            }
            Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => return self.end_of_file(),
        }
        Ok(false)
    }

    pub(super) fn summary(self) -> Summary {
        let (failures, errors, flaky) =
            (self.faults.failures, self.faults.errors, self.faults.flaky);
        let (failed, more_failed) = self.faults.list_and_rest();
        Summary {
            tests: self.tests,
            failures,
            errors,
            skipped: self.skipped,
            flaky,
            failed,
            more_failed,
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<()> {
        let name = start.local_name();
        let name = name.as_ref();
        if self.open.is_empty() && self.rooted {
            return Err("it has a second root element".to_owned());
        }
        if self.open.len() >= DEPTH {
            return Err(format!("its elements are nested more than {DEPTH} deep"));
        }
        let element = match (name, self.open.last()) {
            ("testsuites" | "testsuite", None | Some(Element::Suite(_) | Element::Case(_))) => {
                Element::Suite(self.suite(start)?)
            }
            (_, None) => return Err(format!("its root is <{}>", printable(name))),
            // Some put the steps of a test into its element: a failed one is a failed test.
            ("testcase", Some(Element::Suite(_) | Element::Case(_))) => {
                Element::Case(self.case(start)?)
            }
            (_, Some(Element::Case(_) | Element::Suite(_))) => match Kind::of(name) {
                Some(kind) => Element::Part(Part::new(kind, start, self.visit.is_some())?),
                None => other(start, name)?,
            },
            ("stackTrace", Some(Element::Part(_))) => {
                if let Some(Element::Part(part)) = self.open.last_mut() {
                    part.begin_trace();
                }
                Element::Trace
            }
            _ => other(start, name)?,
        };
        self.rooted = true;
        self.open.push(element);
        Ok(())
    }

    fn suite(&self, start: &BytesStart<'_>) -> Result<Suite> {
        check_attributes(start)?;
        let name = raw(start, "name")?;
        Ok(Suite {
            key: self.faults.key(self.key(), (&name, "")),
            name: shown(&name, NAME),
            says: Counts {
                tests: number(start, "tests")?,
                failures: number(start, "failures")?,
                errors: number(start, "errors")?,
                skipped: number(start, "skipped")?,
            },
            shows: Counts::default(),
        })
    }

    fn case(&self, start: &BytesStart<'_>) -> Result<Case> {
        let names = (raw(start, "classname")?, raw(start, "name")?);
        let key = self.faults.key(self.key(), (&names.0, &names.1));
        Case::new(start, key, &names)
    }

    /// Identifies the innermost open suite or case.
    fn key(&self) -> u64 {
        match self.open.last() {
            Some(Element::Suite(suite)) => suite.key,
            Some(Element::Case(case)) => case.key,
            _ => 0,
        }
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(Element::Suite(suite)) => self.end_suite(&suite),
            Some(Element::Case(case)) => self.end_case(case),
            Some(Element::Part(part)) => match self.open.last_mut() {
                Some(Element::Case(case)) => case.add(part),
                _ => self.outside_any_case(part),
            },
            Some(Element::Trace | Element::Other(_)) | None => {}
        }
    }

    /// A suite that could not be set up.
    fn outside_any_case(&mut self, part: Part) {
        let (failures, errors) = match part.kind {
            Kind::Failure => (1, 0),
            Kind::Error => (0, 1),
            _ => return,
        };
        self.show(Counts {
            failures,
            errors,
            ..Counts::default()
        });
        self.unshown(failures, errors, self.suite_name(), part.message());
    }

    /// Faults of a suite that are no case's.
    fn unshown(&mut self, failures: u64, errors: u64, suite: String, message: String) {
        if let Some(visit) = &mut self.visit {
            visit(&suite, model::Case::errored(&suite, &message));
        }
        let test = FailedTest {
            suite,
            message,
            ..FailedTest::default()
        };
        self.faults.unshown(failures, errors, test);
    }

    fn end_case(&mut self, mut case: Case) {
        // Both attempts, as TestGrid reads flaky.
        for attempt in case.take_earlier() {
            self.end_case(attempt);
        }
        let failed = case.failure || case.error;
        let skipped = case.skipped && !failed;
        self.tests += 1;
        self.skipped += u64::from(skipped);
        self.show(Counts {
            tests: 1,
            failures: case.elements.0,
            errors: case.elements.1,
            skipped: u64::from(skipped),
        });
        let suite = self.suite_name();
        if failed {
            let test = case.failed_test(&suite);
            self.faults.failed(case.key, case.failure, case.error, test);
        } else if !skipped && !case.model.name.is_empty() {
            self.faults.passed(case.key);
        }
        if let Some(visit) = &mut self.visit {
            visit(&suite, case.into_model());
        }
    }

    /// Believes what a suite says of itself where its cases show less.
    fn end_suite(&mut self, suite: &Suite) {
        let (says, mut shows) = (suite.says, suite.shows);
        if shows.tests == 0 {
            self.tests += says.tests;
            self.skipped += says.skipped;
            (shows.tests, shows.skipped) = (says.tests, says.skipped);
        }
        // Summed, because some count an error among the failures.
        if says.failures.saturating_add(says.errors) > shows.failures + shows.errors {
            let failures = says.failures.saturating_sub(shows.failures);
            let errors = says.errors.saturating_sub(shows.errors);
            let message = format!(
                "the suite counts {} failures and {} errors, its cases show {} and {}",
                says.failures, says.errors, shows.failures, shows.errors
            );
            self.unshown(failures, errors, suite.name.clone(), message);
            shows.failures += failures;
            shows.errors += errors;
        }
        self.show(shows);
    }

    /// Adds to what the innermost open suite shows.
    fn show(&mut self, counts: Counts) {
        let innermost = self
            .open
            .iter_mut()
            .rev()
            .find_map(|element| match element {
                Element::Suite(suite) => Some(suite),
                _ => None,
            });
        if let Some(suite) = innermost {
            suite.shows.tests += counts.tests;
            suite.shows.failures += counts.failures;
            suite.shows.errors += counts.errors;
            suite.shows.skipped += counts.skipped;
        }
    }

    fn suite_name(&self) -> String {
        let innermost = self.open.iter().rev().find_map(|element| match element {
            Element::Suite(suite) => Some(suite.name.clone()),
            _ => None,
        });
        innermost.unwrap_or_default()
    }

    fn text(&mut self, content: &str) -> Result<()> {
        match self.open.as_mut_slice() {
            [.., Element::Part(part)] => part.text(content),
            [.., Element::Part(part), Element::Trace] => part.trace(content),
            _ => {}
        }
        let blank = content.trim_start_matches('\u{feff}').trim().is_empty();
        if blank { Ok(()) } else { self.within_root() }
    }

    fn within_root(&self) -> Result<()> {
        if self.open.is_empty() {
            return Err("it has text outside its root element".to_owned());
        }
        Ok(())
    }

    fn end_of_file(&self) -> Result<bool> {
        let within = match self.open.last() {
            None if self.rooted => return Ok(true),
            None => return Err("it ends before a root element".to_owned()),
            Some(Element::Suite(_)) => "testsuite",
            Some(Element::Case(_)) => "testcase",
            Some(Element::Part(part)) => part.kind.name(),
            Some(Element::Trace) => "stackTrace",
            Some(Element::Other(name)) => name,
        };
        Err(format!("it ends within <{}>", printable(within)))
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String> {
    if let Some(character) = reference
        .resolve_char_ref()
        .map_err(|error| error.to_string())?
    {
        return Ok(character.to_string());
    }
    let name: &str = reference;
    quick_xml::escape::resolve_xml_entity(name)
        .map(str::to_owned)
        .ok_or_else(|| format!("it has &{};, which is not expanded", printable(name)))
}

/// Prow and TestGrid read UTF-8 only.
fn only_utf8(declaration: &BytesDecl<'_>) -> Result<()> {
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") => Ok(()),
        Some(Ok(name)) => Err(format!("its encoding is {}, not UTF-8", printable(&name))),
        Some(Err(error)) => Err(error.to_string()),
    }
}

fn other(start: &BytesStart<'_>, name: &str) -> Result<Element> {
    check_attributes(start)?;
    Ok(Element::Other(shorten(name, NAME)))
}

fn printable(name: &str) -> String {
    shorten(&clean(name.as_bytes()), 40)
}
