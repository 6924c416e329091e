//! Writes the report, piece by piece.

use std::io::{self, Write};
use std::time::Duration;

use common::junit::{Counts, ReportWriter, render};

use super::Results;
use super::store::Record;

impl Results {
    /// Writes a report, 0 for the command's own: every suite carries these properties and this host's name.
    pub(crate) fn write(
        &mut self,
        out: impl Write,
        file: usize,
        time: Duration,
        properties: &[(String, String)],
        hostname: Option<&str>,
    ) -> io::Result<()> {
        let own = self.suites.iter().filter(|listed| listed.file == file);
        let counts: Counts = own.map(|listed| listed.counts).sum();
        let mut report = ReportWriter::start(out, &self.target, Some(time), counts)?;
        for (number, listed) in self.suites.iter().enumerate() {
            if listed.file != file {
                continue;
            }
            let mut head = listed.suite.clone();
            head.properties.extend_from_slice(properties);
            head.hostname = hostname.map(str::to_owned);
            report.start_suite(&head, listed.counts)?;
            let mut rendered = Vec::new();
            let faults = &self.faults;
            self.store.visit(number, |record| match record {
                Record::Case(rendered) => report.case(rendered),
                Record::Fault(number) => {
                    rendered.clear();
                    let fault = faults.get(number).ok_or(io::ErrorKind::NotFound)?;
                    render(&fault.case, &mut rendered)?;
                    report.case(&rendered)
                }
            })?;
            report.end_suite()?;
        }
        report.end()
    }
}
