//! A test case while its element is read.

use std::time::Duration;

use quick_xml::events::BytesStart;

use super::attributes::{NAME, attribute, check_attributes, raw, shown};
use super::kept::Kept;
use super::model::{self, Detail, Outcome};
use super::read::FailedTest;
use super::text::{clean, distinct, shorten};

/// Longest message, in characters.
const MESSAGE: usize = 500;
/// How many earlier attempts at one test are kept.
const ATTEMPTS: usize = 20;
/// How much text of a failure is kept to find its first line, in bytes.
const FIRST_LINE: usize = 4096;
/// How much text the faults of one case may have together before no more is added, in bytes.
const WHOLE: usize = 64 * 1024;

/// How `GoogleTest` marks a test that is disabled, which has no `<skipped>`; and `CTest`.
const NOT_RUN: [&str; 2] = ["notrun", "disabled"];

type Result<T> = std::result::Result<T, String>;

/// A test case.
#[derive(Default)]
pub(super) struct Case {
    pub(super) key: u64,
    pub(super) failure: bool,
    pub(super) error: bool,
    pub(super) skipped: bool,
    /// How many failures and errors it has: pytest writes one for each failed subtest.
    pub(super) elements: (u64, u64),
    pub(super) model: model::Case,
    /// Attempts that failed before this one passed: Surefire's and nextest's `<flakyFailure>`.
    earlier: Vec<Detail>,
    out: Option<Box<Kept>>,
    err: Option<Box<Kept>>,
}

impl Case {
    /// Reads the attributes; `names` are class and name as the file has them.
    pub(super) fn new(start: &BytesStart<'_>, key: u64, names: &(String, String)) -> Result<Case> {
        check_attributes(start)?;
        let file = attribute(start, "file", NAME)?;
        let not_run = NOT_RUN.contains(&attribute(start, "status", NAME)?.as_str());
        let outcome = if not_run {
            Outcome::Skipped(Detail {
                message: "not run".to_owned(),
                text: String::new(),
            })
        } else {
            Outcome::Passed
        };
        Ok(Case {
            key,
            skipped: not_run,
            model: model::Case {
                classname: distinct(&shown(&names.0, usize::MAX)),
                name: distinct(&shown(&names.1, usize::MAX)),
                time: seconds(&attribute(start, "time", NAME)?),
                file: (!file.is_empty()).then_some(file),
                line: attribute(start, "line", NAME)?.parse().ok(),
                outcome,
                ..model::Case::default()
            },
            ..Case::default()
        })
    }

    /// Takes a child; the first one decides between failure and error.
    pub(super) fn add(&mut self, part: Part) {
        match part.kind {
            Kind::Out => return join(&mut self.out, part),
            Kind::Err => return join(&mut self.err, part),
            Kind::Failure => {
                self.failure = true;
                self.elements.0 += 1;
            }
            Kind::Error => {
                self.error = true;
                self.elements.1 += 1;
            }
            Kind::Skipped => self.skipped = true,
            Kind::FlakyFailure | Kind::FlakyError => {
                if self.earlier.len() < ATTEMPTS {
                    self.earlier.push(part.into_detail());
                }
                return;
            }
        }
        if let Outcome::Failed(known) | Outcome::Errored(known) = &mut self.model.outcome {
            // As pytest writes failed subtests: one case, a fault for each.
            if part.whole && known.text.len() < WHOLE {
                let more = part.into_detail();
                for piece in ["\n\n", &more.message, "\n", &more.text] {
                    known.text.push_str(piece);
                }
            }
            return;
        }
        let kind = part.kind;
        let detail = part.into_detail();
        self.model.outcome = match kind {
            Kind::Failure => Outcome::Failed(detail),
            Kind::Error => Outcome::Errored(detail),
            _ => Outcome::Skipped(detail),
        };
    }

    /// The failed attempts before a case that passed in the end, as cases of their own.
    pub(super) fn take_earlier(&mut self) -> impl Iterator<Item = Case> + use<> {
        let passed = !(self.failure || self.error || self.skipped || self.model.name.is_empty());
        let earlier = std::mem::take(&mut self.earlier);
        let (key, classname, name) = (
            self.key,
            self.model.classname.clone(),
            self.model.name.clone(),
        );
        let attempt = move |detail| Case {
            key,
            failure: true,
            model: model::Case {
                classname: classname.clone(),
                name: name.clone(),
                outcome: Outcome::Failed(detail),
                ..model::Case::default()
            },
            ..Case::default()
        };
        earlier.into_iter().filter(move |_| passed).map(attempt)
    }

