//! Keys and known hosts for ssh.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use common::exec::quote;
use common::{Error, Result, ResultExt};
use rustix::fs::{MemfdFlags, Mode, fchmod, memfd_create};

/// What ssh is told of keys and hosts.
#[derive(Debug, Default)]
pub(super) struct Keys {
    options: Vec<String>,
    /// Keys that ssh reads from this process.
    held: Vec<OwnedFd>,
}

impl Keys {
    /// Checks that the files can be read.
    pub(super) fn new(keys: &[PathBuf], known_hosts: Option<&Path>) -> Result<Keys> {
        let mut all = Keys::default();
        for key in keys {
            let path = all.add(key)?;
            all.option("IdentityFile", &path)?;
        }
        if !keys.is_empty() {
            // No other key of this machine is shown to the server.
            all.options.push("-o IdentitiesOnly=yes".to_owned());
        }
        if let Some(file) = known_hosts {
            let name = || format!("--known-hosts {}", file.display());
            File::open(file).or_usage(name)?;
            all.option("UserKnownHostsFile", &absolute(file)?)?;
            all.option("GlobalKnownHostsFile", "none")?;
            all.options.push("-o StrictHostKeyChecking=yes".to_owned());
        }
        Ok(all)
    }

    /// The ssh that git is to run, as a shell reads it; `None` for git's own choice.
    pub(super) fn command(&self) -> Option<String> {
        if self.options.is_empty() {
            return None;
        }
        let options = self.options.join(" ");
        // Asking would wait for nobody; a server that is gone is noticed.
        Some(format!(
            "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15 {options}"
        ))
    }

    fn option(&mut self, name: &str, value: &str) -> Result<()> {
        // ssh reads words, and `%` and `$` as signs of its own.
        if value.contains(['"', '%', '$', '\n']) {
            return Err(Error::usage(format!(
                "ssh takes no such file name: {value:?}"
            )));
        }
        self.options
            .push(format!("-o {}", quote(&format!("{name}=\"{value}\""))));
        Ok(())
    }

    /// A path from which ssh takes this key. It refuses its user's own file where others may
    /// read it, and that is how Kubernetes mounts secrets unless it is told otherwise; such a
    /// key is read from this process' memory.
    fn add(&mut self, key: &Path) -> Result<String> {
        let what = || format!("--ssh-key {}", key.display());
        let mut file = File::open(key).or_usage(what)?;
        let metadata = file.metadata().or_usage(what)?;
        let is_refused =
            metadata.mode() & 0o077 != 0 && metadata.uid() == rustix::process::getuid().as_raw();
        if !is_refused {
            return absolute(key);
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content).or_usage(what)?;
        let memory = memfd_create("ssh-key", MemfdFlags::CLOEXEC).or_failed(what)?;
        fchmod(&memory, Mode::RUSR).or_failed(what)?;
        let mut writer = File::from(memory.try_clone().or_failed(what)?);
        writer.write_all(&content).or_failed(what)?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), memory.as_raw_fd());
        self.held.push(memory);
        Ok(path)
    }
}

fn absolute(file: &Path) -> Result<String> {
    let absolute = std::path::absolute(file).or_usage(|| file.display().to_string())?;
    Ok(absolute.display().to_string())
}
