//! Reads JUnit for the verdict.

use std::io::BufRead;

use quick_xml::Reader;

use super::bounded::Bounded;
use super::model::Case;
use super::walk::Walk;
use crate::{Error, Result};

/// What a JUnit file says, as far as a verdict needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Test cases, all attempts counted.
    pub tests: u64,
    /// Cases with a failure, flaky ones not counted.
    pub failures: u64,
    /// Cases with an error, flaky ones not counted.
    pub errors: u64,
    /// Skipped cases.
    pub skipped: u64,
    /// Tests that failed and then passed under the same suite, class and name.
    pub flaky: u64,
    /// The first 100 failed cases.
    pub failed: Vec<FailedTest>,
    /// How many more there are.
    pub more_failed: u64,
}

impl Summary {
    /// Whether nothing failed. A file without tests passes: that is for its writer to judge.
    pub fn passed(&self) -> bool {
        self.failures == 0 && self.errors == 0
    }
}

/// A failed test; the texts are bounded and free of control characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailedTest {
    /// Name of the innermost suite.
    pub suite: String,
    /// Class name.
    pub classname: String,
    /// Name of the test; empty when the suite itself says that it failed.
    pub name: String,
    /// The failure's message, or the first line of its text.
    pub message: String,
}

/// Reads a JUnit file in bounded memory; `name` names it in errors. Failures and errors of
/// every suite count, nested ones too, whatever the root element. A suite whose attributes
/// tell of more failures than its cases show is believed. What is malformed, cut short or no
/// JUnit is an error; nothing but XML's own five entities is expanded.
pub fn summarize(reader: impl BufRead, name: &str) -> Result<Summary> {
    walk(reader, name, Walk::new(None))
}

/// As [`summarize`]; gives each case as it comes, with the name of its suite. Of a text
/// of more than 64 KiB head and tail are kept, the place of the cut marked.
pub fn read(
    reader: impl BufRead,
    name: &str,
    mut visit: impl FnMut(&str, Case),
) -> Result<Summary> {
    walk(reader, name, Walk::new(Some(&mut visit)))
}

