//! What a registry asks of whoever it does not know. Source: RFC 7235, and the distribution
//! specification's page on token authentication.

/// A challenge of `WWW-Authenticate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token that another server gives.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

impl Challenge {
    /// Reads the header's value; `None` for a scheme that we do not speak.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        for (name, value) in parameters(rest) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "scope" => scope = Some(value),
                _ => {}
            }
        }
        Some(Challenge::Bearer {
            realm: realm?,
            service,
            scope,
        })
    }
}

/// `name="value",name=value`; a quoted value may hold commas.
fn parameters(mut text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    while let Some((name, rest)) = text.split_once('=') {
        let name = name.trim_matches([',', ' ', '\t']);
        let (value, rest) = if let Some(quoted) = rest.strip_prefix('"') {
            unquote(quoted)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest[..end].trim().to_owned(), &rest[end..])
        };
        found.push((name, value));
        text = rest;
    }
    found
}

/// A quoted string up to its end, and what follows.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_of_real_registries_are_read() {
        // Docker Hub's, and Artifact Registry's.
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/app:pull,push""#;
        assert_eq!(
            Challenge::parse(hub),
            Some(Challenge::Bearer {
                realm: "https://auth.docker.io/token".to_owned(),
                service: Some("registry.docker.io".to_owned()),
                scope: Some("repository:library/app:pull,push".to_owned()),
            })
        );
        let google =
            r#"Bearer realm="https://us-docker.pkg.dev/v2/token", service="us-docker.pkg.dev""#;
        let Some(Challenge::Bearer { realm, scope, .. }) = Challenge::parse(google) else {
            panic!("no challenge");
        };
        assert_eq!(
            (realm.as_str(), scope),
            ("https://us-docker.pkg.dev/v2/token", None)
        );
        assert_eq!(
            Challenge::parse(r#"Basic realm="x""#),
            Some(Challenge::Basic)
        );
        assert_eq!(Challenge::parse("basic"), Some(Challenge::Basic));
    }

    #[test]
    fn what_makes_no_sense_is_no_challenge() {
        for header in [
            "",
            "Negotiate",
            "Bearer",
            "Bearer service=x",
            "Bearer ===",
            "Digest realm=\"x\"",
        ] {
            assert_eq!(Challenge::parse(header), None, "{header}");
        }
        let Some(Challenge::Bearer { realm, .. }) = Challenge::parse(r#"bearer realm="a\"b"#)
        else {
            panic!("no challenge");
        };
        assert_eq!(realm, "a\"b");
    }
}
