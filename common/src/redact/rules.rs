//! Finds secrets in bytes.
//!
//! One automaton looks for the first bytes of everything at once; what it finds is compared in
//! full. So the automaton stays small whatever the size of the secrets, and one look at the
//! end of the bytes tells how much of it a secret that is cut off there could have begun.
//!
//! It looks for the leftmost start, again and again from the next byte on: all starts are
//! found, and, other than with overlapping matches, vector instructions do most of the search.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};

use super::shapes::{self, Shape, Verdict};
use super::{Redactor, Value, forms};
use crate::{Result, ResultExt};

/// How much of a secret the automaton knows, in bytes.
const START: usize = 16;

/// With more starts than this a table for each would take too much memory.
const MANY: usize = 1000;

/// Compiled secrets. Cheap to clone, and shared by all that redact at the same time.
#[derive(Clone)]
pub struct Rules(Option<Arc<Compiled>>);

pub(super) struct Compiled {
    automaton: AhoCorasick,
    /// Sorted, and in the automaton's order; each with what may start so.
    starts: Vec<(Vec<u8>, Vec<Candidate>)>,
    /// Which bytes there are in the starts.
    known: [bool; 256],
    /// Length of the shortest start.
    shortest: usize,
}

enum Candidate {
    Form(Value),
    Shape(&'static Shape),
}

/// Bytes to mask.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) mask: u8,
}

impl Rules {
    pub(super) fn new<'a>(
        values: impl Iterator<Item = &'a Value>,
        token_shapes: bool,
    ) -> Result<Self> {
        let mut starts: BTreeMap<Vec<u8>, Vec<Candidate>> = BTreeMap::new();
        let mut add = |whole: &[u8], candidate| {
            let start = whole[..whole.len().min(START)].to_vec();
            starts.entry(start).or_default().push(candidate);
        };
        for form in values.flat_map(|value| forms::of(value)) {
            add(&form.clone(), Candidate::Form(form));
        }
        for shape in shapes::ALL.iter().filter(|_| token_shapes) {
            add(shape.start, Candidate::Shape(shape));
        }
        let starts: Vec<_> = starts.into_iter().collect();
        if starts.is_empty() {
            return Ok(Rules(None));
        }
        let kind = match starts.len() {
            ..=MANY => AhoCorasickKind::DFA,
            _ => AhoCorasickKind::ContiguousNFA,
        };
        let automaton = AhoCorasick::builder()
            .kind(Some(kind))
            .match_kind(MatchKind::LeftmostLongest)
            .build(starts.iter().map(|(start, _)| start))
            .or_failed(|| "prepare the search for secrets")?;
        let mut known = [false; 256];
        for byte in starts.iter().flat_map(|(start, _)| start) {
            known[usize::from(*byte)] = true;
        }
        let lengths = starts.iter().map(|(start, _)| start.len());
        let shortest = lengths.min().unwrap_or_default();
        Ok(Rules(Some(Arc::new(Compiled {
            automaton,
            starts,
            known,
            shortest,
        }))))
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Redacts a stream.
    pub fn redactor(&self) -> Redactor {
        Redactor::new(self.0.clone())
    }

    /// Redacts a text that is there as a whole, such as a message.
    pub fn redact(&self, text: &str) -> String {
        let mut redactor = self.redactor();
        let mut bytes = redactor.push(text.as_bytes()).to_vec();
        bytes.extend_from_slice(redactor.finish());
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Says how much it looks for, and nothing else.
impl fmt::Debug for Rules {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let starts = self.0.as_ref().map_or(0, |compiled| compiled.starts.len());
        write!(out, "rules for {starts} starts of secrets")
    }
}

impl Compiled {
    /// Adds the secrets among these bytes to `spans`. `before` is the byte before the first;
    /// `ended`: no more will come. Gives how many bytes are decided: those behind may belong
    /// to a secret that goes on.
    pub(super) fn scan(
        &self,
        bytes: &[u8],
        before: Option<u8>,
        ended: bool,
        spans: &mut Vec<Span>,
    ) -> usize {
        let mut decided = bytes.len() - if ended { 0 } else { self.begun(bytes) };
        let mut from = 0;
        while let Some(found) = self.automaton.find(Input::new(bytes).range(from..)) {
            let start = found.start();
            let previous = start.checked_sub(1).map_or(before, |at| Some(bytes[at]));
            for candidate in self.candidates(found.pattern().as_usize()) {
                match candidate.look(&bytes[start..], previous, ended) {
                    Verdict::Found(from, to) => spans.push(Span {
                        start: start + from,
                        end: start + to,
                        mask: candidate.mask(),
                    }),
                    Verdict::Undecided => decided = decided.min(start),
                    Verdict::Nothing => {}
                }
            }
            from = start + 1;
        }
        decided
    }

    /// What may start with this start, or with a shorter one that it starts with. The order of
    /// the starts has those before it.
    fn candidates(&self, longest: usize) -> impl Iterator<Item = &Candidate> {
        let whole = &self.starts[longest].0;
        let first = &whole[..self.shortest];
        let before = self.starts[..=longest].iter().rev();
        before
            .take_while(move |(start, _)| start.starts_with(first))
            .filter(move |(start, _)| whole.starts_with(start))
            .flat_map(|(_, candidates)| candidates)
    }

    /// How many of the last bytes could be the beginning of a start.
    fn begun(&self, bytes: &[u8]) -> usize {
        // Most often a line end, and in no start: a look at one byte is all it takes.
        let tail = bytes.iter().rev().take(START - 1);
        let most = tail
            .take_while(|byte| self.known[usize::from(**byte)])
            .count();
        let begins = |tail: &[u8]| {
            let at = self.starts.partition_point(|(start, _)| &start[..] <= tail);
            let next = self.starts.get(at);
            next.is_some_and(|(start, _)| start.starts_with(tail))
        };
        let mut lengths = (1..=most).rev();
        lengths
            .find(|length| begins(&bytes[bytes.len() - length..]))
            .unwrap_or(0)
    }
}

impl Candidate {
    fn look(&self, bytes: &[u8], previous: Option<u8>, ended: bool) -> Verdict {
        match self {
            Candidate::Form(form) if bytes.starts_with(form) => Verdict::Found(0, form.len()),
            Candidate::Form(form) if !ended && form.starts_with(bytes) => Verdict::Undecided,
            Candidate::Form(_) => Verdict::Nothing,
            Candidate::Shape(shape) if shape.word && previous.is_some_and(shapes::is_word) => {
                Verdict::Nothing
            }
            Candidate::Shape(shape) => shape.look(bytes, ended),
        }
    }

    fn mask(&self) -> u8 {
        match self {
            Candidate::Form(form) if form.iter().all(u8::is_ascii_digit) => b'0',
            _ => b'X',
        }
    }
}
