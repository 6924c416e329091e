//! `release`: gives back what was noted beside the kubeconfig. What is ours no more is left alone.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use common::app::App;
use common::{Error, Exit, Result, ResultExt};

use crate::kubeconfig;
use crate::lease::hold;
use crate::lease::note::Note;
use crate::opts::ReleaseOpts;

/// Gives back all leases; one that cannot be given back does not hold up the others.
pub(crate) async fn run(opts: ReleaseOpts, app: &App) -> Result<Exit> {
    let kubeconfig = kubeconfig::place(opts.file.kubeconfig, &app.env)?;
    let notes = Note::beside(&kubeconfig)?;
    if opts.dry_run {
        let mut text = String::new();
        for note in &notes {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "give {} back", Note::read(note)?.name);
        }
        return app.print(text);
    }
    if notes.is_empty() {
        tracing::info!(
            "no lease is noted beside {}: nothing to do",
            kubeconfig.display()
        );
    }
    let mut first = Ok(Exit::Success);
    for note in notes {
        if let Err(error) = give_back(&note, opts.timeout, app).await {
            if first.is_ok() {
                first = Err(error);
            } else {
                tracing::error!("{}", error.report());
            }
        }
    }
    first
}

async fn give_back(path: &Path, timeout: Duration, app: &App) -> Result<()> {
    let note = Note::read(path)?;
    let (address, taken) = (note.address()?, note.taken());
    let what = format!("give {} back", note.name);
    let attempt = async || {
        let place = address.open(&app.env).await?;
        hold::give_back_now(&place, &taken).await
    };
    tokio::select! {
        given = hold::try_until_reached(what, timeout, attempt) => given?,
        signal = app.stop.wait() => {
            let what = format!("interrupted: giving {} back", note.name);
            return Err(Error::interrupted(signal, what));
        }
    }
    Note::forget(path, &taken).or_failed(|| format!("remove {}", path.display()))
}
