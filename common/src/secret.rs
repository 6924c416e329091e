//! A value that nobody sees.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::{Error, Result, ResultExt};

/// More than this is no token.
const LONGEST: u64 = 16 * 1024;

/// A password or token. It prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// Reads one from a file of one line; white space around it does not count.
    pub fn read(what: &str, file: &Path) -> Result<Secret> {
        let name = || format!("{what} {}", file.display());
        let mut text = String::new();
        File::open(file)
            .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
            .or_usage(name)?;
        let text = text.trim();
        if text.is_empty() || text.contains(|c: char| c.is_control()) {
            return Err(Error::usage(name()).because("it does not hold one line with a token"));
        }
        Ok(Secret(text.to_owned()))
    }

    /// The value itself, for whom it is meant.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}
