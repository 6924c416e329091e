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
        let mut xml = Writer::new_with_indent(out, b' ', 2);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let mut root = BytesStart::new("testsuites");
        let cases = self.suites.iter().flat_map(|suite| &suite.cases);
        attribute(&mut root, "name", &self.name);
        counts(&mut root, Counts::of(cases));
        time(&mut root, self.time);
        xml.write_event(Event::Start(root))?;
        for suite in &self.suites {
            write_suite(&mut xml, suite)?;
        }
        xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
        let mut out = xml.into_inner();
        out.write_all(b"\n")?;
        out.flush()
    }
}

fn write_suite<W: Write>(xml: &mut Writer<W>, suite: &Suite) -> io::Result<()> {
    let mut start = BytesStart::new("testsuite");
    attribute(&mut start, "name", &suite.name);
    counts(&mut start, Counts::of(&suite.cases));
    time(&mut start, suite.time);
    if let Some(timestamp) = suite.timestamp {
        let timestamp = humantime::format_rfc3339_seconds(timestamp).to_string();
        attribute(&mut start, "timestamp", &timestamp);
    }
    if let Some(hostname) = &suite.hostname {
        attribute(&mut start, "hostname", hostname);
    }
    xml.write_event(Event::Start(start))?;
    if !suite.properties.is_empty() {
        xml.write_event(Event::Start(BytesStart::new("properties")))?;
        for (name, value) in &suite.properties {
            let mut property = BytesStart::new("property");
            attribute(&mut property, "name", name);
            attribute(&mut property, "value", value);
            xml.write_event(Event::Empty(property))?;
        }
        xml.write_event(Event::End(BytesEnd::new("properties")))?;
    }
    for case in &suite.cases {
        write_case(xml, case)?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuite")))
}

fn write_case<W: Write>(xml: &mut Writer<W>, case: &Case) -> io::Result<()> {
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
    let silent = case.system_out.is_empty() && case.system_err.is_empty();
    if case.outcome == Outcome::Passed && silent {
        return xml.write_event(Event::Empty(start));
    }
    xml.write_event(Event::Start(start))?;
    match &case.outcome {
        Outcome::Passed => {}
        Outcome::Failed(detail) => write_detail(xml, "failure", detail)?,
        Outcome::Errored(detail) => write_detail(xml, "error", detail)?,
        Outcome::Skipped(detail) => write_detail(xml, "skipped", detail)?,
    }
    for (name, text) in [
        ("system-out", &case.system_out),
        ("system-err", &case.system_err),
    ] {
        if !text.is_empty() {
            write_text(xml, BytesStart::new(name), text)?;
        }
    }
    xml.write_event(Event::End(BytesEnd::new("testcase")))
}

fn write_detail<W: Write>(xml: &mut Writer<W>, element: &str, detail: &Detail) -> io::Result<()> {
    let mut start = BytesStart::new(element);
    if !detail.message.is_empty() {
        attribute(&mut start, "message", &detail.message);
    }
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
