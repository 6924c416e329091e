//! Who checkout is to the servers, and how git learns it.
//!
//! The secrets stay in this process. Git gets a credential helper, `checkout credential`, that
//! asks the process through a socket whose place is in git's environment. So no secret is in
//! a command line, a URL, an environment, a configuration or a file, and a token that expires
//! during a long run is a new one the next time that git asks.

mod agent;
mod app;
mod opts;
mod request;
mod ssh;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use common::app as process;
use common::env;
use common::git::Git;
use common::redact::{Rules, Secrets};
use common::{Error, Exit, Result, ResultExt};

use crate::opts::{CredentialRequest, Opts};
use crate::plan::Plan;
use crate::url::CloneUrl;
use agent::Agent;
use app::App;
pub(crate) use common::secret::Secret;
pub(crate) use opts::CredentialOpts;
use request::{Login, Request};

/// A place that a login is for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// `https`, or `http` where that was said or is this machine.
    protocol: String,
    /// With its port, if it has one.
    host: String,
    /// `ORG/REPO` and what is below; empty: all of the host.
    path: String,
}

/// Where a login comes from.
#[derive(Debug)]
enum Source {
    /// A URL, a variable, a file.
    Fixed(Login),
    /// GitHub, for an App.
    App(App),
}

/// All logins that were given to this run.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    logins: Vec<(Place, Source)>,
}

/// How each git of the run is told of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    config: Vec<(String, String)>,
    env: Vec<(String, String)>,
    trouble: Trouble,
    /// What must not be read in git's output.
    secrets: Option<Rules>,
}

/// Why the last login that git asked for was not to be had. Git itself hears only that it was
/// not.
#[derive(Debug, Clone, Default)]
struct Trouble(Rc<RefCell<Option<(Exit, String)>>>);

/// What has to live as long as the gits that use it.
#[derive(Debug)]
pub(crate) struct Session {
    /// For [`crate::plan::Repository`].
    pub access: Access,
    _agent: Option<Agent>,
    _keys: ssh::Keys,
}

impl Credentials {
    /// Those of flags and variables.
    async fn new(opts: &CredentialOpts, base_url: &str, process: &process::App) -> Result<Self> {
        let mut logins = Vec::new();
        for entry in &opts.token_file {
            let (host, file) = entry
                .split_once('=')
                .ok_or_else(|| Error::usage(format!("--token-file {entry:?}: write HOST=FILE")))?;
            let place = Place::of_host(host)?;
            logins.push((place, Source::Fixed(read(Path::new(file))?)));
        }
        let token = match &opts.github_token_file {
            Some(file) => Some(Secret::read("--github-token-file", file)?),
            None => process.env.get(env::GITHUB_TOKEN).map(Secret::new),
        };
        let app = match (&opts.github_app_id, &opts.github_app_private_key_file) {
            (Some(id), Some(key)) => {
                Some(App::new(id, key, &opts.github_api_url, &process.stop).await?)
            }
            _ => None,
        };
        let token = token.map(|token| Source::Fixed(Login::token(token)));
        let Some(source) = app.map(Source::App).or(token) else {
            return Ok(Credentials { logins });
        };
        if let Some(place) = Place::of_url(base_url) {
            logins.push((place, source));
        } else {
            tracing::warn!(
                "the GitHub credentials are not used: the git server is not one of https"
            );
        }
        Ok(Credentials { logins })
    }

    /// Adds what a clone URL carries.
    fn add_url(&mut self, url: &CloneUrl) {
        if let Some((username, password)) = url.login()
            && let Some(place) = Place::exactly(url.as_str())
        {
            let login = Login { username, password };
            self.logins.push((place, Source::Fixed(login)));
        }
    }

    /// What must not be read anywhere. The tokens of an App have the well-known shape of theirs.
    fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        for (place, source) in &self.logins {
            if let Source::Fixed(login) = source {
                let password = login.password.reveal();
                let place = format!("the password for {}", place.host);
                secrets.add(place, password.as_bytes());
            }
        }
        secrets
    }

    /// The login for what git wants to reach; `None` where none was given.
    async fn login(&self, request: &Request) -> Result<Option<Login>> {
        let fitting = self.logins.iter().filter_map(|(place, source)| {
            let rank = place.fits(request)?;
            Some((rank, source))
        });
        // The first of the best: what was said of a path, then of a host.
        let best = fitting.min_by_key(|(rank, _)| *rank);
        match best {
            None => Ok(None),
            Some((_, Source::Fixed(login))) => Ok(Some(login.clone())),
            Some((_, Source::App(app))) => app.login(request).await,
        }
    }
}