fn walk(reader: impl BufRead, name: &str, mut walk: Walk<'_>) -> Result<Summary> {
    let mut xml = Reader::from_reader(Bounded::new(reader));
    xml.config_mut().expand_empty_elements = true;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let end = match xml.read_event_into(&mut buffer) {
            Ok(event) => walk.take(event),
            Err(error) => Err(error.to_string()),
        };
        match end {
            Ok(false) => {}
            Ok(true) => return Ok(walk.summary()),
            Err(reason) => {
                let place = format!("{reason}, near byte {}", xml.buffer_position());
                return Err(Error::failed(format!("read {name} as JUnit")).because(place));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(xml: &str) -> Summary {
        summarize(xml.as_bytes(), "junit.xml").unwrap()
    }

    fn counts(xml: &str) -> (u64, u64, u64, u64) {
        let summary = summary(xml);
        (
            summary.tests,
            summary.failures,
            summary.errors,
            summary.skipped,
        )
    }

    fn refused(xml: impl AsRef<[u8]>) -> String {
        summarize(xml.as_ref(), "j.xml").unwrap_err().report()
    }

    const FAILED: &str = "<testcase name='f'><failure message='no'/></testcase>";

    #[test]
    fn cases_of_every_suite_count_whatever_the_root() {
        let suite = format!(
            "<testsuite name='s'><testcase name='p'/>{FAILED}
             <testcase name='e'><error>boom\nat x</error></testcase>
             <testcase name='s'><skipped/></testcase></testsuite>"
        );
        assert_eq!(counts(&suite), (4, 1, 1, 1));
        let nested = format!(
            "<testsuites><testsuite name='o'><testsuite>{suite}</testsuite>{suite}</testsuite></testsuites>"
        );
        assert_eq!(counts(&nested), (8, 2, 2, 2));
    }

    #[test]
    fn failed_tests_are_named_with_their_message_or_first_line() {
        let summary = summary(
            "<testsuites><testsuite name='a &lt; b'><testcase name='n' classname='c'>\
             <failure message='one&#10;two&#27;[31m'>text</failure></testcase>\
             <testcase name='m'><error><![CDATA[\n\n first ]]>&amp; &#x6c;ast\nx</error></testcase>\
             </testsuite></testsuites>",
        );
        let test = |classname: &str, name: &str, message: &str| FailedTest {
            suite: "a < b".to_owned(),
            classname: classname.to_owned(),
            name: name.to_owned(),
            message: message.to_owned(),
        };
        assert_eq!(
            summary.failed,
            [test("c", "n", "one\ntwo"), test("", "m", "first & last")]
        );
    }

    #[test]
    fn a_suite_whose_attributes_tell_of_more_failures_is_believed() {
        assert_eq!(
            counts("<testsuite name='s' tests='5' failures='1' errors='2' skipped='1'/>"),
            (5, 1, 2, 1)
        );
        let shown = format!(
            "<testsuites failures='3'><testsuite failures='2'>{FAILED}</testsuite>{FAILED}</testsuites>"
        );
        let summary = summary(&shown);
        assert_eq!((summary.tests, summary.failures), (2, 3));
        assert_eq!(
            summary.failed[1].message,
            "the suite counts 2 failures and 0 errors, its cases show 1 and 0"
        );
        assert!(!summary.passed());
        // An error counted as a failure is no second one.
        assert_eq!(
            counts("<testsuite failures='1' errors='0'><testcase><error/></testcase></testsuite>"),
            (1, 0, 1, 0)
        );
    }

    #[test]
    fn a_fault_outside_any_case_counts() {
        let summary =
            summary("<testsuite name='s'><error message='setup'/><testcase/></testsuite>");
        assert_eq!(
            (summary.errors, summary.failed[0].message.as_str()),
            (1, "setup")
        );
    }

    #[test]
    fn only_a_direct_child_of_a_case_is_its_outcome() {
        let xml = "<testsuite><testcase><properties><failure/></properties>\
                   <rerunFailure/><flakyFailure/><system-out>x</system-out></testcase></testsuite>";
        assert!(summary(xml).passed());
    }

    #[test]
    fn a_test_that_failed_and_then_passed_is_flaky() {
        let again = |then: &str| {
            format!(
                "<testsuites><testsuite name='a' failures='1'>{FAILED}</testsuite>{then}</testsuites>"
            )
        };
        let flaky = summary(&again(
            "<testsuite name='a'><testcase name='f'/></testsuite>",
        ));
        assert!(flaky.passed());
        assert_eq!(
            (flaky.flaky, flaky.failed.len(), flaky.more_failed),
            (1, 0, 0)
        );
        let other_suite = "<testsuite name='b'><testcase name='f'/></testsuite>";
        let other_class = "<testsuite name='a'><testcase name='f' classname='c'/></testsuite>";
        let skipped = "<testsuite name='a'><testcase name='f'><skipped/></testcase></testsuite>";
        for no_pass in [other_suite, other_class, skipped] {
            assert!(!summary(&again(no_pass)).passed(), "{no_pass}");
        }
    }

    #[test]
    fn attempts_that_a_tool_tells_of_in_one_case_are_flaky() {
        let xml = "<testsuite failures='0'><testcase name='a'><flakyFailure message='m'/>\
                   <flakyError/></testcase><testcase name='b'><failure/><rerunFailure/></testcase>\
                   <testcase><flakyFailure/></testcase></testsuite>";
        let flaky = summary(xml);
        assert_eq!((flaky.tests, flaky.flaky, flaky.failures), (5, 1, 1));
        let mut attempts = Vec::new();
        read(xml.as_bytes(), "j.xml", |_, case| {
            attempts.push((case.name, case.outcome.fault().map(|f| f.message.clone())));
        })
        .unwrap();
        assert_eq!(attempts[0], ("a".to_owned(), Some("m".to_owned())));
        assert_eq!(attempts[2], ("a".to_owned(), None));
    }

    #[test]
    fn several_failures_of_one_case_are_one_failed_test() {
        let xml = "<testsuite failures='2'><testcase name='a'><failure message='m'>t</failure>\
                   <failure message='n'>u</failure></testcase></testsuite>";
        assert_eq!(counts(xml), (1, 1, 0, 0));
        let mut texts = Vec::new();
        read(xml.as_bytes(), "j.xml", |_, case| {
            texts.extend(case.outcome.fault().map(|fault| fault.text.clone()));
        })
        .unwrap();
        assert_eq!(texts, ["t\n\nn\nu"]);
    }

    #[test]
    fn cases_within_a_case_count() {
        let xml = format!(
            "<testsuite name='s'><testcase name='outer'>{FAILED}\
             <testsuite name='inner'>{FAILED}</testsuite></testcase></testsuite>"
        );
        assert_eq!(counts(&xml), (3, 2, 0, 0));
        // A step that failed is not taken back by another test's step of that name.
        let steps = format!(
            "<testsuite><testcase name='a'>{FAILED}</testcase>\
             <testcase name='b'><testcase name='f'/></testcase></testsuite>"
        );
        assert!(!summary(&steps).passed());
    }

    #[test]
    fn long_names_that_differ_at_their_ends_only_are_two_tests() {
        let long = "x".repeat(1000);
        let xml = format!(
            "<testsuite><testcase name='{long}1'><failure/></testcase><testcase name='{long}2'/></testsuite>"
        );
        assert!(!summary(&xml).passed());
    }

    #[test]
    fn cases_without_a_name_are_not_the_same_test() {
        let xml = "<testsuite><testcase><failure/></testcase><testcase/></testsuite>";
        assert!(!summary(xml).passed());
    }

    #[test]
    fn a_test_that_passed_and_then_failed_has_failed() {
        let xml = format!("<testsuite><testcase name='f'/>{FAILED}</testsuite>");
        assert!(!summary(&xml).passed());
    }

    #[test]
    fn the_list_of_failed_tests_is_bounded() {
        let long = "x".repeat(1000);
        let many: Vec<String> = (0..250)
            .map(|i| format!("<testcase name='{i}{long}'><failure/></testcase>"))
            .collect();
        let many = many.concat();
        let summary = summary(&format!("<testsuite>{many}</testsuite>"));
        assert_eq!(
            (summary.failures, summary.failed.len(), summary.more_failed),
            (250, 100, 150)
        );
        assert_eq!(summary.failed[0].name.chars().count(), 301);
    }

    #[test]
    fn what_is_no_whole_junit_file_is_refused() {
        assert_eq!(
            refused(""),
            "read j.xml as JUnit: it ends before a root element, near byte 0"
        );
        assert!(refused("<html></html>").contains("its root is <html>"));
        assert!(refused("<testsuite><testcase>").contains("it ends within <testcase>"));
        assert!(refused("<testsuite><testcase></testsuite>").contains("expected `</testcase>`"));
        assert!(refused("<testsuite/><testsuite/>").contains("second root"));
        assert!(refused("x<testsuite/>").contains("text outside"));
        assert!(refused("<testsuite/><![CDATA[]]>").contains("text outside"));
        assert!(refused("<testsuite name='a' name='b'/>").contains("duplicated attribute"));
        assert!(refused("<testsuite failures='many'/>").contains("failures=\"many\""));
        assert!(refused("<testsuite>&bomb;</testsuite>").contains("&bomb;"));
        assert!(refused("<testsuite name='&bomb;'/>").contains("bomb"));
        assert!(refused("<testsuite>\0</testsuite>").contains("control character"));
        assert!(refused(b"<testsuite name='\xe9'/>").contains("not UTF-8"));
        assert!(refused("<?xml version='1.0' encoding='UTF-16'?><testsuite/>").contains("UTF-16"));
        assert!(refused("<testsuite>".repeat(100)).contains("nested"));
    }

    #[test]
    fn a_byte_order_mark_a_declaration_and_a_doctype_are_fine() {
        let xml = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<!DOCTYPE testsuite>\n\
                   <!-- c --><testsuite xmlns:x='y'><x:testcase/></testsuite>\n<!-- d -->\n";
        assert_eq!(counts(xml).0, 1);
    }

    #[test]
    fn a_large_file_is_read_in_bounded_memory_and_cut_texts_are_no_error() {
        let output = "&lt;é]]&gt;".repeat(100_000);
        let xml = format!(
            "<testsuite><testcase><system-out>{output}</system-out></testcase>{FAILED}</testsuite>"
        );
        assert_eq!(counts(&xml), (2, 1, 0, 0));
    }

    #[test]
    fn of_a_long_text_head_and_tail_are_given_and_the_cut_is_marked() {
        let lines: Vec<String> = (0..20_000).map(|n| format!("a &lt; {n}\n")).collect();
        let lines = lines.concat();
        for text in [lines.clone(), format!("<![CDATA[{lines}]]>")] {
            let xml = format!(
                "<testsuite><testcase name='a'><failure>{text}</failure>\
                 <system-out>{text}</system-out></testcase></testsuite>"
            );
            let mut given = Vec::new();
            read(xml.as_bytes(), "j.xml", |_, case| {
                given.extend(case.outcome.fault().map(|fault| fault.text.clone()));
                given.push(case.system_out);
            })
            .unwrap();
            for text in given {
                assert!(text.starts_with("a ") && text.contains(" 100\n"));
                assert!(text.contains("\n[… ") && text.contains(" bytes left out …]\na "));
                assert!(text.ends_with(" 19999\n") && text.len() < 70_000);
            }
        }
    }

    #[test]
    fn a_disabled_test_of_google_test_did_not_pass() {
        // As GoogleTest writes it.
        let summary = summary(
            "<testsuites tests='3' failures='1' disabled='1' errors='0'>\
             <testsuite name='S' tests='3' failures='1' disabled='1' skipped='0'>\
             <testcase name='DISABLED_a' status='notrun' result='suppressed' time='0.'/>\
             <testcase name='b' status='run' result='completed'/>\
             <testcase name='c' status='notrun'><failure message='no'/></testcase>\
             </testsuite></testsuites>",
        );
        let Summary {
            tests,
            failures,
            skipped,
            ..
        } = summary;
        assert_eq!((tests, failures, skipped), (3, 1, 1));
    }

    #[test]
    fn a_case_that_printed_in_several_elements_keeps_them_all() {
        let phase = |text: &str| {
            format!("<system-out>{text}</system-out><system-err>err {text}</system-err>")
        };
        let said = |phases: &str| {
            let xml = format!(
                "<testsuite><testcase name='a'>{phases}</testcase><testcase name='b'/></testsuite>"
            );
            let mut given = Vec::new();
            read(xml.as_bytes(), "test", |_, case| {
                given.push((case.system_out, case.system_err));
            })
            .unwrap();
            assert_eq!(given[1], (String::new(), String::new()));
            given.remove(0)
        };
        let (out, err) = said(&["set up\n", "run", "", "tear down"].map(phase).concat());
        assert_eq!(out, "set up\nrun\ntear down");
        assert_eq!(err, "err set up\nerr run\nerr \nerr tear down");
        let long = "a line of a phase\n".repeat(1000);
        let (out, _) = said(&phase(&long).repeat(20));
        assert!(out.len() < 70_000, "{}", out.len());
        assert!(out.contains("bytes left out …]\n"));
    }

    #[test]
    fn surefire_puts_what_an_attempt_said_into_an_element_of_its_own() {
        let xml = "<testsuite><testcase name='a'><flakyFailure message='m'>\n  \
                   <stackTrace><![CDATA[at A\n]]></stackTrace>\n  \
                   <system-out>said</system-out>\n</flakyFailure></testcase></testsuite>";
        let mut texts = Vec::new();
        read(xml.as_bytes(), "j.xml", |_, case| {
            texts.extend(case.outcome.fault().map(|fault| fault.text.clone()));
        })
        .unwrap();
        assert_eq!(texts, ["at A\n"]);
    }

    #[test]
    fn cases_are_given_as_they_come() {
        use crate::junit::{Detail, Outcome};
        let xml = "<testsuites><testsuite name='s' failures='2'>\
            <testcase name='a' classname='c' time='1,001.5' file='f.py' line='3'>\
            <system-out>x&amp;<![CDATA[y]]></system-out><failure message='m'>t</failure>\
            </testcase><testcase name='b'><skipped>why</skipped></testcase></testsuite></testsuites>";
        let mut cases = Vec::new();
        read(xml.as_bytes(), "j.xml", |suite, case| {
            cases.push((suite.to_owned(), case));
        })
        .unwrap();
        let detail = |message: &str, text: &str| Detail {
            message: message.to_owned(),
            text: text.to_owned(),
        };
        let failed = Case {
            name: "a".to_owned(),
            classname: "c".to_owned(),
            time: Some(std::time::Duration::from_millis(1_001_500)),
            file: Some("f.py".to_owned()),
            line: Some(3),
            outcome: Outcome::Failed(detail("m", "t")),
            system_out: "x&y".to_owned(),
            ..Case::default()
        };
        assert_eq!(cases[0], ("s".to_owned(), failed));
        assert_eq!(cases[1].1.outcome, Outcome::Skipped(detail("why", "why")));
        let message = "the suite counts 2 failures and 0 errors, its cases show 1 and 0";
        assert_eq!(cases[2].1.outcome, Outcome::Errored(detail(message, "")));
    }
}
