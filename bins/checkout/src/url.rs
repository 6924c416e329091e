//! Where a repository is cloned from: checked, and its credentials kept apart.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use common::{Error, Result, git};

/// A URL that git may be given: https, http, ssh, git, file, an absolute path, or `user@host:path`.
/// Prints without the credentials that it may carry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CloneUrl {
    /// Without credentials; what `origin` is set to.
    plain: String,
    /// The git setting that has the credentials: its name and its value.
    credentials: Option<(String, String)>,
}

const SCHEMES: [&str; 5] = ["https://", "http://", "ssh://", "git://", "file:///"];

impl CloneUrl {
    /// Checks a URL; `what` names where it comes from.
    pub(crate) fn parse(what: &str, url: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Err(
                Error::usage(format!("{what} {:?}: {why}", git::mask(url))).hint(
                    "use an https, http, ssh, git or file URL, an absolute path or user@host:path",
                ),
            )
        };
        if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return refuse("there is a space or a control character in it");
        }
        let scheme = SCHEMES.iter().find(|scheme| url.starts_with(**scheme));
        let Some(scheme) = scheme else {
            return if url.starts_with('/') || is_scp_form(url) {
                Ok(CloneUrl {
                    plain: url.to_owned(),
                    credentials: None,
                })
            } else {
                refuse("git is not given such a URL")
            };
        };
        let rest = &url[scheme.len()..];
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if *scheme != "file:///" && (host.is_empty() || host.starts_with('-')) {
            return refuse("there is no host in it");
        }
        if user.is_some_and(|user| user.starts_with('-')) {
            return refuse("its user starts with a dash");
        }
        let is_http = scheme.starts_with("http");
        if !is_http && *scheme != "file:///" && user.is_some_and(|user| user.contains(':')) {
            return refuse("git takes a password in an https URL only");
        }
        Ok(match user.filter(|_| is_http) {
            Some(user) => CloneUrl {
                plain: format!("{scheme}{host}{path}"),
                credentials: Some(setting(&format!("{scheme}{host}/"), user)),
            },
            None => CloneUrl {
                plain: url.to_owned(),
                credentials: None,
            },
        })
    }

    /// The URL without credentials.
    pub(crate) fn as_str(&self) -> &str {
        &self.plain
    }

    /// The git setting that adds the credentials on the wire, name and value. So they are in no
    /// command line, git's own ones included, and not in the clone's configuration.
    pub(crate) fn credentials(&self) -> Option<(String, String)> {
        self.credentials.clone()
    }

    /// Whether it is a folder of this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.plain.starts_with('/') || self.plain.starts_with("file:")
    }

    /// Whether another spelling means the same repository: `.git` and a last slash add nothing.
    pub(crate) fn is_same(&self, other: &str) -> bool {
        fn bare(url: &str) -> &str {
            let url = url.trim_end_matches('/');
            url.strip_suffix(".git").unwrap_or(url)
        }
        bare(&self.plain) == bare(other)
    }
}

impl fmt::Display for CloneUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&git::mask(&self.plain))
    }
}

impl fmt::Debug for CloneUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.to_string())
    }
}

/// A user with a password goes with each request. A user alone goes to the credential helpers
/// that git asks for the password. Not `url.….insteadOf`: git hands the URL that comes of it
/// to `git-remote-https` as an argument.
fn setting(server: &str, user: &str) -> (String, String) {
    let Some((name, password)) = user.split_once(':') else {
        let name = String::from_utf8_lossy(&percent_decoded(user)).into_owned();
        return (format!("credential.{server}.username"), name);
    };
    let pair = [
        &percent_decoded(name),
        &b":"[..],
        &percent_decoded(password),
    ]
    .concat();
    let value = format!("Authorization: Basic {}", BASE64_STANDARD.encode(pair));
    (format!("http.{server}.extraHeader"), value)
}

/// `%40` is an `@`; a percent sign without two digits behind it stands for itself.
fn percent_decoded(text: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut rest = text.as_bytes();
    let mut decoded = Vec::new();
    while let [first, tail @ ..] = rest {
        let code = match (first, digit(tail.first()), digit(tail.get(1))) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        decoded.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    decoded
}

/// `user@host:path` or `host:path`, as ssh takes it; `ext::…` and its like are not.
fn is_scp_form(url: &str) -> bool {
    let Some((place, path)) = url.split_once(':') else {
        return false;
    };
    let word = |text: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    let (user, host) = place.split_once('@').unwrap_or(("git", place));
    word(user)
        && word(host)
        && !path.is_empty()
        && !path.starts_with([':', '-'])
        && !path.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_git_may_be_given() {
        for url in [
            "https://github.com/o/r",
            "git://127.0.0.1:9418/o/r",
            "ssh://git@h:22/o/r",
            "git@github.com:o/r.git",
            "/srv/git/r",
            "file:///srv/git/r",
        ] {
            assert_eq!(CloneUrl::parse("url", url).unwrap().to_string(), url);
        }
    }

    #[test]
    fn urls_that_would_run_a_program_or_be_an_option_are_refused() {
        for url in [
            "",
            "ext::sh -c id",
            "ext::id",
            "fd::7",
            "-u/bin/sh",
            "--upload-pack=id",
            "ssh://-oProxyCommand=id/x",
            "ssh://-o@h/x",
            "-oProxyCommand=id:x",
            "relative/path",
            "../up",
            "file://relative",
            "https:///x",
            "https://h/a b",
            "https://h/a\nb",
            "ssh://git:secret@h/x",
            "git://u:secret@h/x",
        ] {
            let error = CloneUrl::parse("clone_uri", url).unwrap_err();
            assert_eq!(error.exit(), common::Exit::Usage, "{url}");
        }
    }

    #[test]
    fn credentials_are_kept_apart() {
        let url = CloneUrl::parse("url", "https://u:secret@h:8/o/r").unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "https://h:8/o/r \"https://h:8/o/r\""
        );
        let setting = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(
            url.credentials(),
            setting(
                "http.https://h:8/.extraHeader",
                "Authorization: Basic dTpzZWNyZXQ="
            )
        );
        let user_alone = CloneUrl::parse("url", "https://me%40x@h/o/r").unwrap();
        assert_eq!(
            user_alone.credentials(),
            setting("credential.https://h/.username", "me@x")
        );
        let error = CloneUrl::parse("url", "ftp://u:secret@h/x").unwrap_err();
        assert!(!error.report().contains("secret"));
    }

    #[test]
    fn percent_signs_are_decoded_as_git_does() {
        assert_eq!(percent_decoded("a%40b%2fc"), b"a@b/c");
        assert_eq!(percent_decoded("100%%4%zz%e9"), b"100%%4%zz\xe9");
    }

    #[test]
    fn a_git_suffix_makes_no_other_repository() {
        let url = CloneUrl::parse("url", "https://h/o/r").unwrap();
        assert!(url.is_same("https://h/o/r.git/"));
        assert!(!url.is_same("https://h/o/r2"));
    }
}
