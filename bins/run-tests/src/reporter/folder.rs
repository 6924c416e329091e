//! The private folder that a tool writes its reports into.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tempfile::TempDir;
use tokio::net::unix::pipe::Receiver;

/// The file that the tool is asked to write.
pub(super) const REPORT: &str = "report.xml";
/// The reports of all runs of the tool.
pub(super) const REPORTS: &str = "report*.xml";

/// A folder of its own for one run; goes away with its content.
pub(crate) struct Folder {
    place: TempDir,
    /// The kernel's word that a file is complete; it is read as a pipe is.
    events: Receiver,
    kept: Cell<u64>,
}

impl Folder {
    /// Makes it.
    pub(crate) fn new() -> io::Result<Self> {
        let place = tempfile::Builder::new().prefix("run-tests-").tempdir()?;
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let flags = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO;
        inotify::add_watch(&events, place.path(), flags)?;
        Ok(Folder {
            place,
            events: Receiver::from_owned_fd_unchecked(events)?,
            kept: Cell::new(0),
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Puts each report aside when it is complete: `make test` may start the tool twice, and
    /// the second report would replace the first, failures and all. Comes back on an error only.
    pub(crate) async fn keep_reports(&self) -> io::Error {
        loop {
            if let Err(error) = self.events.readable().await {
                return error;
            }
            match self.drain().and_then(|()| self.keep()) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return error,
                _ => {}
            }
        }
    }

    /// Which event came does not matter: a report that is put aside while it is written is
    /// complete there when its writer is done.
    fn drain(&self) -> io::Result<()> {
        let mut events = [0; 4096];
        loop {
            match self.events.try_read(&mut events) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn keep(&self) -> io::Result<()> {
        let number = self.kept.get() + 1;
        let aside = format!("report-{number:06}.xml");
        match std::fs::rename(self.report(), self.path().join(aside)) {
            // The event was another file's.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                self.kept.set(number);
                Ok(())
            }
        }
    }

    fn report(&self) -> PathBuf {
        self.path().join(REPORT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_report_that_is_written_again_does_not_replace_the_one_before() {
        let folder = Folder::new().unwrap();
        let report = folder.report();
        let count = || std::fs::read_dir(folder.path()).unwrap().count();
        let write = async {
            for number in 1..=3 {
                std::fs::write(&report, number.to_string()).unwrap();
                while report.exists() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            // Also where the tool renames a complete file.
            let other = folder.path().join("other");
            std::fs::write(&other, "4").unwrap();
            std::fs::rename(&other, &report).unwrap();
            while report.exists() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = write => {}
            error = folder.keep_reports() => panic!("{error}"),
        }
        assert_eq!(count(), 4);
        let third = folder.path().join("report-000003.xml");
        assert_eq!(std::fs::read_to_string(third).unwrap(), "3");
    }
}
