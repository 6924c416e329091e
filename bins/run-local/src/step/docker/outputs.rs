//! Files of a container that has ended: they come as tar.

use std::io;
use std::path::Path;

use common::app::Stop;
use common::exec::{self, Sink, Stream};
use tar::Archive;

use super::engine;
use crate::step::runtime::{MAX_OUTPUT, output_text};

/// Room for the headers of an archive with one file.
const HEADERS: u64 = 16 * 1024;

/// What tar fills each file up to, in bytes.
const BLOCK: u64 = 512;

/// What `docker cp` writes, as long as it can be one small file.
#[derive(Default)]
struct Copied {
    archive: Vec<u8>,
    said: Vec<u8>,
}

impl Sink for Copied {
    async fn write(&mut self, stream: Stream, piece: &[u8]) -> io::Result<()> {
        let (kept, most) = match stream {
            Stream::Stdout => (&mut self.archive, MAX_OUTPUT + HEADERS),
            Stream::Stderr => (&mut self.said, HEADERS),
        };
        if (kept.len() + piece.len()) as u64 > most {
            let what = format!("it is larger than {MAX_OUTPUT} bytes, or no file");
            return Err(io::Error::other(what));
        }
        kept.extend_from_slice(piece);
        Ok(())
    }
}

/// Reads a file, following links as the container would.
pub(super) async fn read(container: &str, path: &Path) -> io::Result<String> {
    let place = format!("{container}:{}", path.display());
    let copy = engine::docker("cp").args(["--follow-link", "--", &place, "-"]);
    let mut copied = Copied::default();
    let ended = exec::run(&copy, engine::short_limits(), &Stop::never(), &mut copied).await?;
    if ended.success() {
        first_file(&copied.archive)
    } else {
        Err(io::Error::other(engine::complaint(&copied.said, ended)))
    }
}

fn first_file(bytes: &[u8]) -> io::Result<String> {
    let mut archive = Archive::new(bytes);
    let entry = archive.entries()?.next();
    let entry = entry.ok_or_else(|| io::Error::other("there is no such file"))??;
    // The reader takes a file that is cut off for a shorter one.
    let blocks = entry.size().div_ceil(BLOCK).saturating_mul(BLOCK);
    if entry.raw_file_position().saturating_add(blocks) > bytes.len() as u64 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if entry.header().entry_type().is_file() {
        output_text(entry)
    } else {
        Err(io::Error::other("it is no file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_data(&mut header, "result", content).unwrap();
        archive.into_inner().unwrap()
    }

    #[test]
    fn a_file_is_read_and_nothing_else_is() {
        let file = archive(tar::EntryType::Regular, b"text\n");
        assert_eq!(first_file(&file).unwrap(), "text");
        let folder = archive(tar::EntryType::Directory, b"");
        assert_eq!(
            first_file(&folder).unwrap_err().to_string(),
            "it is no file"
        );
        assert!(first_file(b"").is_err());
        assert!(first_file(&file[..600]).is_err());
    }
}
