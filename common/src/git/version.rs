//! Which git this is.

use crate::app::Stop;
use crate::{Error, Result};

use super::Git;

/// The oldest git that does what is asked of it: `merge-tree --write-tree` came with 2.38, and
/// one before 2.31 would not see the settings that make it safe.
const OLDEST: (u32, u32) = (2, 38);

/// Refuses a git that is too old, before it does anything.
pub async fn check_version(stop: &Stop) -> Result<()> {
    let said = Git::at("").text(["version"], stop).await?;
    match parse(&said) {
        Some(version) if version < OLDEST => {
            let (major, minor) = OLDEST;
            Err(Error::usage(format!("{said:?} is too old"))
                .hint(format!("git {major}.{minor} or newer is needed")))
        }
        // One that says something else may be newer than this program.
        _ => Ok(()),
    }
}

fn parse(said: &str) -> Option<(u32, u32)> {
    let version = said.strip_prefix("git version ")?;
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_gits_say_them() {
        assert_eq!(parse("git version 2.39.5"), Some((2, 39)));
        assert_eq!(parse("git version 2.9.0.rc1"), Some((2, 9)));
        assert_eq!(parse("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(parse("git version 2.50.windows.1"), Some((2, 50)));
        assert_eq!(parse("jgit 6"), None);
        assert!((2, 9) < OLDEST && (3, 0) > OLDEST);
    }
}
