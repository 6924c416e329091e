//! What two or more of the test-worker binaries need.
//!
//! A module moves here when a second binary needs it, not before.

pub mod app;
pub mod bucket;
pub mod duration;
pub mod env;
pub mod error;
pub mod evaluate;
pub mod exec;
pub mod git;
pub mod google;
pub mod image_tag;
pub mod job;
pub mod junit;
pub mod live;
mod logging;
pub mod redact;
pub mod secret;
pub mod size;
pub mod view;
pub mod whole_file;
pub mod workflow;
pub mod yaml;

pub use error::{Error, Exit, Result, ResultExt};
pub use logging::{counted, on_one_line, progress, tee as tee_log};

/// The version of every binary: `git describe` and the commit, for `--version` and records.
pub const VERSION: &str = env!("TEST_WORKER_VERSION");
