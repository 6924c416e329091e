//! Walks the elements of a JUnit file and keeps count.

use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use super::attributes::{NAME, attribute, check_attributes, number, raw, shown};
use super::faults::Faults;
use super::read::{FailedTest, Summary};
use super::text::{clean, shorten};

/// How deep elements may be nested.
const DEPTH: usize = 64;
/// Longest message in a summary, in characters.
const MESSAGE: usize = 500;
/// How much text of a failure is kept to find its first line, in bytes.
const TEXT: usize = 4096;

type Result<T> = std::result::Result<T, String>;

/// Where in the file we are, and what was counted on the way.
#[derive(Default)]
pub(super) struct Walk {
    open: Vec<Element>,
    rooted: bool,
    faults: Faults,
    tests: u64,
    skipped: u64,
}

enum Element {
    Suite(Suite),
    Case(Case),
    Fault {
        kind: Kind,
        message: String,
        text: String,
    },
    Other(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Failure,
    Error,
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

#[derive(Default)]
struct Case {
    key: u64,
    name: String,
    class: String,
    failure: bool,
    error: bool,
    skipped: bool,
    message: Option<String>,
}

impl Walk {
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
            ("testsuites" | "testsuite", None | Some(Element::Suite(_))) => {
                Element::Suite(self.suite(start)?)
            }
            (_, None) => return Err(format!("its root is <{}>", printable(name))),
            ("testcase", Some(Element::Suite(_))) => Element::Case(self.case(start)?),
            ("failure" | "error", Some(Element::Case(_) | Element::Suite(_))) => Element::Fault {
                kind: if name == "failure" {
                    Kind::Failure
                } else {
                    Kind::Error
                },
                message: attribute(start, "message", MESSAGE)?,
                text: String::new(),
            },
            _ => {
                check_attributes(start)?;
                if let (true, Some(Element::Case(case))) = (name == "skipped", self.open.last_mut())
                {
                    case.skipped = true;
                }
                Element::Other(shorten(name, NAME))
            }
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
        check_attributes(start)?;
        let (class, name) = (raw(start, "classname")?, raw(start, "name")?);
        Ok(Case {
            key: self.faults.key(self.key(), (&class, &name)),
            name: shown(&name, NAME),
            class: shown(&class, NAME),
            ..Case::default()
        })
    }

    /// Identifies the innermost open suite.
    fn key(&self) -> u64 {
        match self.open.last() {
            Some(Element::Suite(suite)) => suite.key,
            _ => 0,
        }
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(Element::Suite(suite)) => self.end_suite(&suite),
            Some(Element::Case(case)) => self.end_case(case),
            Some(Element::Fault {
                kind,
                message,
                text,
            }) => {
                self.end_fault(kind, first_line(message, &text));
            }
            Some(Element::Other(_)) | None => {}
        }
    }

    fn end_fault(&mut self, kind: Kind, message: String) {
        match self.open.last_mut() {
            Some(Element::Case(case)) => {
                case.failure |= kind == Kind::Failure;
                case.error |= kind == Kind::Error;
                case.message.get_or_insert(message);
            }
            // Outside any case: a suite that could not be set up.
            _ => self.fault(kind == Kind::Failure, kind == Kind::Error, |suite| {
                FailedTest {
                    suite,
                    message,
                    ..FailedTest::default()
                }
            }),
        }
    }

    fn fault(&mut self, failure: bool, error: bool, test: impl FnOnce(String) -> FailedTest) {
        let counts = Counts {
            failures: u64::from(failure),
            errors: u64::from(error),
            ..Counts::default()
        };
        self.show(counts);
        let test = test(self.suite_name());
        self.faults.unshown(counts.failures, counts.errors, test);
    }

    fn end_case(&mut self, case: Case) {
        let failed = case.failure || case.error;
        let skipped = case.skipped && !failed;
        self.tests += 1;
        self.skipped += u64::from(skipped);
        self.show(Counts {
            tests: 1,
            failures: u64::from(case.failure),
            errors: u64::from(case.error),
            skipped: u64::from(skipped),
        });
        if failed {
            let test = FailedTest {
                suite: self.suite_name(),
                classname: case.class,
                name: case.name,
                message: case.message.unwrap_or_default(),
            };
            self.faults.failed(case.key, case.failure, case.error, test);
        } else if !skipped && !case.name.is_empty() {
            self.faults.passed(case.key);
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
            let test = FailedTest {
                suite: suite.name.clone(),
                message: format!(
                    "the suite counts {} failures and {} errors, its cases show {} and {}",
                    says.failures, says.errors, shows.failures, shows.errors
                ),
                ..FailedTest::default()
            };
            self.faults.unshown(failures, errors, test);
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
        if let Some(Element::Fault { text, .. }) = self.open.last_mut() {
            if text.len() < TEXT {
                text.push_str(&shorten(content, TEXT));
            }
            return Ok(());
        }
        if content.trim_start_matches('\u{feff}').trim().is_empty() {
            return Ok(());
        }
        self.within_root()
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
            Some(Element::Fault { .. }) => "failure",
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

fn first_line(message: String, text: &str) -> String {
    if !message.is_empty() {
        return message;
    }
    let text = clean(text.as_bytes());
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    shorten(line.unwrap_or_default(), MESSAGE)
}

fn printable(name: &str) -> String {
    shorten(&clean(name.as_bytes()), 40)
}
