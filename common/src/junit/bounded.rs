//! Bounds what an XML parser has to hold at once: a text of 100 MB is one event to it. Long
//! texts are split on the way into several that mean the same. Also refuses what no reader of JUnit takes:
//! bytes that are not UTF-8, control characters, entity declarations.

use std::io::{self, BufRead, Read};

/// How much of a text or CDATA section is one event.
const TEXT: usize = 64 * 1024;
/// The longest tag; its attributes hold messages.
const TAG: usize = 8 * 1024 * 1024;

/// The longest reference to an entity or character; XML's own have 10 bytes at most.
const REFERENCE: usize = 64;

/// A stream of XML without long texts.
pub(super) struct Bounded<R> {
    inner: R,
    out: Vec<u8>,
    taken: usize,
    state: State,
    /// Bytes passed on (or to be counted) in the current state.
    length: usize,
    utf8: Utf8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Character data; `entity` while between `&` and `;`.
    Text {
        entity: bool,
    },
    /// Behind `<`, not yet clear of what.
    Open([u8; 9], usize),
    Tag(Option<u8>),
    /// `<!DOCTYPE`, perhaps within a quoted part of it.
    Declaration(Option<u8>),
    /// `<?xml`, with whether the last byte was a question mark.
    Instruction(bool),
    /// A comment, with the number of dashes just seen; nothing of it is passed on.
    Comment(usize),
    /// CDATA, with the number of brackets held back: two of them may be its end.
    CData {
        brackets: usize,
    },
}

impl<R: BufRead> Bounded<R> {
    pub(super) fn new(inner: R) -> Self {
        Bounded {
            inner,
            out: Vec::new(),
            taken: 0,
            state: State::Text { entity: false },
            length: 0,
            utf8: Utf8::default(),
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.taken = 0;
        while self.out.is_empty() {
            let chunk = self.inner.fill_buf()?;
            if chunk.is_empty() {
                return self.utf8.end();
            }
            // A reader that holds a whole file in memory gives it all at once.
            let chunk = &chunk[..chunk.len().min(TEXT)];
            self.utf8.check(chunk)?;
            let mut step = Step {
                out: &mut self.out,
                state: self.state,
                length: self.length,
            };
            for byte in chunk {
                step.take(*byte)?;
            }
            (self.state, self.length) = (step.state, step.length);
            let length = chunk.len();
            self.inner.consume(length);
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.out.len() {
            self.refill()?;
        }
        Ok(&self.out[self.taken..])
    }

    fn consume(&mut self, amount: usize) {
        self.taken += amount;
    }
}

struct Step<'a> {
    out: &'a mut Vec<u8>,
    state: State,
    length: usize,
}

impl Step<'_> {
    fn take(&mut self, byte: u8) -> io::Result<()> {
        if byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r') {
            return refuse("a control character, which XML forbids");
        }
        match self.state {
            State::Text { entity } => self.text(byte, entity),
            State::Open(start, length) => return self.open(byte, start, length),
            State::Tag(quote) => return self.tag(byte, quote, State::Tag),
            State::Declaration(None) if byte == b'[' => {
                return refuse("a document type declaration with entities");
            }
            State::Declaration(quote) => return self.tag(byte, quote, State::Declaration),
            State::Instruction(true) if byte == b'>' => self.enter_text(byte),
            State::Instruction(_) => {
                self.state = State::Instruction(byte == b'?');
                return self.count(byte);
            }
            State::Comment(dashes) => match byte {
                b'>' if dashes >= 2 => {
                    self.out.extend_from_slice(b"--");
                    self.enter_text(byte);
                }
                b'-' => self.state = State::Comment(dashes + 1),
                _ => self.state = State::Comment(0),
            },
            State::CData { brackets } => self.cdata(byte, brackets),
        }
        Ok(())
    }

    fn text(&mut self, byte: u8, entity: bool) {
        if byte == b'<' {
            self.state = State::Open([0; 9], 0);
            return;
        }
        // Not split within an entity or a character.
        let inside = (entity && self.length < TEXT + REFERENCE) || byte & 0xC0 == 0x80;
        if self.length >= TEXT && !inside {
            self.out.extend_from_slice(b"<!---->");
            self.length = 0;
        }
        self.out.push(byte);
        self.length += 1;
        self.state = State::Text {
            entity: byte == b'&' || (entity && byte != b';'),
        };
    }

    /// Holds the start of markup back until it is clear what it is.
    fn open(&mut self, byte: u8, mut start: [u8; 9], length: usize) -> io::Result<()> {
        start[length] = byte;
        let seen = &start[..=length];
        let next = match seen {
            b"!--" => State::Comment(0),
            b"![CDATA[" => State::CData { brackets: 0 },
            [b'?', ..] => State::Instruction(false),
            _ if b"!--".starts_with(seen) || b"![CDATA[".starts_with(seen) => {
                self.state = State::Open(start, length + 1);
                return Ok(());
            }
            [b'!', ..] => State::Declaration(None),
            _ => State::Tag(None),
        };
        self.out.push(b'<');
        self.length = 0;
        self.state = next;
        if matches!(next, State::Tag(_) | State::Declaration(_)) {
            // What ended the wait may end the markup as well: `<a>`, `<!>`.
            self.out.extend_from_slice(&seen[..length]);
            return self.take(byte);
        }
        self.out.extend_from_slice(seen);
        Ok(())
    }

    fn tag(
        &mut self,
        byte: u8,
        quote: Option<u8>,
        state: impl Fn(Option<u8>) -> State,
    ) -> io::Result<()> {
        match (quote, byte) {
            (None, b'>') => {
                self.enter_text(byte);
                return Ok(());
            }
            (None, b'"' | b'\'') => self.state = state(Some(byte)),
            (_, b'<') => return refuse("a < within a tag"),
            (Some(open), _) if open == byte => self.state = state(None),
            _ => {}
        }
        self.count(byte)
    }

    fn cdata(&mut self, byte: u8, brackets: usize) {
        match byte {
            b'>' if brackets == 2 => {
                self.out.extend_from_slice(b"]]");
                self.enter_text(byte);
            }
            b']' if brackets == 2 => self.content(b']'),
            b']' => {
                self.state = State::CData {
                    brackets: brackets + 1,
                }
            }
            _ => {
                for _ in 0..brackets {
                    self.content(b']');
                }
                self.content(byte);
                self.state = State::CData { brackets: 0 };
            }
        }
    }

    /// A byte of a CDATA section.
    fn content(&mut self, byte: u8) {
        if self.length >= TEXT && byte & 0xC0 != 0x80 {
            self.out.extend_from_slice(b"]]><![CDATA[");
            self.length = 0;
        }
        self.out.push(byte);
        self.length += 1;
    }

    fn enter_text(&mut self, last: u8) {
        self.out.push(last);
        self.length = 0;
        self.state = State::Text { entity: false };
    }

    fn count(&mut self, byte: u8) -> io::Result<()> {
        self.out.push(byte);
        self.length += 1;
        if self.length > TAG {
            return refuse("a tag of more than 8 MiB");
        }
        Ok(())
    }
}

