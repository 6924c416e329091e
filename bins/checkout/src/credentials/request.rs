//! What git asks of a credential helper and how it is answered, see git-credential(1).

use super::Secret;

/// What git wants to log in to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// `https` or `http`.
    pub protocol: String,
    /// The host, with its port where it is not the protocol's own.
    pub host: String,
    /// The path without its first slash; empty where git does not tell.
    pub path: String,
    /// The user, where the URL names one.
    pub username: String,
}

impl Request {
    /// Reads the lines that git writes; names that are not known are passed over.
    pub(crate) fn parse(text: &str) -> Request {
        let mut request = Request::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let field = match name {
                "protocol" => &mut request.protocol,
                "host" => &mut request.host,
                "path" => &mut request.path,
                "username" => &mut request.username,
                _ => continue,
            };
            value.clone_into(field);
        }
        request
    }

    /// Organisation and repository of a path as GitHub has them: `ORG/REPO`, `ORG/REPO.git`, or
    /// something below, as LFS asks for.
    pub(crate) fn repository(&self) -> Option<(&str, &str)> {
        let (org, rest) = self.path.split_once('/')?;
        let repo = rest.split('/').next()?;
        let repo = repo.strip_suffix(".git").unwrap_or(repo);
        (!org.is_empty() && !repo.is_empty()).then_some((org, repo))
    }
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// The user.
    pub username: String,
    /// The password, or a token in its place.
    pub password: Secret,
}

impl Login {
    /// A token. Servers that take tokens look at the password only; GitHub's installation
    /// tokens want this user.
    pub(crate) fn token(token: Secret) -> Login {
        Login {
            username: "x-access-token".to_owned(),
            password: token,
        }
    }

    /// The lines that git reads.
    pub(crate) fn lines(&self) -> String {
        let password = self.password.reveal();
        format!("username={}\npassword={password}\n", self.username)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_as_git_writes_it() {
        let text = "capability[]=authtype\nprotocol=https\nhost=h:8\npath=o/r.git/info/lfs\n\
                    wwwauth[]=Basic\n\n";
        let request = Request::parse(text);
        assert_eq!((&*request.protocol, &*request.host), ("https", "h:8"));
        assert_eq!(request.repository(), Some(("o", "r")));
        for path in ["", "o", "o/", "/r"] {
            let request = Request::parse(&format!("path={path}"));
            assert_eq!(request.repository(), None, "{path}");
        }
    }

    #[test]
    fn a_login_is_printed_without_its_password() {
        let login = Login::token(Secret::new("hunter2"));
        assert!(!format!("{login:?}{}", login.password).contains("hunter2"));
        assert_eq!(login.lines(), "username=x-access-token\npassword=hunter2\n");
    }
}
