//! Writes a report as JUnit XML, in the spelling that Spyglass, TestGrid and Jenkins share.

use std::io::{self, Write};
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::model::{Case, Counts, Detail, Outcome, Report, Suite};
use super::text::clean;

impl Report {
    /// Writes the report as one `<testsuites>` document. Whatever its texts hold, the XML is
    /// valid: they pass through [`clean`].
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let cases = self.suites.iter().flat_map(|suite| &suite.cases);
        let mut writer = ReportWriter::start(out, &self.name, self.time, Counts::of(cases))?;
        let mut xml = Vec::new();
        for suite in &self.suites {
            writer.start_suite(suite, Counts::of(&suite.cases))?;
            for case in &suite.cases {
                xml.clear();
                render(case, &mut xml)?;
                writer.case(&xml)?;
            }
            writer.end_suite()?;
        }
        writer.end()
    }
}

/// Writes a report piece by piece, for reports that do not fit into memory.
pub struct ReportWriter<W: Write> {
    xml: Writer<W>,
}

impl<W: Write> ReportWriter<W> {
    /// Starts the document. The counts are those of all cases that will follow.
    pub fn start(out: W, name: &str, took: Option<Duration>, all: Counts) -> io::Result<Self> {
        let mut xml = Writer::new(out);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let mut root = BytesStart::new("testsuites");
        attribute(&mut root, "name", name);
        counts(&mut root, all);
        time(&mut root, took);
        line(&mut xml, 0)?;
        xml.write_event(Event::Start(root))?;
        Ok(ReportWriter { xml })
    }

    /// Starts a suite; its cases are those given to [`ReportWriter::case`], not its own.
    pub fn start_suite(&mut self, suite: &Suite, all: Counts) -> io::Result<()> {
        let mut start = BytesStart::new("testsuite");
        attribute(&mut start, "name", &suite.name);
        counts(&mut start, all);
        time(&mut start, suite.time);
        if let Some(timestamp) = suite.timestamp {
            let timestamp = humantime::format_rfc3339_seconds(timestamp).to_string();
            attribute(&mut start, "timestamp", &timestamp);
        }
        if let Some(hostname) = &suite.hostname {
            attribute(&mut start, "hostname", hostname);
        }
        line(&mut self.xml, 1)?;
        self.xml.write_event(Event::Start(start))?;
        self.properties(&suite.properties)
    }

    fn properties(&mut self, properties: &[(String, String)]) -> io::Result<()> {
        if properties.is_empty() {
            return Ok(());
        }
        line(&mut self.xml, 2)?;
        let start = BytesStart::new("properties");
        self.xml.write_event(Event::Start(start))?;
        for (name, value) in properties {
            let mut property = BytesStart::new("property");
            attribute(&mut property, "name", name);
            attribute(&mut property, "value", value);
            line(&mut self.xml, 3)?;
            self.xml.write_event(Event::Empty(property))?;
        }
        line(&mut self.xml, 2)?;
        self.xml
            .write_event(Event::End(BytesEnd::new("properties")))
    }

    /// Writes a case that [`render`] made.
    pub fn case(&mut self, rendered: &[u8]) -> io::Result<()> {
        self.xml.get_mut().write_all(rendered)
    }

    /// Ends the suite that was started last.
    pub fn end_suite(&mut self) -> io::Result<()> {
        line(&mut self.xml, 1)?;
        self.xml.write_event(Event::End(BytesEnd::new("testsuite")))
    }

    /// Ends the document.
    pub fn end(mut self) -> io::Result<()> {
        line(&mut self.xml, 0)?;
        let root = BytesEnd::new("testsuites");
        self.xml.write_event(Event::End(root))?;
        let mut out = self.xml.into_inner();
        out.write_all(b"\n")?;
        out.flush()
    }
}

/// Writes a case as it stands in a report, for [`ReportWriter::case`].
pub fn render(case: &Case, out: &mut Vec<u8>) -> io::Result<()> {
    let mut xml = Writer::new(out);
    let mut start = BytesStart::new("testcase");
    attribute(&mut start, "name", &case.name);
    attribute(&mut start, "classname", &case.classname);
    time(&mut start, case.time);
    if let Some(file) = &case.file {
        attribute(&mut start, "file", file);
    }
    if let Some(line) = case.line {
        attribute(&mut start, "line", &line.to_string());
    }
    line(&mut xml, 2)?;
    let silent = case.system_out.is_empty() && case.system_err.is_empty();
    if case.outcome == Outcome::Passed && silent {
        return xml.write_event(Event::Empty(start));
    }
    xml.write_event(Event::Start(start))?;
    match &case.outcome {
        Outcome::Passed => {}
        Outcome::Failed(detail) => write_detail(&mut xml, "failure", detail)?,
        Outcome::Errored(detail) => write_detail(&mut xml, "error", detail)?,
        Outcome::Skipped(detail) => write_detail(&mut xml, "skipped", detail)?,
    }
    for (name, text) in [
        ("system-out", &case.system_out),
        ("system-err", &case.system_err),
    ] {
        if !text.is_empty() {
            line(&mut xml, 3)?;
            write_text(&mut xml, BytesStart::new(name), text)?;
        }
    }
    line(&mut xml, 2)?;
    xml.write_event(Event::End(BytesEnd::new("testcase")))
}

