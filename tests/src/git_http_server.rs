//! A real git server on loopback over smart HTTP: git's own `http-backend` behind [`HttpServer`].

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::TestEnvironment;
use crate::git_server::Serving;
use crate::http::{self, HttpServer, Request};
use crate::large_files::LargeFiles;

/// Serves the bare repositories of a folder; it ends when dropped.
pub struct GitHttpServer {
    server: HttpServer,
    accepted: Arc<Mutex<Vec<String>>>,
    observer: Arc<Mutex<Option<Observer>>>,
    /// What those who are not served are told.
    refusal: Arc<Mutex<String>>,
    large: LargeFiles,
}

/// Called at each request, while the client waits.
type Observer = Box<dyn FnMut(&Request) + Send>;

impl GitHttpServer {
    /// Serves `base` (below it: `ORG/REPO.git` or `ORG/REPO`) to everybody.
    pub fn start(environment: &TestEnvironment, base: &Path) -> Self {
        Self::start_with(environment, base, Serving::default())
    }

    /// The same, for a server that can do less.
    pub fn start_with(environment: &TestEnvironment, base: &Path, serving: Serving) -> Self {
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let mut template = environment.command(Path::new("git"));
        template
            .arg("http-backend")
            .env("GIT_CONFIG_GLOBAL", serving.config(environment))
            .env("GIT_PROJECT_ROOT", base)
            .env("GIT_HTTP_EXPORT_ALL", "1");
        let backend = Backend::of(&template);
        let base = base.to_owned();
        let observer = Arc::new(Mutex::new(None::<Observer>));
        let large = LargeFiles::default();
        let stored = large.clone();
        let (allowed, watching) = (accepted.clone(), observer.clone());
        let refusal = Arc::new(Mutex::new(String::new()));
        let told = refusal.clone();
        let server = HttpServer::start(Arc::new(move |request, connection| {
            if let Some(observe) = &mut *lock(&watching) {
                observe(request);
            }
            if !is_allowed(request, &lock(&allowed)) {
                let challenge = [
                    ("WWW-Authenticate", "Basic realm=\"git\""),
                    ("Content-Type", "text/plain"),
                ];
                let told = lock(&told).clone();
                return http::answer(connection, "401 Unauthorized", &challenge, told.as_bytes());
            }
            match stored.answer(request, connection) {
                Some(answered) => answered,
                None => backend.answer(request, &base, connection),
            }
        }));
        GitHttpServer {
            server,
            accepted,
            observer,
            refusal,
            large,
        }
    }

    /// Keeps a large file; gives the pointer that stands for it in a repository.
    pub fn keep_large(&self, environment: &TestEnvironment, content: &[u8]) -> String {
        self.large.keep(environment, content)
    }

    /// From now on this is called at each request, while the client waits for its answer.
    pub fn observe(&self, observer: impl FnMut(&Request) + Send + 'static) {
        *lock(&self.observer) = Some(Box::new(observer));
    }

    /// From now on only requests with one of these `Authorization` or `Cookie` headers are
    /// served, for example `Bearer TOKEN`. See [`basic`](Self::basic).
    pub fn accept_only(&self, authorizations: &[String]) {
        *lock(&self.accepted) = authorizations.to_vec();
    }

    /// The header of a user with a password.
    pub fn basic(user: &str, password: &str) -> String {
        use base64::prelude::{BASE64_STANDARD, Engine};
        format!(
            "Basic {}",
            BASE64_STANDARD.encode(format!("{user}:{password}"))
        )
    }

    /// From now on git shows this to whoever is not served.
    pub fn tell_the_refused(&self, text: &str) {
        text.clone_into(&mut lock(&self.refusal));
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// `127.0.0.1:PORT`, for a proxy before it.
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_allowed(request: &Request, accepted: &[String]) -> bool {
    let is_given = |accepted: &String| {
        ["Authorization", "Cookie"]
            .iter()
            .any(|name| request.header(name) == Some(accepted))
    };
    accepted.is_empty() || accepted.iter().any(is_given)
}

/// How `http-backend` is started, free of the test's lifetime.
struct Backend {
    variables: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    folder: PathBuf,
}

impl Backend {
    fn of(template: &Command) -> Self {
        let set = |(name, value): (&std::ffi::OsStr, Option<&std::ffi::OsStr>)| {
            Some((name.to_owned(), value?.to_owned()))
        };
        Backend {
            variables: template.get_envs().filter_map(set).collect(),
            folder: template.get_current_dir().unwrap_or(Path::new("/")).into(),
        }
    }

    /// Runs the program as a web server does (RFC 3875) and streams what it says.
    fn answer(&self, request: &Request, base: &Path, connection: &mut TcpStream) -> io::Result<()> {
        let mut child = Command::new("git")
            .arg("http-backend")
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("REQUEST_METHOD", &request.method)
            .env("PATH_INFO", with_suffix(base, &request.path))
            .env("QUERY_STRING", &request.query)
            .env("CONTENT_LENGTH", request.body.len().to_string())
            .envs(
                [
                    ("CONTENT_TYPE", request.header("Content-Type")),
                    ("GIT_PROTOCOL", request.header("Git-Protocol")),
                    ("HTTP_CONTENT_ENCODING", request.header("Content-Encoding")),
                ]
                .map(|(name, value)| (name, value.unwrap_or_default())),
            )
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let body = request.body.clone();
        let writer = thread::spawn(move || stdin.write_all(&body));
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let sent = send(BufReader::new(stdout), connection);
        // A client that went away leaves a program that writes to nobody.
        let _ = child.kill();
        child.wait()?;
        let _ = writer.join();
        sent
    }
}

/// `ORG/REPO/…` is served from `ORG/REPO.git` where that is the folder's name, as GitHub does.
fn with_suffix(base: &Path, path: &str) -> String {
    let mut parts = path.splitn(4, '/').skip(1);
    if let (Some(org), Some(repo), Some(rest)) = (parts.next(), parts.next(), parts.next())
        && !base.join(org).join(repo).exists()
        && base.join(org).join(format!("{repo}.git")).exists()
    {
        return format!("/{org}/{repo}.git/{rest}");
    }
    path.replace("%20", " ")
}

/// Turns the head of a CGI answer into HTTP's and copies the body.
fn send(mut from: impl BufRead, to: &mut TcpStream) -> io::Result<()> {
    let mut head = String::new();
    let mut status = "200 OK".to_owned();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => match line.strip_prefix("Status: ") {
                Some(other) => other.clone_into(&mut status),
                None => head.extend([line, "\r\n"]),
            },
        }
    }
    // In chunks, so that a client can tell the end from a connection that was cut.
    let how = "Transfer-Encoding: chunked\r\nConnection: close";
    write!(to, "HTTP/1.1 {status}\r\n{head}{how}\r\n\r\n")?;
    loop {
        let piece = from.fill_buf()?;
        write!(to, "{:x}\r\n", piece.len())?;
        to.write_all(piece)?;
        to.write_all(b"\r\n")?;
        let length = piece.len();
        if length == 0 {
            return Ok(());
        }
        from.consume(length);
    }
}
