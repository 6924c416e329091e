//! Output kept in bounded memory: its head and its tail, and how much is missing between.

use std::collections::VecDeque;

/// The head and the tail of a text.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    head: String,
    tail: VecDeque<u8>,
    head_limit: usize,
    tail_limit: usize,
    /// The head is closed: something went to the tail.
    full: bool,
    cut: u64,
}

impl Kept {
    /// Bounds for what one test case may say, in bytes.
    pub(crate) fn for_a_case() -> Self {
        Kept::new(16 * 1024, 48 * 1024)
    }

    /// Bounds for the end of the whole output, in bytes.
    pub(crate) fn for_the_end() -> Self {
        Kept::new(2 * 1024, 30 * 1024)
    }

    fn new(head_limit: usize, tail_limit: usize) -> Self {
        Kept {
            head_limit,
            tail_limit,
            ..Kept::default()
        }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: &str) {
        self.full |= self.head.len() + line.len() >= self.head_limit;
        self.push(line);
        self.push("\n");
    }

    /// Adds a piece of text that ends anywhere.
    pub(crate) fn push(&mut self, text: &str) {
        if !self.full && self.head.len() + text.len() <= self.head_limit {
            self.head.push_str(text);
            return;
        }
        self.full = true;
        let bytes = text.as_bytes();
        let skip = bytes.len().saturating_sub(self.tail_limit);
        self.tail.extend(&bytes[skip..]);
        let too_many = self.tail.len().saturating_sub(self.tail_limit);
        self.tail.drain(..too_many);
        self.cut += (skip + too_many) as u64;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }

    /// What was kept, the place of the cut marked.
    pub(crate) fn text(&self) -> String {
        if self.cut == 0 {
            let (tail, more) = self.tail.as_slices();
            return format!("{}{}{}", self.head, lossy(tail), lossy(more));
        }
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        // From a whole line on, where there is one.
        let start = tail
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let start = if start == tail.len() { 0 } else { start };
        let cut = self.cut + start as u64;
        format!(
            "{}[… {cut} bytes left out …]\n{}",
            self.head,
            lossy(&tail[start..])
        )
    }

    /// Gives what was kept and starts anew.
    pub(crate) fn take(&mut self) -> String {
        let text = self.text();
        *self = Kept::new(self.head_limit, self.tail_limit);
        text
    }
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_kept_whole() {
        let mut kept = Kept::new(10, 10);
        for line in ["abc", "é", "defgh"] {
            kept.line(line);
        }
        assert_eq!(kept.take(), "abc\né\ndefgh\n");
        assert!(kept.is_empty());
    }

    #[test]
    fn long_output_keeps_head_and_tail_and_says_what_is_missing() {
        let mut kept = Kept::new(12, 14);
        for number in 0..100 {
            kept.line(&format!("line {number}"));
        }
        assert_eq!(kept.text(), "line 0\n[… 775 bytes left out …]\nline 99\n");
    }

    #[test]
    fn a_line_longer_than_the_tail_keeps_its_end() {
        let mut kept = Kept::new(4, 6);
        kept.line("0123456789");
        assert_eq!(kept.text(), "[… 5 bytes left out …]\n56789\n");
    }
}
