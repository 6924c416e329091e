//! Hands credentials to the gits that this program starts: a socket that they ask through
//! `checkout credential`, as keys are asked of ssh-agent.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use common::{Result, ResultExt};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::request::{Login, Request};
use super::{Credentials, Trouble};

/// A request is a few short lines.
const LONGEST: u64 = 64 * 1024;

/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_secs(10);

/// The socket, in a folder that only this user can enter; both are gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    folder: TempDir,
    answering: tokio::task::JoinHandle<()>,
}

impl Agent {
    /// Starts to answer. It has to be on a `LocalSet`.
    pub(crate) fn start(credentials: Rc<Credentials>, trouble: Trouble) -> Result<Agent> {
        let what = || "make a socket for git's credentials";
        // The mode of such a folder is 0700.
        let folder = TempDir::with_prefix("checkout-").or_failed(what)?;
        let listener = UnixListener::bind(socket(folder.path())).or_failed(what)?;
        let answering = tokio::task::spawn_local(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (credentials, trouble) = (credentials.clone(), trouble.clone());
                tokio::task::spawn_local(async move {
                    // A git that was killed meanwhile does not listen any more.
                    let _ = answer(client, &credentials, &trouble).await;
                });
            }
        });
        Ok(Agent { folder, answering })
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.folder.path())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("credentials")
}

async fn answer(
    mut client: UnixStream,
    credentials: &Credentials,
    trouble: &Trouble,
) -> std::io::Result<()> {
    let mut request = String::new();
    let reading = (&mut client).take(LONGEST);
    let mut reading = std::pin::pin!(reading);
    tokio::time::timeout(PATIENCE, reading.read_to_string(&mut request)).await??;
    let lines = match credentials.login(&Request::parse(&request)).await {
        Ok(login) => login.as_ref().map(Login::lines).unwrap_or_default(),
        Err(error) => {
            *trouble.0.borrow_mut() = Some((error.exit(), error.report()));
            // Git asks no other helper then, and fails.
            "quit=1\n".to_owned()
        }
    };
    client.write_all(lines.as_bytes()).await?;
    client.shutdown().await
}

/// Asks an agent, and gives its answer.
pub(crate) async fn ask(socket: &Path, request: &str) -> Result<String> {
    let what = || format!("ask {} for credentials", socket.display());
    let talk = async {
        let mut agent = UnixStream::connect(socket).await?;
        agent.write_all(request.as_bytes()).await?;
        agent.shutdown().await?;
        let mut answer = String::new();
        agent.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    talk.await.or_failed(what)
}
