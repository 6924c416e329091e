//! `check`: reaches the API server, says who we are there, and whether we may do what a test does.

use std::fmt::Write as _;

use common::app::App;
use common::{Error, Exit, Result};
use http::Method;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use serde_json::{Value, json};

use crate::api::Api;
use crate::kubeconfig;
use crate::opts::{CheckOpts, Output};
use crate::plan::check_namespace;

/// What most tests do: they make a namespace, put things into it, look on, and read logs.
const USUAL: [&str; 8] = [
    "create namespaces",
    "create pods",
    "get pods",
    "list pods",
    "watch pods",
    "get pods/log",
    "create deployments.apps",
    "delete pods",
];

/// Something that may be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Action {
    verb: String,
    resource: String,
    group: String,
    subresource: String,
}

/// What the server said.
struct Answers {
    server: String,
    user: String,
    groups: Vec<String>,
    namespace: String,
    actions: Vec<(Action, bool, String)>,
}

/// Asks, prints, and fails where something is not allowed.
pub(crate) async fn run(opts: CheckOpts, app: &App) -> Result<Exit> {
    let limit = opts.timeout;
    let (output, asked) = (opts.output, ask(opts, app));
    let answers = tokio::select! {
        answers = tokio::time::timeout(limit, asked) => answers.unwrap_or_else(|_| {
            let limit = humantime::format_duration(limit);
            Err(Error::unavailable(format!("the API server did not answer within {limit}")))
        })?,
        signal = app.stop.wait() => {
            return Err(Error::interrupted(signal, "interrupted: asking the API server"));
        }
    };
    match output {
        Output::Text => app.print(answers.text())?,
        Output::Json => app.print(format_args!("{}\n", answers.json()))?,
    };
    answers.verdict()
}

async fn ask(opts: CheckOpts, app: &App) -> Result<Answers> {
    let wanted = match opts.can.as_slice() {
        [] => USUAL.map(str::to_owned).to_vec(),
        can => can.to_vec(),
    };
    let actions: Result<Vec<Action>> = wanted.iter().map(|text| Action::parse(text)).collect();
    let actions = actions?;
    if let Some(namespace) = &opts.namespace {
        check_namespace(namespace)?;
    }
    let kubeconfigs = kubeconfig::places(opts.file.kubeconfig, &app.env)?;
    let api = Api::of_kubeconfig(&kubeconfigs, opts.context.as_deref()).await?;
    let (user, groups) = who(&api).await?;
    let namespace = opts.namespace.unwrap_or_else(|| api.namespace.clone());
    let mut answers = Answers {
        server: api.server.clone(),
        user,
        groups,
        namespace,
        actions: Vec::new(),
    };
    for action in actions {
        let (allowed, reason) = may(&api, &action, &answers.namespace).await?;
        answers.actions.push((action, allowed, reason));
    }
    Ok(answers)
}

/// Who the server takes us for.
async fn who(api: &Api) -> Result<(String, Vec<String>)> {
    let what = format!("ask {} who we are", api.server);
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let question = SelfSubjectReview::default();
    let reply = api.ask(Method::POST, path, Some(&question), &what).await?;
    let review: SelfSubjectReview = reply.json(&what)?;
    let user = review
        .status
        .and_then(|status| status.user_info)
        .unwrap_or_default();
    Ok((
        user.username.unwrap_or_default(),
        user.groups.unwrap_or_default(),
    ))
}

/// Whether we may do it, and why.
async fn may(api: &Api, action: &Action, namespace: &str) -> Result<(bool, String)> {
    let what = format!("ask {} whether we may {action}", api.server);
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let question = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: some(&action.verb),
                group: some(&action.group),
                resource: some(&action.resource),
                subresource: some(&action.subresource),
                namespace: some(namespace),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reply = api.ask(Method::POST, path, Some(&question), &what).await?;
    let review: SelfSubjectAccessReview = reply.json(&what)?;
    let status = review.status.unwrap_or_default();
    Ok((status.allowed, status.reason.unwrap_or_default()))
}

impl Action {
    /// Reads `VERB RESOURCE[.GROUP][/SUBRESOURCE]`, as `kubectl auth can-i` does.
    fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!("--can {text:?} is not VERB RESOURCE"))
                .hint("as in 'create pods', 'get pods/log' or 'create workflows.argoproj.io'")
        };
        let mut words = text.split_whitespace();
        let (Some(verb), Some(what), None) = (words.next(), words.next(), words.next()) else {
            return Err(wrong());
        };
        let (resource, subresource) = what.split_once('/').unwrap_or((what, ""));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let own = str::to_owned;
        Ok(Action {
            verb: own(verb),
            resource: own(resource),
            group: own(group),
            subresource: own(subresource),
        })
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(out, ".{}", self.group)?;
        }
        if !self.subresource.is_empty() {
            write!(out, "/{}", self.subresource)?;
        }
        Ok(())
    }
}

impl Answers {
    /// All allowed, or wrong configuration.
    fn verdict(&self) -> Result<Exit> {
        let refused: Vec<String> = (self.actions.iter())
            .filter(|(_, allowed, _)| !allowed)
            .map(|(action, ..)| action.to_string())
            .collect();
        if refused.is_empty() {
            return Ok(Exit::Success);
        }
        let (user, namespace) = (&self.user, &self.namespace);
        let refused = refused.join(", ");
        Err(
            Error::usage(format!("{user} may not {refused} in namespace {namespace}")).hint(
                "on GKE give it roles/container.developer or roles/container.admin in the \
                 project, elsewhere bind a Role or ClusterRole to it",
            ),
        )
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let groups = self.groups.join(", ");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "server     {}", self.server);
        let _ = writeln!(text, "user       {}", common::on_one_line(&self.user));
        let _ = writeln!(text, "groups     {}", common::on_one_line(&groups));
        let _ = writeln!(text, "namespace  {}", self.namespace);
        for (action, allowed, reason) in &self.actions {
            let word = if *allowed { "may" } else { "may NOT" };
            let why = if *allowed || reason.is_empty() {
                String::new()
            } else {
                format!(": {}", common::on_one_line(reason))
            };
            let _ = writeln!(text, "{word} {action}{why}");
        }
        text
    }

    fn json(&self) -> Value {
        let action = |(action, allowed, reason): &(Action, bool, String)| json!({ "action": action.to_string(), "allowed": allowed, "reason": reason });
        let actions: Vec<Value> = self.actions.iter().map(action).collect();
        json!({
            "server": self.server, "user": self.user, "groups": self.groups,
            "namespace": self.namespace, "actions": actions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read_as_kubectl_reads_them() {
        for text in [
            "create pods",
            "get pods/log",
            "create workflows.argoproj.io/status",
        ] {
            assert_eq!(Action::parse(text).unwrap().to_string(), text);
        }
        let action = Action::parse("create workflows.argoproj.io").unwrap();
        assert_eq!(
            (action.resource.as_str(), action.group.as_str()),
            ("workflows", "argoproj.io")
        );
        for text in ["", "create", "create pods now"] {
            assert!(Action::parse(text).is_err());
        }
    }
}
