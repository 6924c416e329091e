//! Where the kernel allows no mount namespace: paths under a mount are rewritten to where the
//! volume really is, in command, arguments, environment, source and working folder.

use std::path::{Path, PathBuf};

use common::view::Bind;

/// Replaces every mounted path in a text. A path counts where nothing before or after it
/// makes it part of another one: `/data` is found in `--dir=/data/x`, not in `/mydata`.
pub(crate) fn text(text: &str, binds: &[Bind]) -> String {
    let mut rewritten = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        if let Some((source, length)) = bind_at(rest, before, binds) {
            rewritten.push_str(&source);
            before = rest[..length].chars().last();
            rest = &rest[length..];
        } else {
            rewritten.push(first);
            before = Some(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    rewritten
}

/// The longest mounted path at the start of `rest`: where it really is, and its length.
fn bind_at(rest: &str, before: Option<char>, binds: &[Bind]) -> Option<(String, usize)> {
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    if !rest.starts_with('/') || before.is_some_and(in_name) {
        return None;
    }
    let matching = binds.iter().filter_map(|bind| {
        let target = bind.target.to_str()?;
        let after = rest.strip_prefix(target)?.chars().next();
        let ends = after.is_none_or(|c| c == '/' || !in_name(c));
        ends.then(|| (bind.source.display().to_string(), target.len()))
    });
    matching.max_by_key(|(_, length)| *length)
}

/// Where on this machine a path of the step's is.
pub(crate) fn path(path: &Path, binds: &[Bind]) -> PathBuf {
    PathBuf::from(text(&path.display().to_string(), binds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounted_paths_are_found_at_their_borders_only() {
        let bind = |source: &str, target: &str| Bind {
            source: source.into(),
            target: target.into(),
            read_only: false,
        };
        let binds = [bind("/run/v", "/data"), bind("/run/w", "/data/inner")];
        for (before, after) in [
            ("/data", "/run/v"),
            ("--dir=/data/x:/data/inner/y", "--dir=/run/v/x:/run/w/y"),
            ("cat '/data/f' > /data;", "cat '/run/v/f' > /run/v;"),
            (
                "/mydata /data2 /x/data a/data",
                "/mydata /data2 /x/data a/data",
            ),
            ("file:///data/x", "file:///data/x"),
        ] {
            assert_eq!(text(before, &binds), after);
        }
    }
}
