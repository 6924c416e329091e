//! JUnit XML, the shape in which tests report to Prow's Spyglass, TestGrid and Jenkins:
//! a model, a writer that makes valid XML whatever the tests printed, and a reader for the
//! verdict that needs little memory however large the file.

mod attributes;
mod bounded;
mod case;
mod faults;
mod kept;
mod model;
mod read;
mod text;
mod walk;
mod write;

pub use kept::Kept;
pub use model::{Case, Counts, Detail, Outcome, Report, Suite};
pub use read::{FailedTest, Summary, read, summarize};
pub use text::{clean, distinct};
pub use write::{ReportWriter, render};

/// Whether Prow and `TestGrid` read a file of this name as JUnit: `artifacts/**/junit*.xml`.
pub fn is_junit(file_name: &str) -> bool {
    let stem = file_name.strip_suffix(".xml");
    stem.is_some_and(|stem| stem.starts_with("junit"))
}

#[cfg(test)]
mod tests {
    use super::is_junit;

    #[test]
    fn junit_is_known_by_its_name() {
        assert!(is_junit("junit.xml"));
        assert!(is_junit("junit_e2e-a.xml"));
        assert!(!is_junit("report.xml"));
        assert!(!is_junit("junit.xml.gz"));
    }
}
