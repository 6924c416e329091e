//! What a run knows of its lease: a small file beside its kubeconfig, for the steps that follow.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use common::{Error, Result, ResultExt, whole_file};
use serde::{Deserialize, Serialize};

use super::place::Address;
use super::take::Taken;

/// The end of a note's name.
const SUFFIX: &str = ".lease";

/// A lease that a run has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Where the lease is.
    at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kubeconfig: Option<PathBuf>,
    pub(crate) name: String,
    holder: String,
    fencing: u32,
    /// Until when it is certain that nobody else has it, in RFC 3339.
    good_until: String,
}

impl Note {
    pub(crate) fn new(address: &Address, taken: &Taken) -> Self {
        Note {
            at: address.url(),
            kubeconfig: address.kubeconfig().map(Path::to_owned),
            name: taken.name.clone(),
            holder: taken.holder.clone(),
            fencing: taken.fencing,
            good_until: humantime::format_rfc3339_millis(wall_clock(taken.good_until)).to_string(),
        }
    }

    /// Beside the kubeconfig, for a context of it.
    pub(crate) fn path(kubeconfig: &Path, context: &str) -> PathBuf {
        let mut name = kubeconfig.as_os_str().to_owned();
        name.push(format!(".{context}{SUFFIX}"));
        name.into()
    }

    /// The notes beside a kubeconfig.
    pub(crate) fn beside(kubeconfig: &Path) -> Result<Vec<PathBuf>> {
        let folder = kubeconfig
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let start = kubeconfig.file_name().unwrap_or_default().to_string_lossy();
        let start = format!("{start}.");
        let mut notes = Vec::new();
        let entries = fs::read_dir(folder).or_usage(|| format!("list {}", folder.display()))?;
        for entry in entries {
            let name = entry
                .or_usage(|| format!("list {}", folder.display()))?
                .file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&start) && name.ends_with(SUFFIX) {
                notes.push(folder.join(&*name));
            }
        }
        notes.sort();
        Ok(notes)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let write = |file: &fs::File| Ok(serde_json::to_writer_pretty(file, self)?);
        whole_file::replace_private(path, write).or_failed(|| format!("write {}", path.display()))
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let what = || format!("read the lease in {}", path.display());
        let text = fs::read(path)
            .or_usage(what)
            .map_err(|error| error.hint("it was given back, or `get --lease` never took it"))?;
        serde_json::from_slice(&text).or_usage(what)
    }

    /// What was noted beside a kubeconfig for this place by processes of the same run, which has
    /// the name that `holder` begins with.
    pub(crate) fn of_run(kubeconfig: &Path, at: &Address, holder: &str) -> Vec<Taken> {
        let run = |holder: &str| holder.rsplit_once('-').map(|(run, _)| run.to_owned());
        let is_ours = |note: &Note| {
            note.at == at.url()
                && note.kubeconfig.as_deref() == at.kubeconfig()
                && run(&note.holder) == run(holder)
        };
        // A folder that is not there yet has no notes; one that cannot be read is told of later.
        let notes = Note::beside(kubeconfig).unwrap_or_default();
        let notes = notes.iter().filter_map(|path| Note::read(path).ok());
        notes.filter(is_ours).map(|note| note.taken()).collect()
    }

    /// Removes the note of a taking, unless it is another one's by now.
    pub(crate) fn forget(path: &Path, taken: &Taken) -> std::io::Result<()> {
        let is_another = |note: Note| note.holder != taken.holder || note.fencing != taken.fencing;
        if Note::read(path).is_ok_and(is_another) {
            return Ok(());
        }
        fs::remove_file(path)
    }

    /// Where the lease is.
    pub(crate) fn address(&self) -> Result<Address> {
        Address::parse(&self.at, self.kubeconfig.as_deref())
    }

    /// The lease, for giving it back.
    pub(crate) fn taken(&self) -> Taken {
        Taken {
            name: self.name.clone(),
            holder: self.holder.clone(),
            fencing: self.fencing,
            good_until: Instant::now(),
        }
    }

    /// The end of the lease; an error, if that is past.
    pub(crate) fn good_until(&self, now: SystemTime) -> Result<SystemTime> {
        let end = humantime::parse_rfc3339(&self.good_until)
            .or_usage(|| format!("read the time {:?}", self.good_until))?;
        if end <= now {
            let name = &self.name;
            return Err(
                Error::failed(format!("the lease {name} ran out at {}", self.good_until))
                    .hint("another run may have the cluster now; take one anew with `get --lease`"),
            );
        }
        Ok(end)
    }
}

/// The same time by the clock that other processes have.
pub(crate) fn wall_clock(instant: Instant) -> SystemTime {
    let (now, wall) = (Instant::now(), SystemTime::now());
    match instant.checked_duration_since(now) {
        Some(left) => wall + left,
        None => wall - now.duration_since(instant),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_note_is_found_beside_its_kubeconfig_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let taken = Taken {
            name: "gke.p.l.c".to_owned(),
            holder: "job-1".to_owned(),
            fencing: 3,
            good_until: Instant::now() + Duration::from_mins(1),
        };
        let note = Note::new(&Address::Folder("/leases".into()), &taken);
        let path = Note::path(&kubeconfig, "gke_p_l_c");
        note.write(&path).unwrap();
        std::fs::write(folder.path().join("other.gke_p_l_c.lease"), "").unwrap();
        assert_eq!(
            Note::beside(&kubeconfig).unwrap(),
            std::slice::from_ref(&path)
        );
        let read = Note::read(&path).unwrap();
        assert_eq!(read, note);
        let now = SystemTime::now();
        let end = read.good_until(now).unwrap();
        assert!(end > now + Duration::from_secs(58) && end < now + Duration::from_secs(61));
        assert!(read.good_until(end).is_err());
        let at = Address::Folder("/leases".into());
        let of_run = |at, holder| Note::of_run(&kubeconfig, at, holder).len();
        assert_eq!(of_run(&at, "job-2"), 1, "the number tells processes apart");
        assert_eq!(of_run(&at, "other-1"), 0);
        assert_eq!(of_run(&Address::Folder("/others".into()), "job-2"), 0);
        let later = Taken {
            fencing: 4,
            ..read.taken()
        };
        Note::forget(&path, &later).unwrap();
        assert!(path.exists());
        Note::forget(&path, &read.taken()).unwrap();
        assert!(!path.exists());
    }
}
