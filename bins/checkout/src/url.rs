//! Where a repository is cloned from: checked, and its credentials kept apart.

use std::fmt;

use common::{Error, Result, git};

use crate::credentials::Secret;

/// A URL that git may be given: https, http, ssh, git, file, an absolute path, or `user@host:path`.
/// Prints without the credentials that it may carry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CloneUrl {
    /// Without credentials; what `origin` is set to.
    plain: String,
    /// The user that an http URL names, and the password.
    user: Option<(String, Option<Secret>)>,
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
        if url
            .chars()
            .any(|c| c.is_control() || (c.is_whitespace() && c != ' '))
        {
            return refuse("there is a control character in it");
        }
        let scheme = SCHEMES.iter().find(|scheme| url.starts_with(**scheme));
        let Some(scheme) = scheme else {
            return if url.starts_with('/') || is_scp_form(url) {
                Ok(CloneUrl {
                    plain: url.to_owned(),
                    user: None,
                })
            } else {
                refuse("git is not given such a URL")
            };
        };
        // Git reads an escaped space in each of these, and curl no other.
        let url = &url.replace(' ', "%20");
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
                user: Some(split(user)),
            },
            None => CloneUrl {
                plain: url.to_owned(),
                user: None,
            },
        })
    }

    /// The URL without credentials.
    pub(crate) fn as_str(&self) -> &str {
        &self.plain
    }

    /// The user and the password that it carries.
    pub(crate) fn login(&self) -> Option<(String, Secret)> {
        let (user, password) = self.user.as_ref()?;
        Some((user.clone(), password.clone()?))
    }

    /// For a user without a password: the git setting, name and value, that has git ask its
    /// credential helpers for this user's.
    pub(crate) fn username(&self) -> Option<(String, String)> {
        let (user, None) = self.user.as_ref()? else {
            return None;
        };
        let path = self.plain.find("://").map_or(0, |at| at + 3);
        let end = self.plain[path..]
            .find('/')
            .map_or(self.plain.len(), |at| path + at);
        let server = &self.plain[..end];
        Some((format!("credential.{server}/.username"), user.clone()))
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

/// A user, and the password behind the first colon.
fn split(user: &str) -> (String, Option<Secret>) {
    let decoded = |text| String::from_utf8_lossy(&percent_decoded(text)).into_owned();
    match user.split_once(':') {
        Some((user, password)) => (decoded(user), Some(Secret::new(decoded(password)))),
        None => (decoded(user), None),
    }
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
            "https://h/a\tb",
            "https://h/a\nb",
            "ssh://git:secret@h/x",
            "git://u:secret@h/x",
        ] {
            let error = CloneUrl::parse("clone_uri", url).unwrap_err();
            assert_eq!(error.exit(), common::Exit::Usage, "{url}");
        }
    }

    #[test]
    fn a_space_is_written_as_urls_have_it() {
        for (url, plain) in [
            ("https://h/a b/c", "https://h/a%20b/c"),
            ("file:///a b", "file:///a%20b"),
            ("/a b", "/a b"),
            ("git@h:a b", "git@h:a b"),
        ] {
            assert_eq!(CloneUrl::parse("url", url).unwrap().as_str(), plain);
        }
    }

    #[test]
    fn credentials_are_kept_apart() {
        let url = CloneUrl::parse("url", "https://u:secret@h:8/o/r").unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "https://h:8/o/r \"https://h:8/o/r\""
        );
        assert_eq!(url.login(), Some(("u".to_owned(), Secret::new("secret"))));
        assert_eq!(url.username(), None);
        let user_alone = CloneUrl::parse("url", "https://me%40x@h/o/r").unwrap();
        assert_eq!(user_alone.login(), None);
        let setting = ("credential.https://h/.username", "me@x");
        assert_eq!(
            user_alone.username(),
            Some((setting.0.into(), setting.1.into()))
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
