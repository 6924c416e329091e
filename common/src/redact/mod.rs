//! Keeps secrets out of logs, records and artifacts.
//!
//! ```
//! use common::redact::Secrets;
//!
//! let mut secrets = Secrets::default();
//! secrets.add("the variable PASSWORD", b"correct horse battery");
//! let rules = secrets.with_token_shapes().compile()?;
//! let mut redactor = rules.redactor();
//! let mut shown = redactor.push(b"login with correct horse").to_vec();
//! shown.extend(redactor.push(b" battery works"));
//! shown.extend(redactor.finish());
//! assert_eq!(shown, b"login with XXXXXXXXXXXXXXXXXXXXX works");
//! # Ok::<(), common::Error>(())
//! ```
//!
//! A secret is replaced by as many `X` as it has bytes, its line ends excepted, so that sizes,
//! offsets and line numbers stay; one of digits only by `0`, so that JSON stays JSON. Both as
//! Prow's `pkg/secretutil` does.

mod collect;
mod environment;
mod forms;
mod rules;
mod shapes;
mod stream;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use crate::Result;
pub use environment::{Sources, of_process};
pub use rules::Rules;
pub use stream::Redactor;
use value::Value;

/// Values of fewer bytes are not censored: they would blacken innocent text. GitLab draws the
/// same line for its masked variables.
pub const SHORTEST: usize = 8;

/// A set of secrets. It cannot be printed.
#[derive(Default)]
pub struct Secrets {
    values: BTreeSet<Value>,
    token_shapes: bool,
}

impl Secrets {
    /// Adds a value. One that is too short is not taken, and a warning names `place` (never
    /// the value). White space around it does not count; of several lines, each is a secret
    /// as well.
    pub fn add(&mut self, place: impl fmt::Display, value: &[u8]) {
        let core = value.trim_ascii();
        if core.len() >= SHORTEST {
            self.values.insert(Value::from(value.to_vec()));
        } else if !core.is_empty() && !is_switch(core) {
            tracing::warn!(
                "{place} has fewer than {SHORTEST} bytes: it is not censored, \
                 as that would blacken innocent text"
            );
        }
    }

    /// Adds the file's content, and what it says within, where it is of a known kind: the
    /// passwords, tokens and keys of JSON (service accounts, Docker's configuration), of
    /// `NAME=VALUE` and of `NAME: VALUE` lines.
    pub fn add_file(&mut self, path: &Path) -> Result<()> {
        collect::file(self, path)
    }

    /// Adds all files of a folder and below it, as Kubernetes mounts secrets: links are
    /// followed, `..data` and its like are not looked at twice.
    pub fn add_folder(&mut self, folder: &Path) -> Result<()> {
        collect::folder(self, folder)
    }

    /// Censors well-known shapes of tokens as well: of GitHub, Google, AWS, Slack and others,
    /// private keys, passwords in URLs.
    #[must_use]
    pub fn with_token_shapes(mut self) -> Self {
        self.token_shapes = true;
        self
    }

    /// The rules that find these secrets. They cost nothing where there are none.
    pub fn compile(&self) -> Result<Rules> {
        Rules::new(self.values.iter(), self.token_shapes)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether nothing would be censored.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && !self.token_shapes
    }
}

/// Says how many there are, and nothing else.
impl fmt::Debug for Secrets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} secrets", self.values.len())
    }
}

/// Switches lie beside secrets and are none; Prow leaves them out as well.
fn is_switch(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"true") || value.eq_ignore_ascii_case(b"false")
}
