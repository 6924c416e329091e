//! Logs to stderr: sentences for people, or one JSON object a line for Cloud Logging.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, OnceLock};
use std::time::SystemTime;

use indicatif::MultiProgress;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use crate::env::{self, Env};
use crate::{Error, Result};

/// Libraries that log, and not for our readers.
const LIBRARIES: [&str; 4] = ["hyper", "reqwest", "rustls", "google_cloud"];

/// One that logs as an error what it gives us as an error too.
const TWICE: &str = "kube";

/// A second place that gets the log as text.
static TEE: Mutex<Option<File>> = Mutex::new(None);

/// The bars that are drawn below the log.
static PROGRESS: OnceLock<MultiProgress> = OnceLock::new();

/// Progress bars for stderr, drawn below the log; they show nothing where stderr is no terminal.
pub fn progress() -> &'static MultiProgress {
    PROGRESS.get_or_init(MultiProgress::new)
}

/// Copies the log, as lines of text, to this file from now on: the build log of a job.
pub fn tee(file: File) {
    if let Ok(mut tee) = TEE.lock() {
        *tee = Some(file);
    }
}

/// Sets up logging as `LOG_FORMAT` and `LOG_LEVEL` ask. There is a log even where they ask for
/// what there is not: the error has to be told.
pub(crate) fn start(env: &Env) -> Result<()> {
    let as_text = if std::io::stderr().is_terminal() {
        Format::Terminal {
            colour: env.get(env::NO_COLOR).is_none(),
        }
    } else {
        Format::Text
    };
    let format = match env.get(env::LOG_FORMAT) {
        None | Some("text") => Ok(as_text),
        Some("json") => Ok(Format::Json),
        Some(other) => Err(Error::usage(format!(
            "LOG_FORMAT is {other:?}: use text or json"
        ))),
    };
    let level = env.get(env::LOG_LEVEL).unwrap_or("info");
    let level = level.parse::<Level>().map_err(|_| {
        Error::usage(format!(
            "LOG_LEVEL is {level:?}: use error, warn, info or debug"
        ))
    });
    let layer = LogLayer {
        format: *format.as_ref().unwrap_or(&as_text),
        level: *level.as_ref().unwrap_or(&Level::INFO),
    };
    // A second start in one process happens in unit tests only; the first one holds.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(layer));
    format.and(level).map(|_| ())
}

/// Whether a target is a crate of this name or family (`hyper` and `hyper_util`), and not one
/// whose name just begins so, as our own `kubeconfig_setup` begins with `kube`.
fn is_of(target: &str, name: &str) -> bool {
    let rest = target.strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '_']))
}

#[derive(Clone, Copy)]
enum Format {
    Terminal { colour: bool },
    Text,
    Json,
}

struct LogLayer {
    format: Format,
    level: Level,
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        // What a library says of each connection is noise to whoever looks for what we did.
        let is_library = LIBRARIES.iter().any(|name| is_of(metadata.target(), name));
        let level = if is_library {
            self.level.min(Level::WARN)
        } else {
            self.level
        };
        let is_told_twice = is_of(metadata.target(), TWICE) && self.level < Level::DEBUG;
        *metadata.level() <= level && !is_told_twice
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let level = *event.metadata().level();
        let now = SystemTime::now();
        let line = line(self.format, level, now, &message.0);
        // A log that cannot be written has nowhere to say so.
        let write = || std::io::stderr().write_all(line.as_bytes());
        let _ = match PROGRESS.get() {
            Some(bars) => bars.suspend(write),
            None => write(),
        };
        if let Ok(mut tee) = TEE.lock()
            && let Some(file) = tee.as_mut()
        {
            let line = self::line(Format::Text, level, now, &message.0);
            let _ = file.write_all(line.as_bytes());
        }
    }
}

/// The message of an event, with its fields behind it.
struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.insert_str(0, value);
        } else {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}

fn line(format: Format, level: Level, now: SystemTime, message: &str) -> String {
    let time = humantime::format_rfc3339_seconds(now);
    match format {
        Format::Json => {
            let severity = match level {
                Level::ERROR => "ERROR",
                Level::WARN => "WARNING",
                Level::INFO => "INFO",
                _ => "DEBUG",
            };
            let object = serde_json::json!({
                "severity": severity, "time": time.to_string(), "message": message
            });
            format!("{object}\n")
        }
        Format::Text => format!("{time} {level:<5} {}\n", printable(message)),
        Format::Terminal { colour } => {
            let (name, code) = match level {
                Level::ERROR => ("error: ", "1;31"),
                Level::WARN => ("warning: ", "1;33"),
                Level::INFO => ("", "0"),
                _ => ("debug: ", "2"),
            };
            let name = if colour && !name.is_empty() {
                format!("\x1b[{code}m{name}\x1b[0m")
            } else {
                name.to_owned()
            };
            format!("{name}{}\n", printable(message))
        }
    }
}

/// A text on one line and without control characters: a name that somebody else chose can
/// neither drive a terminal nor forge a line.
pub fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// A count with its noun: `1 test`, `2 tests`.
pub fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// A message without control characters, so that a hostile name can neither drive the
/// terminal nor forge a line of its own: further lines of a message are indented.
fn printable(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for character in message.chars() {
        match character {
            '\n' => text.push_str("\n    "),
            '\t' => text.push('\t'),
            control if control.is_control() => text.extend(control.escape_default()),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_has_what_cloud_logging_reads() {
        let line = line(
            Format::Json,
            Level::WARN,
            SystemTime::UNIX_EPOCH,
            "a\n\"b\"",
        );
        assert_eq!(
            line,
            "{\"severity\":\"WARNING\",\"time\":\"1970-01-01T00:00:00Z\",\"message\":\"a\\n\\\"b\\\"\"}\n"
        );
    }

    #[test]
    fn a_hostile_name_cannot_forge_a_line_or_drive_the_terminal() {
        let line = line(
            Format::Text,
            Level::INFO,
            SystemTime::UNIX_EPOCH,
            "name \x1b[2Jx\n2026 ERROR y\r",
        );
        assert_eq!(
            line,
            "1970-01-01T00:00:00Z INFO  name \\u{1b}[2Jx\n    2026 ERROR y\\r\n"
        );
    }
}
