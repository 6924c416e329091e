//! Shows what a step prints while it runs.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use common::redact::Redactor;
use futures::future::join_all;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::client::{Cluster, Pauses};
use super::evidence::{Subject, log_request, parsed, pod_request};
use super::executor::Executor;
use super::fault::Fault;
use super::pod;
use crate::output::Output;

/// How long one waits for the next line before looking whether any is to be expected.
const PAUSE: Duration = Duration::from_secs(5);

/// Longest line that is shown in one piece.
const LONGEST_LINE: usize = 64 * 1024;

/// Where lines of steps go.
pub(super) struct Screen<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) rules: &'a common::redact::Rules,
    pub(super) output: Rc<Output>,
}

impl Screen<'_> {
    /// Shows what the step's own containers print until they have ended; no longer than until
    /// `is_over`, from when on only what is there already is shown.
    pub(super) async fn follow(&self, subject: &Subject, prefix: &str, is_over: Rc<Cell<bool>>) {
        let containers = match self.containers(subject, &is_over).await {
            Ok(containers) => containers,
            Err(fault) => {
                return warn!("the output of step {} is not shown: {fault}", subject.step);
            }
        };
        let follow = containers
            .iter()
            .map(|name| self.container(subject, name, prefix, &is_over));
        join_all(follow).await;
    }

    /// Shows what a step printed.
    pub(super) async fn show_file(&self, log: &Path, label: &str) {
        let shown = async {
            let mut file = tokio::fs::File::open(log).await?;
            let mut lines = Prefixed::new(&format!("[{label}] "), self.rules.redactor());
            let mut piece = vec![0; 64 * 1024];
            loop {
                let length = file.read(&mut piece).await?;
                if length == 0 {
                    break;
                }
                lines.push(&piece[..length]);
                self.output.show(&lines.take()).await;
            }
            self.output.show(&lines.finish()).await;
            std::io::Result::Ok(())
        };
        if let Err(error) = shown.await {
            warn!("show {}: {error}", log.display());
        }
    }

    async fn containers(
        &self,
        subject: &Subject,
        is_over: &Cell<bool>,
    ) -> Result<Vec<String>, Fault> {
        let until = Instant::now() + Duration::from_mins(5);
        loop {
            let request = pod_request(&subject.resource, &subject.pod)?;
            let pod = parsed(&self.cluster.send_until(until, &request).await?)?;
            let own: Vec<_> = (pod::containers(&pod).into_iter())
                .filter(|container| !pod::is_argos(&container.name))
                .collect();
            if own.iter().any(|container| container.has_started) {
                return Ok(own.into_iter().map(|container| container.name).collect());
            }
            if is_over.get() || Instant::now() > until {
                return Ok(Vec::new());
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    async fn container(&self, subject: &Subject, name: &str, prefix: &str, is_over: &Cell<bool>) {
        let mut lines = Prefixed::new(
            &format!("[{prefix}{}] ", subject.step),
            self.rules.redactor(),
        );
        let mut last = String::new();
        let mut pauses = Pauses::default();
        loop {
            let shown = self
                .once(subject, name, &mut last, &mut lines, is_over)
                .await;
            match shown {
                Ok(()) => break,
                Err(fault) if is_over.get() || !fault.may_pass() => {
                    debug!("follow container {name} of {}: {fault}", subject.pod);
                    break;
                }
                Err(fault) => sleep(pauses.next(fault.wait())).await,
            }
        }
        let rest = lines.finish();
        self.output.show(&rest).await;
    }

    /// Shows what comes behind the line of this time, until the connection ends. Each line has
    /// its time, by which a connection that broke is resumed.
    async fn once(
        &self,
        subject: &Subject,
        container: &str,
        last: &mut String,
        lines: &mut Prefixed,
        is_over: &Cell<bool>,
    ) -> Result<(), Fault> {
        let mut options = vec![("follow", "true"), ("timestamps", "true")];
        let since = last.clone();
        if !since.is_empty() {
            options.push(("sinceTime", since.as_str()));
        }
        let request = log_request(&subject.resource, &subject.pod, container, &options)?;
        let mut pieces = self.cluster.open(request).await?;
        let mut buffer = Vec::new();
        loop {
            match pieces.next(PAUSE).await {
                None => return Ok(()),
                Some(Err(Fault::Stalled(_))) if !is_over.get() => continue,
                Some(Err(fault)) => return Err(fault),
                Some(Ok(piece)) => buffer.extend_from_slice(&piece),
            }
            let whole = buffer
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            for line in buffer[..whole].split_inclusive(|byte| *byte == b'\n') {
                let at = line.iter().position(|byte| *byte == b' ').unwrap_or(0);
                let (time, text) = line.split_at(at);
                let time = String::from_utf8_lossy(time);
                // The server knows seconds only: it sends some lines again.
                if *time > **last {
                    *last = time.into_owned();
                    lines.push(text.strip_prefix(b" ").unwrap_or(text));
                }
            }
            buffer.drain(..whole);
            self.output.show(&lines.take()).await;
        }
    }
}

/// Lines with a step's name before each, without secrets, and without those that are not the step's.
pub(super) struct Prefixed {
    prefix: String,
    redactor: Redactor,
    executor: Executor,
    /// A line without its end.
    partial: Vec<u8>,
    ready: Vec<u8>,
}

impl Prefixed {
    pub(super) fn new(prefix: &str, redactor: Redactor) -> Self {
        Prefixed {
            prefix: common::on_one_line(prefix),
            redactor,
            executor: Executor::default(),
            partial: Vec::new(),
            ready: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, text: &[u8]) {
        self.partial.extend_from_slice(self.redactor.push(text));
        let whole = self
            .partial
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        for line in self.partial[..whole].split_inclusive(|byte| *byte == b'\n') {
            if !self.executor.says(line) {
                self.ready.extend_from_slice(self.prefix.as_bytes());
                self.ready.extend_from_slice(line);
            }
        }
        self.partial.drain(..whole);
        if self.partial.len() > LONGEST_LINE {
            self.end_line();
        }
    }

    /// The whole lines so far.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }

    /// The rest; a last line gets its end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let rest = self.redactor.finish().to_vec();
        self.partial.extend_from_slice(&rest);
        if !self.partial.is_empty() {
            self.end_line();
        }
        self.ready
    }

    fn end_line(&mut self) {
        self.ready.extend_from_slice(self.prefix.as_bytes());
        self.ready.append(&mut self.partial);
        self.ready.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use common::redact::Secrets;

    use super::*;

    #[test]
    fn every_line_has_its_steps_name_and_no_secret() {
        let mut secrets = Secrets::default();
        secrets.add("x", b"correct horse");
        let rules = secrets.compile().unwrap();
        let mut lines = Prefixed::new("[e2e/unit\n] ", rules.redactor());
        lines.push(b"one correct ");
        lines.push(b"horse\ntwo\nthr");
        let start = lines.take();
        let all = [start, lines.finish()].concat();
        assert_eq!(
            String::from_utf8(all).unwrap(),
            "[e2e/unit\\n] one XXXXXXXXXXXXX\n[e2e/unit\\n] two\n[e2e/unit\\n] thr\n"
        );
    }

    #[test]
    fn a_line_without_end_needs_no_more_memory_than_the_longest() {
        let rules = Secrets::default().compile().unwrap();
        let mut lines = Prefixed::new("", rules.redactor());
        for _ in 0..100 {
            lines.push(&[b'x'; 1024]);
            lines.take();
            assert!(lines.partial.len() <= LONGEST_LINE + 1024);
        }
    }
}
