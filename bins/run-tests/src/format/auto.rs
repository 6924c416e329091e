//! Finds out what the command speaks from the first lines that say so.

use super::cargo::Cargo;
use super::command::Command;
use super::go;
use super::tap::{self, Tap};
use super::{End, Format, OutOfTime, Running, Translation};
use crate::format::cargo;
use crate::results::Results;

/// One test until something better is recognised.
pub(super) struct Auto {
    target: String,
    recognised: Option<Box<dyn Format>>,
    otherwise: Command,
}

impl Auto {
    pub(super) fn new(target: &str) -> Self {
        Auto {
            target: target.to_owned(),
            recognised: None,
            otherwise: Command::new(target),
        }
    }
}

impl Format for Auto {
    fn line(&mut self, line: &str, results: &mut Results) {
        if self.recognised.is_none() {
            self.recognised = if go::starts_with(line) {
                Some(Box::new(go::reader(&[])))
            } else if tap::starts_with(line) {
                Some(Box::new(Tap::new(&self.target)))
            } else if cargo::starts_with(line) {
                Some(Box::new(Cargo::new(&self.target)))
            } else {
                None
            };
        }
        match &mut self.recognised {
            Some(format) => format.line(line, results),
            None => self.otherwise.line(line, results),
        }
    }

    fn end(&mut self, end: &End, results: &mut Results) {
        match &mut self.recognised {
            Some(format) => format.end(end, results),
            None => self.otherwise.end(end, results),
        }
    }

    fn translation(&mut self) -> Option<&mut Translation> {
        self.recognised.as_mut()?.translation()
    }

    fn longest_running(&self) -> Option<Running<'_>> {
        self.recognised.as_ref()?.longest_running()
    }

    fn dump(&self) -> Option<i32> {
        self.recognised.as_ref()?.dump()
    }

    fn out_of_time(&mut self, reason: &OutOfTime) {
        if let Some(format) = &mut self.recognised {
            format.out_of_time(reason);
        }
    }
}
