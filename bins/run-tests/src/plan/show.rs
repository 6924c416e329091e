//! The plan as `--dry-run` prints it.

use std::fmt;

use super::Plan;

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "command:     {}", self.command)?;
        writeln!(out, "target name: {}", common::exec::quote(&self.target))?;
        writeln!(out, "format:      {}", self.format)?;
        if let Some(sharding) = &self.sharding {
            writeln!(out, "shard:       {sharding}")?;
        }
        if let Some(reporter) = self.reporter {
            writeln!(out, "JUnit from:  {reporter}, which is asked for it")?;
        }
        for pattern in &self.junit_from {
            writeln!(out, "JUnit from:  {}", common::exec::quote(pattern))?;
        }
        match self.timeout {
            Some(timeout) => write!(out, "time limit:  {}", humantime::format_duration(timeout))?,
            None => write!(out, "time limit:  none")?,
        }
        if let Some(limit) = self.test_timeout {
            write!(out, ", {} a test", humantime::format_duration(limit))?;
        }
        writeln!(
            out,
            ", {} to end when asked to",
            humantime::format_duration(self.grace)
        )?;
        if self.rerun_fails > 0 {
            writeln!(
                out,
                "run again:   failed tests, {} times, if at most {} failed",
                self.rerun_fails, self.rerun_fails_max_failures
            )?;
        }
        match &self.junit {
            Some(file) => writeln!(out, "JUnit file:  {}", file.display()),
            None => writeln!(
                out,
                "JUnit file:  none, neither --artifacts-dir nor --junit is given"
            ),
        }
    }
}
