//! Finds out what the command speaks from the lines that say so. `make test` may speak one
//! format after another; each has its reader.

use common::exec::Dump;

use super::cargo::Cargo;
use super::command::Command;
use super::tap::{self, Tap};
use super::{End, Format, OutOfTime, Running, Translation};
use super::{cargo, go, junit};
use crate::results::Results;

/// One test until something better is recognised.
pub(super) struct Auto {
    target: String,
    /// The readers of what was recognised, each once; the last one reads now.
    recognised: Vec<(Kind, Box<dyn Format>)>,
    otherwise: Command,
}

/// A format that shows in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Go,
    Tap,
    Cargo,
    Junit,
}

impl Kind {
    /// The format that a line starts, if it starts one.
    fn of(line: &str) -> Option<Kind> {
        if go::starts_with(line) {
            Some(Kind::Go)
        } else if tap::starts_with(line) {
            Some(Kind::Tap)
        } else if cargo::starts_with(line) {
            Some(Kind::Cargo)
        } else if junit::starts_with(line) {
            Some(Kind::Junit)
        } else {
            None
        }
    }
}

impl Auto {
    pub(super) fn new(target: &str) -> Self {
        Auto {
            target: target.to_owned(),
            recognised: Vec::new(),
            otherwise: Command::new(target),
        }
    }

    /// Another reader takes over where a line starts its format and the present one has
    /// nothing open: what a test prints must not look like another tool's results.
    fn recognise(&mut self, line: &str) {
        if self.current().is_some_and(|current| !current.is_idle()) {
            return;
        }
        let Some(kind) = Kind::of(line) else { return };
        // A report behind other results is one of these, shown once more.
        if kind == Kind::Junit && self.recognised.iter().any(|(known, _)| *known != kind) {
            return;
        }
        let known = self.recognised.iter().position(|(known, _)| *known == kind);
        let reader: Box<dyn Format> = match known {
            Some(place) => self.recognised.remove(place).1,
            None => self.reader(kind),
        };
        self.recognised.push((kind, reader));
    }

    fn reader(&self, kind: Kind) -> Box<dyn Format> {
        match kind {
            Kind::Go => Box::new(go::reader(&[])),
            Kind::Tap => Box::new(Tap::new(&self.target)),
            Kind::Cargo => Box::new(Cargo::new(&self.target)),
            Kind::Junit => Box::new(junit::Printed::new()),
        }
    }

    fn current(&self) -> Option<&dyn Format> {
        self.recognised.last().map(|(_, reader)| reader.as_ref())
    }

    fn current_mut(&mut self) -> Option<&mut Box<dyn Format>> {
        self.recognised.last_mut().map(|(_, reader)| reader)
    }
}

impl Format for Auto {
    fn line(&mut self, line: &str, results: &mut Results) {
        self.recognise(line);
        match self.current_mut() {
            Some(format) => format.line(line, results),
            None => self.otherwise.line(line, results),
        }
    }

    fn end(&mut self, end: &End, results: &mut Results) {
        if self.recognised.is_empty() {
            self.otherwise.end(end, results);
        }
        for (_, reader) in &mut self.recognised {
            reader.end(end, results);
        }
    }

    fn translation(&mut self) -> Option<&mut Translation> {
        self.current_mut()?.translation()
    }

    fn tells_starts(&self) -> bool {
        let mut readers = self.recognised.iter();
        !self.recognised.is_empty() && readers.all(|(_, reader)| reader.tells_starts())
    }

    fn longest_running(&self) -> Option<Running<'_>> {
        self.current()?.longest_running()
    }

    fn waiting(&self) -> u64 {
        self.current().map_or(0, Format::waiting)
    }

    fn dump(&self) -> Option<Dump> {
        self.current()?.dump()
    }

    fn out_of_time(&mut self, reason: &OutOfTime) {
        if let Some(format) = self.current_mut() {
            format.out_of_time(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{failure, read};
    use super::*;

    #[test]
    fn a_command_that_speaks_one_format_after_another_is_read_in_each() {
        let output = r#"$ go test -json
{"Action":"run","Package":"e/p","Test":"TestA"}
{"Action":"output","Package":"e/p","Test":"TestA","Output":"1..1\n"}
{"Action":"pass","Package":"e/p","Test":"TestA"}
{"Action":"pass","Package":"e/p"}
running 1 test
test a ... FAILED
not ok 1 - printed by a test
test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
1..1
not ok 1 - tap
{"Action":"fail","Package":"e/q","Test":"TestB"}
{"Action":"output","Package":"e/q","Output":"FAIL\n"}
{"Action":"fail","Package":"e/q"}"#;
        insta::assert_snapshot!(read(Auto::new("unit"), output, &failure()), @"
        [e/p] TestA passed
        [unit] a failed test failed
        [unit] tap failed not ok
        [e/q] TestB failed test failed
        ");
    }
}