/// Checks UTF-8 across the borders of chunks.
#[derive(Default)]
struct Utf8 {
    carry: Vec<u8>,
}

impl Utf8 {
    fn check(&mut self, mut chunk: &[u8]) -> io::Result<()> {
        while let (false, [first, rest @ ..]) = (self.carry.is_empty(), chunk) {
            self.carry.push(*first);
            chunk = rest;
            match std::str::from_utf8(&self.carry) {
                Ok(_) => self.carry.clear(),
                Err(error) if error.error_len().is_some() => return refuse(NOT_UTF8),
                Err(_) => {}
            }
        }
        match std::str::from_utf8(chunk) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_some() => refuse(NOT_UTF8),
            Err(error) => {
                self.carry.extend_from_slice(&chunk[error.valid_up_to()..]);
                Ok(())
            }
        }
    }

    fn end(&self) -> io::Result<()> {
        if self.carry.is_empty() {
            Ok(())
        } else {
            refuse(NOT_UTF8)
        }
    }
}

const NOT_UTF8: &str = "bytes that are not UTF-8";

fn refuse<T>(what: &str) -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("it has {what}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(input: &[u8], piece: usize) -> io::Result<String> {
        let mut text = String::new();
        Bounded::new(io::BufReader::with_capacity(piece, input)).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn short_documents_pass_unchanged_whatever_the_chunks() {
        let document =
            "<?xml version='1.0'?>\n<a b='>' c=\"&lt;\"><![CDATA[]]]]><![CDATA[>]]>é&amp;<b/></a>";
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(through(document.as_bytes(), piece).unwrap(), document);
        }
    }

    #[test]
    fn long_texts_are_split_between_characters_and_entities_and_lose_nothing() {
        let document = format!(
            "<a>{}é&amp;é{}<![CDATA[{}]] >]]]></a>",
            "x".repeat(TEXT - 2),
            "y".repeat(TEXT),
            "z]é".repeat(TEXT) + &"]".repeat(TEXT),
        );
        for piece in [100, 100_000] {
            let split = through(document.as_bytes(), piece).unwrap();
            assert!(split.contains("xxé<!---->&amp;éyy"));
            let texts = split
                .split("<!---->")
                .flat_map(|part| part.split("]]><![CDATA["));
            assert!(texts.clone().all(|text| text.len() < TEXT + 100));
            assert_eq!(texts.count(), 8);
            let joined = split.replace("<!---->", "").replace("]]><![CDATA[", "");
            assert!(joined == document);
        }
        let entity = format!("<a>{}&amp;rest</a>", "x".repeat(TEXT - 2));
        let split = through(entity.as_bytes(), 100).unwrap();
        assert!(split.ends_with("x&amp;<!---->rest</a>"));
    }

    #[test]
    fn a_reference_without_an_end_stays_bounded() {
        let text = format!("<a>&{}</a>", "x".repeat(10 * TEXT));
        let split = through(text.as_bytes(), 100).unwrap();
        assert!(split.split("<!---->").all(|text| text.len() < TEXT + 100));
    }

    #[test]
    fn what_no_reader_of_junit_takes_is_refused() {
        let refused = |input: &[u8]| through(input, 2).unwrap_err().to_string();
        assert_eq!(refused(b"<a>\xff</a>"), "it has bytes that are not UTF-8");
        assert_eq!(refused(b"<a>\xc3"), "it has bytes that are not UTF-8");
        assert_eq!(
            refused(b"<a>\x1b</a>"),
            "it has a control character, which XML forbids"
        );
        assert_eq!(
            refused(b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
            "it has a document type declaration with entities"
        );
    }

    #[test]
    fn comments_lose_their_content_only() {
        let text = through(b"<a><!-- <b> - -- x ---></a><!DOCTYPE a>", 1).unwrap();
        assert_eq!(text, "<a><!----></a><!DOCTYPE a>");
    }
}
