//! What was typed, and the variables behind it.

/// The command line.
#[derive(Debug, clap::Parser)]
pub struct Opts {}
