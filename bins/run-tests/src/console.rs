//! Where the output goes: to our stdout and to the log file, nothing secret in either.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use common::live::Live;
use common::redact::{Redactor, Rules};
use common::{Result, ResultExt, whole_file};

/// Where the output goes, of all commands of one run.
pub(crate) struct Console {
    stdout: Live,
    log: Option<Log>,
    prefix: Option<Vec<u8>>,
    at_line_start: bool,
    redactor: Redactor,
    prefixed: Vec<u8>,
}

struct Log {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Console {
    /// Makes the log file anew, with its folder.
    pub(crate) fn new(log: Option<&Path>, prefix: Option<&str>, secrets: &Rules) -> Result<Self> {
        let open = |path: &Path| -> io::Result<Log> {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            whole_file::refuse_special(path)?;
            // A link that someone left there is not followed: the file is a new one.
            whole_file::unless_absent(std::fs::remove_file(path))?;
            Ok(Log {
                path: path.to_owned(),
                file: BufWriter::with_capacity(64 * 1024, File::create_new(path)?),
            })
        };
        let log = match log {
            Some(path) => {
                Some(open(path).or_usage(|| format!("write the log {}", path.display()))?)
            }
            None => None,
        };
        Ok(Console {
            stdout: Live::default(),
            log,
            prefix: prefix.map(|prefix| prefix.as_bytes().to_vec()),
            at_line_start: true,
            redactor: secrets.redactor(),
            prefixed: Vec::new(),
        })
    }

    /// What may be seen by now of what a command said. A secret that has begun is held back.
    pub(crate) fn masked<'a>(&'a mut self, piece: &'a [u8]) -> &'a [u8] {
        self.redactor.push(piece)
    }

    /// The command has ended: what was held back.
    pub(crate) fn rest(&mut self) -> &[u8] {
        self.redactor.finish()
    }

    /// Adds to the log. A disk that is full costs the log, not the tests.
    pub(crate) fn log(&mut self, text: &[u8]) {
        if let Some(log) = &mut self.log
            && let Err(error) = log.file.write_all(text)
        {
            tracing::warn!("the log {} is not complete: {error}", log.path.display());
            self.log = None;
        }
    }

    /// Shows a piece; see [`Live::show`].
    pub(crate) async fn show(&mut self, piece: &[u8], out_of_time: impl Future<Output = ()>) {
        let Some(prefix) = &self.prefix else {
            return self.stdout.show(piece, out_of_time).await;
        };
        self.prefixed.clear();
        for line in piece.split_inclusive(|byte| *byte == b'\n') {
            if self.at_line_start {
                self.prefixed.extend_from_slice(prefix);
            }
            self.prefixed.extend_from_slice(line);
            self.at_line_start = line.ends_with(b"\n");
        }
        self.stdout.show(&self.prefixed, out_of_time).await;
    }

    /// Waits until everything has reached the reader; see [`Live::flush`].
    pub(crate) async fn flush(&mut self, out_of_time: impl Future<Output = ()>) {
        if let Some(log) = &mut self.log
            && let Err(error) = log.file.flush()
        {
            tracing::warn!("the log {} is not complete: {error}", log.path.display());
            self.log = None;
        }
        self.stdout.flush(out_of_time).await;
    }
}
