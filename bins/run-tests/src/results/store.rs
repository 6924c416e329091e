//! Rendered cases in bounded memory: what has no room waits in a temporary file that has no
//! name, so that nothing of it is ever left.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// How much waits in memory, in bytes, before it goes to the file.
const IN_MEMORY: usize = 1024 * 1024;

/// What a record starts with: the length of a rendered case, or 0 and the number of one that is
/// kept elsewhere.
const HEAD: usize = 4 + 8;

/// The cases of all suites, in the order in which they came.
#[derive(Default)]
pub(super) struct Store {
    suites: Vec<Pieces>,
    in_memory: usize,
    file: Option<File>,
    length: u64,
    /// The first thing that went wrong with the file.
    broken: Option<io::Error>,
}

/// The records of one suite.
#[derive(Default)]
struct Pieces {
    in_file: Vec<(u64, usize)>,
    in_memory: Vec<u8>,
}

/// What a record stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A rendered case.
    Case(&'a [u8]),
    /// A case that is kept elsewhere, by its number.
    Fault(usize),
}

impl Store {
    /// Adds a rendered case.
    pub(super) fn case(&mut self, suite: usize, rendered: &[u8]) {
        self.add(suite, 0, rendered);
    }

    /// Marks the place of a case that is kept elsewhere.
    pub(super) fn fault(&mut self, suite: usize, number: usize) {
        self.add(suite, number as u64, &[]);
    }

    fn add(&mut self, suite: usize, number: u64, content: &[u8]) {
        // A case has bounded texts; one that is larger than this says nothing.
        let Ok(length) = u32::try_from(content.len()) else {
            return;
        };
        if self.suites.len() <= suite {
            self.suites.resize_with(suite + 1, Pieces::default);
        }
        let buffer = &mut self.suites[suite].in_memory;
        buffer.extend_from_slice(&length.to_le_bytes());
        buffer.extend_from_slice(&number.to_le_bytes());
        buffer.extend_from_slice(content);
        self.in_memory += HEAD + content.len();
        if self.in_memory > IN_MEMORY
            && self.broken.is_none()
            && let Err(error) = self.spill()
        {
            self.broken = Some(error);
        }
        if self.broken.is_some() {
            // Memory stays bounded; the report will not be written.
            self.suites[suite].in_memory = Vec::new();
        }
    }

    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        for pieces in &mut self.suites {
            let piece = std::mem::take(&mut pieces.in_memory);
            if !piece.is_empty() {
                file.write_all(&piece)?;
                pieces.in_file.push((self.length, piece.len()));
                self.length += piece.len() as u64;
            }
        }
        self.in_memory = 0;
        Ok(())
    }

    /// Gives the records of a suite.
    pub(super) fn visit(
        &mut self,
        suite: usize,
        mut visit: impl FnMut(Record<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let Some(pieces) = self.suites.get(suite) else {
            return Ok(());
        };
        let mut piece = Vec::new();
        for (start, length) in &pieces.in_file {
            let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
            piece.resize(*length, 0);
            file.seek(SeekFrom::Start(*start))?;
            file.read_exact(&mut piece)?;
            records(&piece, &mut visit)?;
        }
        records(&pieces.in_memory, &mut visit)
    }
}

fn records(
    mut piece: &[u8],
    visit: &mut impl FnMut(Record<'_>) -> io::Result<()>,
) -> io::Result<()> {
    while let Some((length, rest)) = piece.split_first_chunk() {
        let Some((number, rest)) = rest.split_first_chunk() else {
            break;
        };
        let length = u32::from_le_bytes(*length) as usize;
        let (content, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        piece = rest;
        if length == 0 {
            let number = u64::from_le_bytes(*number);
            visit(Record::Fault(
                usize::try_from(number).map_err(io::Error::other)?,
            ))?;
        } else {
            visit(Record::Case(content))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(store: &mut Store, suite: usize) -> Vec<String> {
        let mut found = Vec::new();
        let visited = store.visit(suite, |record| {
            found.push(match record {
                Record::Case(text) => String::from_utf8_lossy(text).into_owned(),
                Record::Fault(number) => format!("fault {number}"),
            });
            Ok(())
        });
        visited.unwrap();
        found
    }

    #[test]
    fn records_come_back_in_their_order_suite_by_suite() {
        let mut store = Store::default();
        store.case(1, b"a");
        store.case(0, b"b");
        store.fault(1, 3);
        store.case(1, b"c");
        assert_eq!(all(&mut store, 1), ["a", "fault 3", "c"]);
        assert_eq!(all(&mut store, 0), ["b"]);
        assert!(all(&mut store, 2).is_empty());
    }

    #[test]
    fn more_than_memory_holds_goes_through_a_file() {
        let mut store = Store::default();
        let text = "x".repeat(1000);
        for number in 0..10_000 {
            store.case(number % 3, format!("{number} {text}").as_bytes());
        }
        assert!(store.in_memory <= IN_MEMORY && store.file.is_some());
        let found = all(&mut store, 1);
        assert_eq!(found.len(), 3333);
        assert!(found[3332].starts_with("9997 x"));
    }
}
