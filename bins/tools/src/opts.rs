//! What was typed.

use std::path::PathBuf;

/// Puts the programs of test-worker on a volume, so that steps can run them in any image: an
/// init container with this image and the step's volume.
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
EXAMPLES:
  The command of an init container that has a volume at /tools; the step, which has the same
  volume there, then runs /tools/run-tests:
      tools install /tools

The programs need nothing of the image that they are copied to. Running it again, or several at
once on a shared volume, is fine: each program is there whole or not at all, and one that is the
same already stays.

EXIT CODES: 0 all programs are there; 1 the folder cannot be written to; 2 wrong usage; 130, 143
interrupted.")]
pub struct Opts {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Copies the programs to a folder
    Install {
        /// Folder that gets them; made where it is missing
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Prints what would be copied, and copies nothing
        #[arg(long, alias = "dry_run")]
        dry_run: bool,
    },
}
