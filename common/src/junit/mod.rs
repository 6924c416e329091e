//! JUnit XML, the shape in which tests report to Prow's Spyglass, TestGrid and Jenkins:
//! a model, a writer that makes valid XML whatever the tests printed, and a reader for the
//! verdict that needs little memory however large the file.

mod attributes;
mod bounded;
mod case;
mod faults;
mod model;
mod read;
mod text;
mod walk;
mod write;

pub use model::{Case, Detail, Outcome, Report, Suite};
pub use read::{FailedTest, Summary, read, summarize};
pub use text::{clean, distinct};
