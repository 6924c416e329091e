//! Credentials inside URLs, kept out of logs, errors and records.

/// Replaces the user part of every URL in a text that has one by `***`.
///
/// The user goes as well as the password: GitHub takes a token in either place. The user name
/// of `ssh://git@host` is no secret and stays, as long as no password follows it.
pub fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        masked.push_str(before);
        let end = after
            .find(|c: char| c == '/' || c.is_whitespace() || "'\"<>".contains(c))
            .unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host)) if before.ends_with("ssh://") && !user.contains(':') => {
                masked.push_str(user);
                masked.push('@');
                masked.push_str(host);
            }
            Some((_, host)) => {
                masked.push_str("***@");
                masked.push_str(host);
            }
            None => masked.push_str(authority),
        }
        rest = tail;
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_passwords_of_urls_are_masked_wherever_they_stand() {
        for (text, masked) in [
            (
                "fetch https://u:p@h/x.git main",
                "fetch https://***@h/x.git main",
            ),
            (
                "'https://token@h' and https://h/a@b",
                "'https://***@h' and https://h/a@b",
            ),
            ("https://a:b@c:d@h:8/x", "https://***@h:8/x"),
            (
                "ssh://git@h/x ssh://git:p@h/x",
                "ssh://git@h/x ssh://***@h/x",
            ),
            ("git@h:o/r", "git@h:o/r"),
            ("no url", "no url"),
        ] {
            assert_eq!(mask(text), masked);
        }
    }
}
