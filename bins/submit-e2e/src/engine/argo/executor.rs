//! Lines that Argo's executor prints among those of a step: in the step's main container it is the first
//! process.

/// Tells the executor's lines from the step's own.
#[derive(Debug, Default)]
pub(super) struct Executor {
    /// The last line was its.
    spoke: bool,
}

impl Executor {
    /// Whether the next line is the executor's: of its log, as text or as JSON, or the `Error: exit status
    /// 3` behind it that it ends with after a step that failed. Source: Argo's `argoexec emissary`.
    pub(super) fn says(&mut self, line: &[u8]) -> bool {
        let is_text =
            line.starts_with(b"time=\"") && memchr::memmem::find(line, b" argo=true").is_some();
        let is_log = is_text || line.starts_with(b"{\"argo\":true,");
        let is_end = self.spoke && line.starts_with(b"Error: ");
        self.spoke = is_log || is_end;
        self.spoke
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executors_lines_are_known_and_a_steps_own_stay() {
        let mut executor = Executor::default();
        // As argoexec 3.7.3 has printed it.
        let lines = [
            ("Error: no such test", false),
            ("time=\"2026-01-01T00:00:00Z\" level=info msg=x", false),
            (
                "time=\"2026-01-01T00:00:00.000Z\" level=info msg=\"sub-process exited\" argo=true error=\"<nil>\"",
                true,
            ),
            ("Error: exit status 3", true),
            (
                "{\"argo\":true,\"level\":\"info\",\"msg\":\"sub-process exited\"}",
                true,
            ),
            ("text", false),
            ("Error: exit status 3", false),
        ];
        for (line, is_its) in lines {
            assert_eq!(executor.says(line.as_bytes()), is_its, "{line}");
        }
    }
}
