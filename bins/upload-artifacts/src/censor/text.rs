//! A text as a stream, in whatever encoding it is.

use common::redact::Redactor;

/// Marks that a text starts with, and which order of bytes they stand for.
const LITTLE_ENDIAN: [u8; 2] = [0xff, 0xfe];
const BIG_ENDIAN: [u8; 2] = [0xfe, 0xff];

/// Whether these are the first bytes of a text in UTF-16, as programs on Windows write it. That
/// of UTF-32 starts the same and goes on with zeros.
pub(super) fn is_utf16(start: &[u8]) -> bool {
    start.starts_with(&BIG_ENDIAN)
        || start.starts_with(&LITTLE_ENDIAN) && !start[2..].starts_with(&[0, 0])
}

/// A text of which the secrets are masked, byte for byte as long as it was.
pub(super) enum Text {
    /// UTF-8, or one of the encodings that have ASCII in them.
    Plain(Redactor),
    /// UTF-16 with a mark.
    Utf16(Box<Utf16>),
}

impl Text {
    /// `start`: the first bytes, two at least where there are.
    pub(super) fn new(redactor: Redactor, start: &[u8]) -> Self {
        if is_utf16(start) {
            Text::Utf16(Box::new(Utf16::new(
                redactor,
                start.starts_with(&BIG_ENDIAN),
            )))
        } else {
            Text::Plain(redactor)
        }
    }

    pub(super) fn push<'a>(&'a mut self, bytes: &'a [u8]) -> &'a [u8] {
        match self {
            Text::Plain(redactor) => redactor.push(bytes),
            Text::Utf16(text) => text.push(bytes, false),
        }
    }

    pub(super) fn finish(&mut self) -> &[u8] {
        match self {
            Text::Plain(redactor) => redactor.finish(),
            Text::Utf16(text) => text.push(&[], true),
        }
    }

    pub(super) fn masked(&self) -> u64 {
        match self {
            Text::Plain(redactor) => redactor.masked(),
            Text::Utf16(text) => text.redactor.masked(),
        }
    }
}

/// Looks at a text as UTF-8, and masks the characters that are masked there.
pub(super) struct Utf16 {
    redactor: Redactor,
    big_endian: bool,
    /// Bytes that are no whole character yet.
    raw: Vec<u8>,
    /// Characters that the redactor has taken, as they came and as UTF-8.
    units: Vec<u16>,
    text: String,
    /// What it has given of them; as long, but for what it holds back.
    shown: Vec<u8>,
    out: Vec<u8>,
}

impl Utf16 {
    fn new(redactor: Redactor, big_endian: bool) -> Self {
        Utf16 {
            redactor,
            big_endian,
            raw: Vec::new(),
            units: Vec::new(),
            text: String::new(),
            shown: Vec::new(),
            out: Vec::new(),
        }
    }

    fn push(&mut self, bytes: &[u8], ended: bool) -> &[u8] {
        self.raw.extend_from_slice(bytes);
        let from = self.text.len();
        self.decode(ended);
        let shown = self.redactor.push(&self.text.as_bytes()[from..]);
        self.shown.extend_from_slice(shown);
        if ended {
            self.shown.extend_from_slice(self.redactor.finish());
        }
        self.out.clear();
        self.encode();
        if ended {
            // Half a character.
            self.out.append(&mut self.raw);
        }
        &self.out
    }

    /// Takes whole characters from `raw`.
    fn decode(&mut self, ended: bool) {
        let units = self.raw.chunks_exact(2).map(|unit| {
            let little_endian = u16::from_le_bytes([unit[0], unit[1]]);
            if self.big_endian {
                little_endian.swap_bytes()
            } else {
                little_endian
            }
        });
        let mut units: Vec<u16> = units.collect();
        // The other half of a pair comes later.
        if !ended
            && units
                .last()
                .is_some_and(|unit| (0xd800..0xdc00).contains(unit))
        {
            units.pop();
        }
        self.raw.drain(..2 * units.len());
        self.units.extend_from_slice(&units);
        // Half a pair alone is no character; what stands for it has one unit as well.
        let characters = char::decode_utf16(units);
        self.text
            .extend(characters.map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
    }

    /// Gives the characters that are decided.
    fn encode(&mut self) {
        let (mut decided, mut done) = (0, 0);
        for character in self.text.chars() {
            let end = decided + character.len_utf8();
            let Some(shown) = self.shown.get(decided..end) else {
                break;
            };
            let units = &mut self.units[done..done + character.len_utf16()];
            if shown != &self.text.as_bytes()[decided..end] {
                units.fill(u16::from(shown[0]));
            }
            for unit in &*units {
                self.out.extend(if self.big_endian {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                });
            }
            done += units.len();
            decided = end;
        }
        self.units.drain(..done);
        self.text.drain(..decided);
        self.shown.drain(..decided);
    }
}
