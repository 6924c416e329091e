//! Whether this machine can give each step a view of its own.

use std::path::Path;
use std::time::Duration;

use common::app::Stop;
use common::exec::{self, Limits};

use common::view::{self, View};

/// How a step sees its volumes at their paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// In a mount namespace of its own.
    Namespace,
    /// By rewriting the paths: the kernel allows no namespace.
    Rewrite,
}

/// Finds out how steps can see their volumes, by trying.
pub(super) async fn find_isolation(own_path: &Path, run_dir: &Path) -> Isolation {
    let root = run_dir.join("steps").join("probe");
    let view = View {
        root: root.clone(),
        binds: Vec::new(),
        outputs: Vec::new(),
    };
    let limits = Limits {
        deadline: Some(tokio::time::Instant::now() + Duration::from_secs(10)),
        grace: Duration::from_secs(1),
    };
    let why = match view.command(own_path, Path::new("/"), "true") {
        Err(error) => error.report(),
        Ok(command) => match exec::capture(&command, limits, &Stop::never(), 4096).await {
            Ok(captured) if captured.ended.success() => String::new(),
            Ok(captured) => String::from_utf8_lossy(&captured.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        },
    };
    view::tidy(&root);
    if why.is_empty() {
        return Isolation::Namespace;
    }
    tracing::warn!(
        "no private mount namespace here ({why}): paths under a mountPath are rewritten to \
         folders of {} in command, args, env, source and workingDir",
        run_dir.display()
    );
    Isolation::Rewrite
}
