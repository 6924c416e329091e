//! What was typed.

use std::path::PathBuf;

/// Writes down what programs are made of: for each a `CycloneDX` document, and one file with the
/// licences of all crates in them.
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
EXAMPLES:
  In a workspace, after a build, so that all crates are here:
      cargo metadata --format-version 1 --locked | records --to /records checkout run-tests

The same metadata gives the same bytes.

EXIT CODES: 0 written; 1 a crate has no licence text, or a file cannot be read or written; 2 wrong
usage, or no metadata of cargo's.")]
pub struct Opts {
    /// Folder that gets third-party-licences.txt and sbom/PROGRAM.cdx.json
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,

    /// Time that the documents say they were made at, in seconds since 1970
    #[arg(long, value_name = "SECONDS")]
    pub(crate) time: Option<u64>,

    /// Packages of the workspace to write about
    #[arg(required = true, value_name = "PROGRAM")]
    pub(crate) programs: Vec<String>,
}
