//! A step's variables on their way into its container. Values may be secrets, so they are in no
//! command line and in no file on a disk: docker reads them from this process' memory.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{MemfdFlags, memfd_create};

/// The longest line that docker reads of a file of variables (Go's `bufio.Scanner`).
const MAX_LINE: usize = 60_000;

/// Variables of which docker itself makes something: a step's value would change the client.
const OF_CLIENT: [&str; 8] = [
    "GODEBUG",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// Variables as docker takes them.
pub(super) struct Variables {
    /// Those that a line can hold.
    lines: OwnedFd,
    /// The others, handed on from the client's own environment.
    handed_on: Vec<(String, String)>,
}

/// Checks the names, and keeps the values for docker to fetch.
pub(super) fn pass(variables: &[(String, String)]) -> Result<Variables, String> {
    let mut lines = String::new();
    let mut handed_on = Vec::new();
    for (name, value) in variables {
        check(name)?;
        if name.len() + value.len() < MAX_LINE && !value.contains(['\n', '\r']) {
            lines.extend([name, "=", value, "\n"]);
        } else if is_of_client(name) {
            return Err(format!(
                "docker cannot be given a value of {name} that is long or has several lines"
            ));
        } else {
            handed_on.push((name.clone(), value.clone()));
        }
    }
    let hold = || {
        let memory = memfd_create("variables", MemfdFlags::CLOEXEC)?;
        File::from(memory.try_clone()?).write_all(lines.as_bytes())?;
        Ok(memory)
    };
    let lines = hold().map_err(|error: std::io::Error| format!("hold the variables: {error}"))?;
    Ok(Variables { lines, handed_on })
}

/// Kubernetes' rule for names.
fn check(name: &str) -> Result<(), String> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let good = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(in_name);
    if good {
        Ok(())
    } else {
        Err(format!("{name:?} is not a variable's name"))
    }
}

fn is_of_client(name: &str) -> bool {
    OF_CLIENT.contains(&name.to_uppercase().as_str()) || name.starts_with("DOCKER_")
}

impl Variables {
    /// The flags that name them.
    pub(super) fn flags(&self) -> Vec<String> {
        let (process, file) = (std::process::id(), self.lines.as_raw_fd());
        let mut flags = vec![format!("--env-file=/proc/{process}/fd/{file}")];
        flags.extend(
            self.handed_on
                .iter()
                .map(|(name, _)| format!("--env={name}")),
        );
        flags
    }

    /// What the client has to have in its own environment.
    pub(super) fn of_client(&self) -> Vec<(OsString, OsString)> {
        let own = self.handed_on.iter();
        own.map(|(name, value)| (name.into(), value.into()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass_one(name: &str, value: &str) -> Result<Variables, String> {
        pass(&[(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn no_value_is_in_a_flag() {
        for value in ["s3cret", "s3cret\nof two lines"] {
            let variables = pass_one("TOKEN", value).unwrap();
            assert!(!variables.flags().join(" ").contains("s3cret"));
        }
    }

    #[test]
    fn what_docker_would_take_for_its_own_or_for_nothing_is_refused() {
        assert!(pass_one("DOCKER_HOST", "a\nb").is_err());
        assert!(pass_one("DOCKER_HOST", "a").unwrap().of_client().is_empty());
        for name in ["", "#A", "A B", "1A", "--env"] {
            assert_eq!(pass_one(name, "x").is_err(), name != "--env", "{name:?}");
        }
    }
}