impl Place {
    /// A host that was named alone.
    fn of_host(host: &str) -> Result<Place> {
        let bad = host.is_empty()
            || host.starts_with('-')
            || host.contains(|c: char| c == '/' || c == '@' || c.is_whitespace());
        if bad {
            return Err(Error::usage(format!(
                "--token-file: {host:?} is not a host's name"
            )));
        }
        let protocol = if is_this_machine(host) {
            "http"
        } else {
            "https"
        };
        Ok(Place {
            protocol: protocol.to_owned(),
            host: host.to_owned(),
            path: String::new(),
        })
    }

    /// The host of a URL, if a token may be sent there: on this machine's own network nobody
    /// listens, on others it has to be https.
    fn of_url(url: &str) -> Option<Place> {
        let place = Place::exactly(url)?;
        let is_safe = place.protocol == "https" || is_this_machine(&place.host);
        is_safe.then(|| Place {
            path: String::new(),
            ..place
        })
    }

    fn exactly(url: &str) -> Option<Place> {
        let (protocol, rest) = url.split_once("://")?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_end_matches('/');
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        matches!(protocol, "https" | "http").then(|| Place {
            protocol: protocol.to_owned(),
            host: host.to_owned(),
            path: path.strip_suffix(".git").unwrap_or(path).to_owned(),
        })
    }

    /// How well a request fits: 0 for the very path, 1 for the host, 2 for another path of it
    /// (a submodule's), `None` for another host.
    fn fits(&self, request: &Request) -> Option<u8> {
        if self.protocol != request.protocol || self.host != request.host {
            return None;
        }
        if self.path.is_empty() {
            return Some(1);
        }
        let below = request.path.strip_prefix(&self.path);
        let is_same = below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']));
        Some(if is_same { 0 } else { 2 })
    }

    fn url(&self) -> String {
        format!("{}://{}", self.protocol, self.host)
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "[::1]")
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// Reads a token, or a user and a password.
fn read(file: &Path) -> Result<Login> {
    let secret = Secret::read("--token-file", file)?;
    Ok(match secret.reveal().split_once(':') {
        Some((user, password)) => Login {
            username: user.to_owned(),
            password: Secret::new(password),
        },
        None => Login::token(secret),
    })
}

/// The values of a cookie file, in either format that curl reads: fields with tabs between them,
/// of which the last is the value, or `Set-Cookie: NAME=VALUE; …`.
fn add_cookies(secrets: &mut Secrets, file: &Path) -> Result<()> {
    let what = || format!("--cookiefile {}", file.display());
    let text = std::fs::read_to_string(file).or_usage(what)?;
    for line in text.lines() {
        let value = match line.strip_prefix("Set-Cookie:") {
            Some(cookie) => cookie.split(';').next().unwrap_or_default().split_once('='),
            None => line.rsplit_once('\t'),
        };
        if let Some((_, value)) = value {
            secrets.add(what(), value.as_bytes());
        }
    }
    Ok(())
}

impl Session {
    /// Makes everything ready for the gits of a run. It has to be on a `LocalSet`.
    pub(crate) async fn start(opts: &Opts, plan: &Plan, process: &process::App) -> Result<Session> {
        let base_url = &opts.git_base_url;
        let opts = &opts.credentials;
        let mut credentials = Credentials::new(opts, base_url, process).await?;
        for repository in &plan.repositories {
            credentials.add_url(&repository.url);
        }
        let keys = ssh::Keys::new(&opts.ssh_key, opts.known_hosts.as_deref())?;
        let mut access = Access::default();
        let mut secrets = credentials.secrets();
        if let Some(command) = keys.command() {
            access.env.push(("GIT_SSH_COMMAND".to_owned(), command));
            access
                .env
                .push(("GIT_SSH_VARIANT".to_owned(), "ssh".to_owned()));
        }
        if let Some(file) = &opts.cookiefile {
            let file = std::path::absolute(file).or_usage(|| "--cookiefile")?;
            add_cookies(&mut secrets, &file)?;
            let file = file.display().to_string();
            access.config.push(("http.cookieFile".to_owned(), file));
        }
        access.secrets = Some(secrets.with_token_shapes().compile()?);
        let agent = if credentials.logins.is_empty() {
            None
        } else {
            access.use_helper(&credentials)?;
            let agent = Agent::start(Rc::new(credentials), access.trouble.clone())?;
            let socket = agent.socket().display().to_string();
            access.env.push((env::CREDENTIAL_SOCKET.to_owned(), socket));
            Some(agent)
        };
        Ok(Session {
            access,
            _agent: agent,
            _keys: keys,
        })
    }
}

impl Access {
    /// Makes git ask this program for each host that it knows something of, and nobody else:
    /// a person's helper would be told to store a token that is not theirs to keep.
    fn use_helper(&mut self, credentials: &Credentials) -> Result<()> {
        let program = std::env::current_exe().or_failed(|| "find this program's own file")?;
        let program = common::exec::quote(&program.to_string_lossy());
        // Whatever else git starts has no use for it.
        self.env.push((env::GITHUB_TOKEN.to_owned(), String::new()));
        let mut urls: Vec<String> = credentials
            .logins
            .iter()
            .map(|(place, _)| place.url())
            .collect();
        urls.sort();
        urls.dedup();
        for url in urls {
            let mut set = |key: &str, value: String| {
                self.config.push((format!("credential.{url}.{key}"), value));
            };
            set("helper", String::new());
            set("helper", format!("!{program} credential"));
            // GitHub's tokens are for a repository's owner.
            set("useHttpPath", "true".to_owned());
        }
        Ok(())
    }

