//! Output kept in bounded memory: its head and its tail, and how much is missing between.

use std::collections::VecDeque;

/// The head and the tail of a text, the place of the cut marked.
#[derive(Debug, Default)]
pub struct Kept {
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
    pub fn for_a_case() -> Self {
        Kept::new(16 * 1024, 48 * 1024)
    }

    /// Bounds for the end of the whole output, in bytes.
    pub fn for_the_end() -> Self {
        Kept::new(2 * 1024, 30 * 1024)
    }

    /// Bounds for a text of a report, which may have been cut to [`Kept::for_a_case`] before: its
    /// mark has room, and it is not cut again.
    pub(super) fn for_a_text() -> Self {
        Kept::new(16 * 1024, 48 * 1024 + 256)
    }

    /// So many bytes of the start, and nothing else.
    pub(super) fn start(limit: usize) -> Self {
        Kept::new(limit, 0)
    }

    fn new(head_limit: usize, tail_limit: usize) -> Self {
        Kept {
            head_limit,
            tail_limit,
            ..Kept::default()
        }
    }

    /// Adds a line.
    pub fn line(&mut self, line: &str) {
        self.full |= self.head.len() + line.len() >= self.head_limit;
        self.push(line);
        self.push("\n");
    }

    /// Adds a piece of text that ends anywhere.
    pub fn push(&mut self, text: &str) {
        let text = self.fill_head(text);
        if text.is_empty() {
            return;
        }
        let bytes = text.as_bytes();
        let skip = bytes.len().saturating_sub(self.tail_limit);
        self.tail.extend(&bytes[skip..]);
        let too_many = self.tail.len().saturating_sub(self.tail_limit);
        self.tail.drain(..too_many);
        self.cut += (skip + too_many) as u64;
    }

    /// Gives what the head has no room for; it ends with a line where it can.
    fn fill_head<'a>(&mut self, text: &'a str) -> &'a str {
        if self.full {
            return text;
        }
        let room = self.head_limit.saturating_sub(self.head.len());
        if text.len() <= room {
            self.head.push_str(text);
            return "";
        }
        self.full = true;
        let fits = text.floor_char_boundary(room);
        let whole = match text[..fits].rfind('\n') {
            Some(end) => end + 1,
            None if self.head.is_empty() => fits,
            None => 0,
        };
        let (head, rest) = text.split_at(whole);
        self.head.push_str(head);
        rest
    }

    /// What the head has, without a mark.
    pub(super) fn into_start(self) -> String {
        self.head
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }

    /// Whether the last thing that was added ends with this ASCII character.
    pub(super) fn ends_with(&self, character: char) -> bool {
        match self.tail.back() {
            Some(last) => char::from(*last) == character,
            None => self.head.ends_with(character),
        }
    }

    /// What was kept, the place of the cut marked.
    pub fn text(&self) -> String {
        if self.cut == 0 {
            let (tail, more) = self.tail.as_slices();
            return format!("{}{}{}", self.head, lossy(tail), lossy(more));
        }
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        let start = whole_part(&tail);
        let cut = self.cut + start as u64;
        // The mark has a line of its own.
        let head = &self.head;
        let end = if head.is_empty() || head.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        format!(
            "{head}{end}[… {cut} bytes left out …]\n{}",
            lossy(&tail[start..])
        )
    }

    /// Gives what was kept and starts anew.
    pub fn take(&mut self) -> String {
        let text = self.text();
        *self = Kept::new(self.head_limit, self.tail_limit);
        text
    }
}

/// Where the first whole line starts, or the first whole character.
fn whole_part(tail: &[u8]) -> usize {
    let line = tail.iter().position(|byte| *byte == b'\n');
    match line.map(|end| end + 1) {
        Some(start) if start < tail.len() => start,
        _ => tail.iter().take_while(|byte| **byte & 0xC0 == 0x80).count(),
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
    fn a_piece_longer_than_the_head_fills_it_up() {
        let mut kept = Kept::new(8, 6);
        kept.push("one\ntwo\nthree\nfour\nfive");
        assert_eq!(kept.text(), "one\ntwo\n[… 11 bytes left out …]\nfive");
        let mut kept = Kept::new(4, 6);
        kept.push("ééééééééé");
        assert_eq!(kept.text(), "éé\n[… 8 bytes left out …]\nééé");
        let mut kept = Kept::new(4, 5);
        kept.push("ééééééééé");
        assert_eq!(kept.text(), "éé\n[… 10 bytes left out …]\néé");
    }

    #[test]
    fn a_text_that_was_cut_is_not_cut_again() {
        let mut kept = Kept::for_a_case();
        for number in 0..100_000 {
            kept.line(&format!("line {number}"));
        }
        let text = kept.text();
        let mut again = Kept::for_a_text();
        again.push(&text);
        assert_eq!(again.text(), text);
    }

    #[test]
    fn a_line_longer_than_the_tail_keeps_its_end() {
        let mut kept = Kept::new(4, 6);
        kept.line("0123456789");
        assert_eq!(kept.text(), "[… 5 bytes left out …]\n56789\n");
    }
}
