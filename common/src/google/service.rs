//! Which API, and where its server is.

use reqwest::Url;

use crate::env::{self, Env};
use crate::{Error, Result};

/// One of Google's APIs.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Its server, which is also the name that `gcloud services enable` takes.
    pub host: &'static str,
    /// The variable that names another server, as gcloud has it. Credentials are sent there.
    endpoint: &'static str,
    /// The path that gcloud has in that variable and we have in our requests.
    path: &'static str,
    /// The variable that names an emulator, as Google's client libraries have it. Credentials are
    /// not sent there.
    emulator: Option<&'static str>,
}

/// Google Cloud Storage.
pub const STORAGE: Service = Service {
    host: "storage.googleapis.com",
    endpoint: env::STORAGE_ENDPOINT,
    path: "/storage/v1",
    emulator: Some(env::STORAGE_EMULATOR_HOST),
};

/// Cloud Build.
pub const CLOUD_BUILD: Service = Service {
    host: "cloudbuild.googleapis.com",
    endpoint: env::CLOUD_BUILD_ENDPOINT,
    path: "",
    emulator: None,
};

/// Google Kubernetes Engine.
pub const CONTAINER: Service = Service {
    host: "container.googleapis.com",
    endpoint: env::CONTAINER_ENDPOINT,
    path: "",
    emulator: None,
};

/// Tokens on behalf of service accounts.
pub const IAM_CREDENTIALS: Service = Service {
    host: "iamcredentials.googleapis.com",
    endpoint: env::IAM_CREDENTIALS_ENDPOINT,
    path: "",
    emulator: None,
};

/// Where a service's server is.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) url: Url,
    /// Whether credentials are sent there.
    pub(super) with_credentials: bool,
}

impl Service {
    /// Finds the server in the environment.
    pub(super) fn server(&self, env: &Env) -> Result<Server> {
        let emulator = self
            .emulator
            .and_then(|name| Some((name, env.get(name)?.to_owned())));
        let endpoint = || {
            let value = env.get(self.endpoint)?.trim_end_matches('/');
            let value = value.strip_suffix(self.path).unwrap_or(value);
            Some((self.endpoint, value.to_owned()))
        };
        let with_credentials =
            emulator.is_none() && env.get(env::DISABLE_CREDENTIALS) != Some("true");
        let (variable, host) = emulator
            .or_else(endpoint)
            .unwrap_or_else(|| ("", format!("https://{}", self.host)));
        let scheme = if host.contains("://") { "" } else { "http://" };
        let url = Url::parse(&format!("{scheme}{host}"))
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| Error::usage(format!("{variable}={host:?} is not a server's URL")))?;
        Ok(Server {
            url,
            with_credentials,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(service: Service, variables: &[(&str, &str)]) -> (String, bool) {
        let env = variables.iter().copied().collect();
        let server = service.server(&env).unwrap();
        (server.url.to_string(), server.with_credentials)
    }

    #[test]
    fn servers_are_named_as_for_gcloud_and_the_client_libraries() {
        let google = ("https://storage.googleapis.com/".to_owned(), true);
        assert_eq!(server(STORAGE, &[]), google);
        let emulator = (env::STORAGE_EMULATOR_HOST, "localhost:1");
        let gcloud = (env::STORAGE_ENDPOINT, "http://h:2/storage/v1/");
        let expected = ("http://localhost:1/".to_owned(), false);
        assert_eq!(server(STORAGE, &[emulator, gcloud]), expected);
        assert_eq!(server(STORAGE, &[gcloud]), ("http://h:2/".to_owned(), true));
        let container = (env::CONTAINER_ENDPOINT, "http://h:3/");
        assert_eq!(
            server(CONTAINER, &[container]),
            ("http://h:3/".to_owned(), true)
        );
        let off = (env::DISABLE_CREDENTIALS, "true");
        assert!(!server(CONTAINER, &[container, off]).1);
    }

    #[test]
    fn what_is_no_server_is_refused_with_its_variable() {
        let env = [(env::CONTAINER_ENDPOINT, "ftp://h")].into_iter().collect();
        let error = CONTAINER.server(&env).unwrap_err().report();
        assert!(error.starts_with(env::CONTAINER_ENDPOINT), "{error}");
    }
}
