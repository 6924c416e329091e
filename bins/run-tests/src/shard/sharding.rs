//! How a command's tests are divided, checked before anything runs.

use std::fmt;
use std::path::PathBuf;

use common::exec::Command;
use common::{Error, Result};

use super::Shard;
use crate::reporter::Reporter;
use crate::tool::Tool;

/// Which part of the tests runs, and how the tool is made to run just that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sharding {
    /// Which part.
    pub(crate) shard: Shard,
    /// Files that say how long tests took before.
    pub(crate) durations: Vec<PathBuf>,
    /// The tool.
    pub(crate) divided: Divided,
}

/// A tool whose tests can be divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Divided {
    /// Packages, or the tests of the only one.
    Go,
    /// Tests by their names.
    Cargo,
    /// Tests by their node ids.
    Pytest,
    /// nextest divides its tests itself, unless durations are known.
    Nextest,
}

impl Sharding {
    pub(crate) fn new(
        shard: Shard,
        durations: Vec<PathBuf>,
        tool: Tool,
        reporter: Option<Reporter>,
        command: &Command,
    ) -> Result<Self> {
        let divided = match (tool, reporter) {
            (Tool::Go, _) => Divided::Go,
            (Tool::Cargo, _) => Divided::Cargo,
            (_, Some(Reporter::Pytest)) => Divided::Pytest,
            (_, Some(Reporter::Nextest)) => Divided::Nextest,
            _ => {
                return Err(Error::usage(format!(
                    "--shard cannot divide the tests of {}",
                    command.program.display()
                ))
                .hint("run `go test`, `cargo test`, `cargo nextest run` or pytest behind --"));
            }
        };
        Ok(Sharding {
            shard,
            durations,
            divided,
        })
    }
}

impl fmt::Display for Sharding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.shard)?;
        for file in &self.durations {
            let file = common::exec::quote(&file.to_string_lossy());
            write!(out, ", durations of {file}")?;
        }
        Ok(())
    }
}
