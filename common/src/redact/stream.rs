//! Redacts a stream, chunk by chunk.

use std::sync::Arc;

use super::rules::{Compiled, Span};

/// Redacts a stream. What it gives does not depend on how the stream is cut into chunks.
///
/// It holds back what may be the beginning of a secret and nothing else, so that a log can be
/// shown while it grows; [`Redactor::finish`] gives the rest.
pub struct Redactor {
    rules: Option<Arc<Compiled>>,
    /// Bytes that are not decided yet, as they came.
    pending: Vec<u8>,
    /// What is found already and reaches into `pending`.
    spans: Vec<Span>,
    /// The byte before `pending`.
    before: Option<u8>,
    out: Vec<u8>,
    masked: u64,
}

impl Redactor {
    pub(super) fn new(rules: Option<Arc<Compiled>>) -> Self {
        Redactor {
            rules,
            pending: Vec::new(),
            spans: Vec::new(),
            before: None,
            out: Vec::new(),
            masked: 0,
        }
    }

    /// Takes the next chunk; gives what can be shown now. Never fails, whatever the bytes.
    pub fn push<'a>(&'a mut self, chunk: &'a [u8]) -> &'a [u8] {
        let Some(rules) = self.rules.clone() else {
            return chunk;
        };
        if self.pending.is_empty() && self.spans.is_empty() {
            let decided = rules.scan(chunk, self.before, false, &mut self.spans);
            if self.spans.is_empty() {
                // By far the most: nothing is found, and nothing is copied.
                let (shown, later) = chunk.split_at(decided);
                self.pending.extend_from_slice(later);
                self.before = shown.last().copied().or(self.before);
                return shown;
            }
            self.spans.clear();
        }
        self.pending.extend_from_slice(chunk);
        self.advance(&rules, false);
        &self.out
    }

    /// The stream has ended: gives what was held back. The next [`Redactor::push`] starts
    /// another stream.
    pub fn finish(&mut self) -> &[u8] {
        self.out.clear();
        if let Some(rules) = self.rules.clone() {
            self.advance(&rules, true);
            self.before = None;
        }
        &self.out
    }

    /// How many bytes have been masked so far; those that looked so before do not count.
    pub fn masked(&self) -> u64 {
        self.masked
    }

    /// How many bytes are held back at present.
    pub fn held_back(&self) -> usize {
        self.pending.len()
    }

    fn advance(&mut self, rules: &Compiled, ended: bool) {
        let carried = self.spans.len();
        let decided = rules.scan(&self.pending, self.before, ended, &mut self.spans);
        self.out.clear();
        self.out.extend_from_slice(&self.pending[..decided]);
        // Where a number and another secret overlap, the latter's mask holds.
        for mask in [b'0', b'X'] {
            let spans = self.spans.iter().filter(|span| span.mask == mask);
            let changed = spans.map(|span| apply(*span, &mut self.out));
            self.masked += changed.sum::<u64>();
        }
        self.before = self.pending[..decided].last().copied().or(self.before);
        self.pending.drain(..decided);
        let mut at = 0;
        self.spans.retain_mut(|span| {
            // What starts behind will be found again.
            let goes_on = (at < carried || span.start < decided) && span.end > decided;
            at += 1;
            span.start = 0;
            span.end = span.end.saturating_sub(decided);
            goes_on
        });
    }
}

/// Masks what is there of a span; gives how many bytes that changes. Line ends stay: a log
/// keeps its line numbers.
fn apply(span: Span, shown: &mut [u8]) -> u64 {
    let end = span.end.min(shown.len());
    let mut changed = 0;
    for byte in &mut shown[span.start.min(end)..end] {
        if !b"\r\n".contains(byte) && *byte != span.mask {
            *byte = span.mask;
            changed += 1;
        }
    }
    changed
}