fn write_detail<W: Write>(xml: &mut Writer<W>, element: &str, detail: &Detail) -> io::Result<()> {
    let mut start = BytesStart::new(element);
    if !detail.message.is_empty() {
        attribute(&mut start, "message", &detail.message);
    }
    line(xml, 3)?;
    if detail.text.is_empty() {
        return xml.write_event(Event::Empty(start));
    }
    write_text(xml, start, &detail.text)
}

fn write_text<W: Write>(xml: &mut Writer<W>, start: BytesStart<'_>, text: &str) -> io::Result<()> {
    let end = start.to_end().into_owned();
    xml.write_event(Event::Start(start))?;
    xml.write_event(Event::Text(BytesText::new(&clean(text.as_bytes()))))?;
    xml.write_event(Event::End(end))
}

/// Starts a line at a depth of the document.
fn line<W: Write>(xml: &mut Writer<W>, depth: usize) -> io::Result<()> {
    let start = "\n        ";
    xml.get_mut().write_all(&start.as_bytes()[..=2 * depth])
}

fn counts(start: &mut BytesStart<'_>, counts: Counts) {
    for (name, count) in [
        ("tests", counts.tests),
        ("failures", counts.failures),
        ("errors", counts.errors),
        ("skipped", counts.skipped),
    ] {
        start.push_attribute((name, count.to_string().as_str()));
    }
}

fn time(start: &mut BytesStart<'_>, time: Option<Duration>) {
    if let Some(time) = time {
        start.push_attribute(("time", format!("{:.3}", time.as_secs_f64()).as_str()));
    }
}

fn attribute(start: &mut BytesStart<'_>, name: &str, value: &str) {
    start.push_attribute((name, clean(value.as_bytes()).as_str()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::junit::summarize;
    use std::time::SystemTime;

    fn written(report: &Report) -> String {
        let mut out = Vec::new();
        report.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn case(name: &str, outcome: Outcome) -> Case {
        Case {
            name: name.to_owned(),
            classname: "unit-tests".to_owned(),
            time: Some(Duration::from_millis(1500)),
            outcome,
            ..Case::default()
        }
    }

    fn detail(message: &str, text: &str) -> Detail {
        Detail {
            message: message.to_owned(),
            text: text.to_owned(),
        }
    }

    fn report(cases: Vec<Case>) -> Report {
        let suite = Suite {
            name: "common".to_owned(),
            timestamp: Some(SystemTime::UNIX_EPOCH),
            hostname: Some("node-1".to_owned()),
            properties: vec![("command".to_owned(), "cargo test".to_owned())],
            cases,
            ..Suite::default()
        };
        Report {
            name: "unit-tests".to_owned(),
            time: None,
            suites: vec![suite],
        }
    }

    #[test]
    fn a_report_is_written_as_spyglass_and_testgrid_read_it() {
        let failed = Case {
            file: Some("src/lib.rs".to_owned()),
            line: Some(7),
            system_out: "seen".to_owned(),
            ..case(
                "b",
                Outcome::Failed(detail("left\n\"right\"", "a < b ]]> c")),
            )
        };
        let cases = vec![
            case("a", Outcome::Passed),
            failed,
            case("c", Outcome::Errored(detail("crash", ""))),
            case("d", Outcome::Skipped(Detail::default())),
        ];
        assert_eq!(
            written(&report(cases)),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="unit-tests" tests="4" failures="1" errors="1" skipped="1">
  <testsuite name="common" tests="4" failures="1" errors="1" skipped="1" timestamp="1970-01-01T00:00:00Z" hostname="node-1">
    <properties>
      <property name="command" value="cargo test"/>
    </properties>
    <testcase name="a" classname="unit-tests" time="1.500"/>
    <testcase name="b" classname="unit-tests" time="1.500" file="src/lib.rs" line="7">
      <failure message="left&#10;&quot;right&quot;">a &lt; b ]]&gt; c</failure>
      <system-out>seen</system-out>
    </testcase>
    <testcase name="c" classname="unit-tests" time="1.500">
      <error message="crash"/>
    </testcase>
    <testcase name="d" classname="unit-tests" time="1.500">
      <skipped/>
    </testcase>
  </testsuite>
</testsuites>
"#
        );
    }

    #[test]
    fn what_is_written_reads_back_whatever_the_texts_hold() {
        let nasty = "\0\u{1b}[31m<>&\"']]>\u{fffe}\u{85}\r\n\t<![CDATA[ --> é";
        let mut nasty_case = case(nasty, Outcome::Failed(detail(nasty, nasty)));
        nasty_case.system_out = nasty.to_owned();
        nasty_case.system_err = nasty.to_owned();
        let xml = written(&report(vec![nasty_case, case("ok", Outcome::Passed)]));
        let summary = summarize(xml.as_bytes(), "written").unwrap();
        assert_eq!((summary.tests, summary.failures), (2, 1));
        assert_eq!(summary.failed[0].name, "<>&\"']]>\n\t<![CDATA[ --> é");
    }
}
