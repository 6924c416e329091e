//! The plugin of another kubeconfig's user, called with what that file gives it. The file is read
//! anew each time, so that nothing of it has to be copied.

use std::time::{Duration, SystemTime};

use common::app::App;
use common::exec::{self, Command, Limits};
use common::{Error, Result};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::exec::{Answer, question};

/// How long it may take: a client of Kubernetes waits for it.
const LIMIT: Duration = Duration::from_mins(1);

/// The most that it says.
const MOST: usize = 1024 * 1024;

/// Calls it; gives its answer in the version that we are asked in.
pub(super) async fn answer(
    version: &'static str,
    plugin: &Map<String, Value>,
    expires: Option<SystemTime>,
    app: &App,
) -> Result<Answer> {
    let (command, name) = command(plugin, app)?;
    let what = || format!("get credentials from {name}");
    let limits = Limits {
        deadline: Instant::now().checked_add(LIMIT),
        grace: Duration::from_secs(1),
    };
    let output = exec::capture(&command, limits, &app.stop, MOST).await;
    let output = output.map_err(|error| {
        let hint = plugin.get("installHint").and_then(Value::as_str);
        let hint = hint.unwrap_or("the kubeconfig that it is taken from names it");
        Error::usage(what())
            .because(error)
            .hint(common::on_one_line(hint))
    })?;
    app.stop.check("while another plugin was asked")?;
    if !output.ended.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = common::on_one_line(said.trim());
        let code = output.ended.code();
        return Err(Error::failed(what()).because(format!("exit code {code}: {said}")));
    }
    // The answer holds secrets: the library's error may show a piece of it.
    let answer: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| Error::failed(what()).because("what it says is no JSON"))?;
    let status = answer["status"].clone();
    if !status["token"].is_string() && !status["clientCertificateData"].is_string() {
        return Err(Error::failed(what()).because("it gives neither a token nor a certificate"));
    }
    Ok(Answer::of_other(version, status, expires))
}

/// Its name is all that may be shown of it.
fn command(plugin: &Map<String, Value>, app: &App) -> Result<(Command, String)> {
    let field = |name: &str| plugin.get(name).and_then(Value::as_str).unwrap_or_default();
    let name = field("command");
    if name.is_empty() {
        return Err(Error::usage("the user's exec has no command"));
    }
    let list = |name: &str| {
        plugin
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let with_cluster = plugin.get("provideClusterInfo") == Some(&Value::Bool(true));
    let question = question(field("apiVersion"), with_cluster, &app.env);
    let args = list("args").filter_map(Value::as_str);
    let mut command = Command::new(name).args(args);
    for variable in list("env") {
        if let (Some(name), Some(value)) = (variable["name"].as_str(), variable["value"].as_str()) {
            command = command.env(name, value);
        }
    }
    let command = command.env(common::env::KUBERNETES_EXEC_INFO, question);
    Ok((command, common::on_one_line(name)))
}
