//! The exec plugin: a token, from the cache where it is good for a while yet.

mod borrowed;
mod cache;
mod exec;
mod google;
mod identity;
mod key_file;
mod metadata;
mod other_plugin;

use std::path::Path;
use std::time::{Duration, SystemTime};

use common::Result;
use common::app::App;
use common::env::Env;

use crate::lease::note::Note;
use crate::opts::TokenOpts;
use cache::Cache;
use exec::Answer;
use identity::Identity;

/// A token is renewed when it is good for less than this: a client that gets it may need it for
/// one long request.
const MARGIN: Duration = Duration::from_mins(5);

/// An access token.
#[derive(Clone)]
struct Token {
    secret: String,
    expires: SystemTime,
}

impl Token {
    fn is_good_for(&self, margin: Duration) -> bool {
        self.expires > SystemTime::now() + margin
    }
}

/// What the client is to be told. The lease is asked first: without it, there is no token.
pub(crate) async fn answer(opts: &TokenOpts, app: &App) -> Result<impl std::fmt::Display + use<>> {
    let env = &app.env;
    let version = exec::version(env)?;
    let lease_ends = opts.lease.as_deref().map(end_of_lease).transpose()?;
    if let (Some(kubeconfig), Some(user)) = (&opts.from_kubeconfig, &opts.user) {
        return borrowed::answer(version, kubeconfig, user, lease_ends, app).await;
    }
    let account = opts.impersonate_service_account.as_deref();
    let token = token(account, env).await?;
    // The client asks again when the lease may have gone to somebody else.
    let expires = lease_ends.map_or(token.expires, |end| end.min(token.expires));
    Ok(Answer::token(version, &token.secret, Some(expires)))
}

fn end_of_lease(note: &Path) -> Result<SystemTime> {
    Note::read(note)?.good_until(SystemTime::now())
}

/// The token of an identity. One process asks for a new one, the others wait for it.
async fn token(account: Option<&str>, env: &Env) -> Result<Token> {
    let identity = Identity::of(account, env)?;
    let Some(cache) = Cache::of(&identity, env) else {
        return google::fresh(&identity, env).await;
    };
    if let Some(token) = cache.read()
        && token.is_good_for(MARGIN)
    {
        return Ok(token);
    }
    let lock = cache.lock().await;
    let cached = cache.read();
    if let Some(token) = &cached
        && token.is_good_for(MARGIN)
    {
        return Ok(token.clone());
    }
    let fresh = google::fresh(&identity, env).await;
    drop_after(lock, || match (fresh, cached) {
        (Ok(token), _) => {
            cache.write(&token);
            Ok(token)
        }
        (Err(error), Some(token)) if token.is_good_for(Duration::from_secs(30)) => {
            tracing::warn!("{}; the old token is good for a while", error.report());
            Ok(token)
        }
        (Err(error), _) => Err(error),
    })
}

/// Works under a lock, and lets go of it then.
fn drop_after<L, T>(lock: L, work: impl FnOnce() -> T) -> T {
    let done = work();
    drop(lock);
    done
}
