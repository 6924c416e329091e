//! What git says of its progress, shown on a terminal.

use common::git::mask;
use common::on_one_line;
use indicatif::{ProgressBar, ProgressStyle};

use crate::credentials::Access;
use crate::plan::Repository;

/// A longer line would be broken by the terminal, and the next one would not replace it.
const WIDEST: usize = 70;

/// A line on the terminal for one command; nothing where there is no terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    name: String,
    access: Access,
    bar: ProgressBar,
    /// The last piece of git's output that has no end yet.
    line: Vec<u8>,
}

impl Progress {
    /// Shows the line.
    pub(crate) fn new(repository: &Repository) -> Progress {
        let name = repository.name();
        let bar = common::progress().add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.set_message(name.clone());
        Progress {
            name,
            access: repository.access.clone(),
            bar,
            line: Vec::new(),
        }
    }

    /// Whether anybody sees it, so that git should be asked for its progress.
    pub(crate) fn is_shown() -> bool {
        !common::progress().is_hidden()
    }

    /// Takes what git said.
    pub(crate) fn said(&mut self, piece: &[u8]) {
        if self.bar.is_hidden() {
            return;
        }
        for byte in piece {
            if !matches!(byte, b'\r' | b'\n') {
                self.line.push(*byte);
            } else if !self.line.is_empty() {
                let line = mask(&String::from_utf8_lossy(&self.line));
                let line = self.access.redact(&line);
                self.bar
                    .set_message(format!("{}: {}", self.name, short(&line)));
                self.bar.tick();
                self.line.clear();
            }
        }
        // A server can say what it likes.
        self.line.truncate(WIDEST * 4);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        common::progress().remove(&self.bar);
    }
}

fn short(line: &str) -> String {
    on_one_line(line.trim()).chars().take(WIDEST).collect()
}

/// What git printed, without the lines that it has written over itself.
pub(crate) fn settled(output: &str) -> String {
    let last = |line: &str| {
        line.rsplit('\r')
            .find(|part| !part.is_empty())
            .map(str::to_owned)
    };
    let lines: Vec<String> = output
        .split('\n')
        .map(|line| last(line).unwrap_or_default())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_line_that_was_written_over_the_last_state_stays() {
        let output = "Receiving:  1%\rReceiving: 100%, done.\nFrom h\n";
        assert_eq!(settled(output), "Receiving: 100%, done.\nFrom h\n");
        assert_eq!(settled("a\r\nb"), "a\nb");
    }

    #[test]
    fn a_server_cannot_drive_the_terminal() {
        assert_eq!(short("remote: \x1b[2Jx "), "remote: \\u{1b}[2Jx");
        assert_eq!(short(&"é".repeat(100)).chars().count(), WIDEST);
    }
}
