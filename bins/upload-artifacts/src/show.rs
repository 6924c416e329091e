//! The plan as `--dry-run` prints it.

use std::fmt;

use crate::plan::{Finish, Plan, Sync, Write};

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plan::Sync(sync) => sync.fmt(out),
            Plan::Write(write) => write.fmt(out),
            Plan::Finish(finish) => finish.fmt(out),
        }
    }
}

impl fmt::Display for Sync {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = self.bucket.url(&self.folder);
        for (file, name) in &self.files {
            writeln!(out, "copy {} to {}", file.display(), self.bucket.url(name))?;
        }
        if let Some(from) = &self.from {
            writeln!(out, "copy what changed in {} to {to}", from.display())?;
        }
        if self.delete {
            writeln!(out, "then remove what has no file from {to}")?;
        }
        for folder in &self.secrets {
            writeln!(out, "censor the secrets in {}", folder.display())?;
        }
        let Some(watch) = &self.watch else {
            return Ok(());
        };
        for (log, name) in &watch.logs {
            let url = self.bucket.url(name);
            writeln!(out, "copy {} to {url} while it grows", log.display())?;
        }
        let interval = humantime::format_duration(watch.interval);
        write!(out, "look again every {interval} until SIGTERM")?;
        match &watch.until {
            Some(file) => writeln!(out, ", or {} is there", file.display()),
            None => writeln!(out),
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut objects = self.objects.iter();
        objects.try_for_each(|(name, content)| object_to(out, &self.bucket.url(name), content))
    }
}

impl fmt::Display for Finish {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(before) = &self.before {
            before.fmt(out)?;
        }
        let content = self.finished.to_json().unwrap_or_default();
        object_to(out, &self.bucket.url(&self.name), &content)
    }
}

fn object_to(out: &mut fmt::Formatter<'_>, url: &str, content: &[u8]) -> fmt::Result {
    writeln!(out, "write {url}:")?;
    for line in String::from_utf8_lossy(content).lines() {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}