    /// Why a git that failed got no login, where that is the reason.
    pub(crate) fn error(&self, name: &str) -> Option<Error> {
        let (exit, report) = self.trouble.0.borrow().clone()?;
        let what = format!("{name}: get the credentials for git");
        let error = match exit {
            Exit::Unavailable => Error::unavailable(what),
            Exit::Usage => Error::usage(what),
            _ => Error::failed(what),
        };
        Some(error.because(report))
    }

    /// What git printed, without secrets: a server or a proxy may repeat what it was sent.
    pub(crate) fn redact(&self, text: &str) -> String {
        match &self.secrets {
            Some(secrets) => secrets.redact(text),
            None => text.to_owned(),
        }
    }

    /// Git with access.
    pub(crate) fn apply(&self, mut git: Git) -> Git {
        if let Some(secrets) = &self.secrets {
            git = git.secrets(secrets.clone());
        }
        for (key, value) in &self.config {
            git = git.config(key, value);
        }
        for (name, value) in &self.env {
            git = git.env(name, value);
        }
        git
    }
}

/// Answers git as its credential helper: asks the checkout that started git, or, where a person
/// or a later step has set it up, uses the credentials of flags and variables itself.
pub(crate) async fn help(asked: &CredentialRequest, process: &process::App) -> Result<String> {
    if asked.action != "get" {
        // Nothing is stored, so nothing is erased.
        return Ok(String::new());
    }
    let request = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()))
        .await
        .or_failed(|| "read what git asks")?
        .or_failed(|| "read what git asks")?;
    if let Some(socket) = process.env.get(env::CREDENTIAL_SOCKET) {
        return agent::ask(&PathBuf::from(socket), &request).await;
    }
    let credentials = Credentials::new(&asked.credentials, &asked.git_base_url, process).await?;
    let login = credentials.login(&Request::parse(&request)).await?;
    Ok(login.as_ref().map(Login::lines).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str) -> Request {
        let (protocol, rest) = url.split_once("://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        Request::parse(&format!("protocol={protocol}\nhost={host}\npath={path}\n"))
    }

    #[test]
    fn a_login_is_for_its_host_and_best_for_its_path() {
        let host = Place::of_url("https://h:8/ignored").unwrap();
        let path = Place::exactly("https://h:8/o/r.git").unwrap();
        for (url, of_host, of_path) in [
            ("https://h:8/o/r", Some(1), Some(0)),
            ("https://h:8/o/r.git/info/lfs", Some(1), Some(0)),
            ("https://h:8/o/r2", Some(1), Some(2)),
            ("http://h:8/o/r", None, None),
            ("https://h/o/r", None, None),
            ("https://h:8.evil/o/r", None, None),
        ] {
            assert_eq!(host.fits(&request(url)), of_host, "{url}");
            assert_eq!(path.fits(&request(url)), of_path, "{url}");
        }
    }

    #[test]
    fn tokens_go_where_nobody_listens() {
        for (url, is_safe) in [
            ("https://github.com", true),
            ("http://github.com", false),
            ("http://127.0.0.1:80", true),
            ("http://127.0.0.1.evil.org", false),
            ("git://github.com", false),
            ("/srv/git", false),
        ] {
            assert_eq!(Place::of_url(url).is_some(), is_safe, "{url}");
        }
    }
}