    /// The case as it is in the end.
    pub(super) fn into_model(self) -> model::Case {
        let text = |kept: Option<Box<Kept>>| kept.map(|kept| kept.text()).unwrap_or_default();
        model::Case {
            system_out: text(self.out),
            system_err: text(self.err),
            ..self.model
        }
    }

    /// The case as a list of failed tests has it.
    pub(super) fn failed_test(&self, suite: &str) -> FailedTest {
        let message = self.model.outcome.fault().map(|fault| &fault.message);
        FailedTest {
            suite: suite.to_owned(),
            classname: shorten(&self.model.classname, NAME),
            name: shorten(&self.model.name, NAME),
            message: message.cloned().unwrap_or_default(),
        }
    }
}

/// Adds what a case printed to what it printed before: some write an element for each phase of a
/// test, or for each of its subtests.
fn join(before: &mut Option<Box<Kept>>, part: Part) {
    let Some(before) = before else {
        *before = part.whole.then(|| Box::new(part.text));
        return;
    };
    let more = part.into_text();
    if !before.is_empty() && !before.ends_with('\n') && !more.is_empty() {
        before.push("\n");
    }
    before.push(&more);
}

/// A child of a case that says how it ended or what it printed.
pub(super) struct Part {
    pub(super) kind: Kind,
    message: String,
    text: Kept,
    /// Whether the text is wanted, not just its first line.
    whole: bool,
    /// Whether the text is in an element of its own; what is around that is layout.
    traced: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Failure,
    Error,
    Skipped,
    Out,
    Err,
    FlakyFailure,
    FlakyError,
}

impl Kind {
    pub(super) fn of(name: &str) -> Option<Kind> {
        [
            Kind::Failure,
            Kind::Error,
            Kind::Skipped,
            Kind::Out,
            Kind::Err,
            Kind::FlakyFailure,
            Kind::FlakyError,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Failure => "failure",
            Kind::Error => "error",
            Kind::Skipped => "skipped",
            Kind::Out => "system-out",
            Kind::Err => "system-err",
            Kind::FlakyFailure => "flakyFailure",
            Kind::FlakyError => "flakyError",
        }
    }
}

impl Part {
    pub(super) fn new(kind: Kind, start: &BytesStart<'_>, whole: bool) -> Result<Part> {
        check_attributes(start)?;
        Ok(Part {
            kind,
            message: shown(&raw(start, "message")?, MESSAGE),
            text: Part::empty(whole, kind),
            whole,
            traced: false,
        })
    }

    fn empty(whole: bool, kind: Kind) -> Kept {
        match (whole, kind) {
            (true, _) => Kept::for_a_text(),
            (false, Kind::Failure | Kind::Error) => Kept::start(FIRST_LINE),
            (false, _) => Kept::start(0),
        }
    }

    pub(super) fn text(&mut self, content: &str) {
        if !self.traced {
            self.text.push(content);
        }
    }

    /// An element starts that holds the text.
    pub(super) fn begin_trace(&mut self) {
        self.traced = true;
        self.text = Part::empty(self.whole, self.kind);
    }

    pub(super) fn trace(&mut self, content: &str) {
        self.text.push(content);
    }

    fn into_text(self) -> String {
        if self.whole {
            self.text.text()
        } else {
            self.text.into_start()
        }
    }

    fn into_detail(self) -> Detail {
        let (message, text) = (self.message.clone(), self.into_text());
        Detail {
            message: message_or_first_line(message, &text),
            text,
        }
    }

    /// The message, or the first line of the text.
    pub(super) fn message(self) -> String {
        self.into_detail().message
    }
}

fn message_or_first_line(message: String, text: &str) -> String {
    if !message.is_empty() {
        return message;
    }
    let text = clean(text.as_bytes());
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    shorten(line.unwrap_or_default(), MESSAGE)
}

fn seconds(text: &str) -> Option<Duration> {
    // Some write 1,234.5.
    let number: f64 = text.replace(',', "").parse().ok()?;
    Duration::try_from_secs_f64(number).ok()
}
