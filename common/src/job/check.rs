//! Names that come from outside and become folders, refs and arguments.

use crate::{Error, Result};

/// Checks a name that becomes one folder of a path: not empty, no separator, not `..`, not
/// `.git`, no control character, and not to be taken for an option or for a tag of an Argo template.
pub fn check_segment(what: &str, name: &str) -> Result<()> {
    let bad = name.is_empty()
        || name == "."
        || name == ".."
        || name.eq_ignore_ascii_case(".git")
        || name.starts_with('-')
        || name.contains("{{")
        || name
            .chars()
            .any(|c| c == '/' || c == '\\' || c.is_control());
    if bad {
        Err(Error::usage(format!(
            "{what} {name:?} cannot be a folder's name"
        )))
    } else {
        Ok(())
    }
}

/// Checks a commit id: empty, or 4 to 64 hexadecimal digits.
pub fn check_sha(what: &str, sha: &str) -> Result<()> {
    let good = sha.is_empty()
        || ((4..=64).contains(&sha.len()) && sha.bytes().all(|b| b.is_ascii_hexdigit()));
    if good {
        Ok(())
    } else {
        Err(Error::usage(format!("{what} {sha:?} is not a commit id")))
    }
}

/// Checks a branch, tag or full ref by the part of git-check-ref-format(1) that matters for
/// safety: no option, no path tricks, no revision or refspec syntax. Nor may it hold a tag of an
/// Argo template, into which it is put. Empty is no ref.
pub fn check_ref(what: &str, name: &str) -> Result<()> {
    let bad = name.starts_with(['-', '/', '+'])
        || name.ends_with('/')
        || name.contains("..")
        || name.contains("//")
        || name.contains("@{")
        || name.contains("{{")
        || name
            .chars()
            .any(|c| c.is_control() || " ~^:?*[\\".contains(c));
    if bad {
        Err(Error::usage(format!("{what} {name:?} is not a ref's name")))
    } else {
        Ok(())
    }
}
