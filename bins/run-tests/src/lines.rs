//! Cuts a stream of bytes into lines of clean text, in bounded memory.

use common::junit;

/// Longest line, in bytes; what a line has beyond it is dropped.
const LONGEST: usize = 64 * 1024;

/// The line that has begun.
#[derive(Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    dropped: u64,
}

impl Lines {
    /// Takes the next piece of the stream and gives each line that it completes.
    pub(crate) fn push(&mut self, piece: &[u8], mut line: impl FnMut(&str)) {
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            if self.line.is_empty() && self.dropped == 0 && end <= LONGEST {
                clean(&rest[..end], &mut line);
            } else {
                self.keep(&rest[..end]);
                self.end(&mut line);
            }
            rest = &rest[end + 1..];
        }
        self.keep(rest);
    }

    /// The stream has ended: gives the last line, where it had no end of its own.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.line.is_empty() {
            self.end(&mut line);
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let room = (LONGEST - self.line.len()).min(part.len());
        self.line.extend_from_slice(&part[..room]);
        self.dropped += (part.len() - room) as u64;
    }

    fn end(&mut self, line: &mut impl FnMut(&str)) {
        if self.dropped > 0 {
            self.line
                .extend_from_slice(format!(" [… {} bytes left out …]", self.dropped).as_bytes());
        }
        clean(&self.line, line);
        self.line.clear();
        self.dropped = 0;
    }
}

/// A line without terminal sequences and control characters. A carriage return within it,
/// as progress bars have it, makes two lines of it.
fn clean(bytes: &[u8], line: &mut impl FnMut(&str)) {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) if is_plain(bytes) => line(text),
        _ => junit::clean(bytes).split('\n').for_each(line),
    }
}

/// Whether all are printable characters of ASCII. Without a way out in the middle, so that
/// many are looked at at once.
fn is_plain(bytes: &[u8]) -> bool {
    let plain = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let mut chunks = bytes.chunks(64);
    chunks.all(|chunk| chunk.iter().fold(true, |all, byte| all & plain(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for piece in pieces {
            lines.push(piece, |line| found.push(line.to_owned()));
        }
        lines.finish(|line| found.push(line.to_owned()));
        found
    }

    #[test]
    fn lines_come_whole_whatever_the_pieces() {
        assert_eq!(
            lines(&[b"a", b"b\n\nc\xc3", b"\xa9\r\nlast"]),
            ["ab", "", "cé", "last"]
        );
    }

    #[test]
    fn colours_go_and_a_carriage_return_parts_lines() {
        assert_eq!(
            lines(&[b"10%\r\x1b[32mok\x1b[0m 1\n\xff\n"]),
            ["10%", "ok 1", "\u{fffd}"]
        );
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let long = vec![b'x'; LONGEST];
        let found = lines(&[&long, b"yyy", b"z\nnext\n"]);
        assert_eq!(found[0].len(), LONGEST + " [… 4 bytes left out …]".len());
        assert!(found[0].ends_with("x [… 4 bytes left out …]"));
        assert_eq!(found[1], "next");
    }
}
