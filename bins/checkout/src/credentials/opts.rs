//! Flags for credentials, and the variables behind them. None takes a secret itself: a command
//! line can be read by everybody on the machine.

use std::path::PathBuf;

use common::env;

/// Who checkout is to the servers. Git's own ways (credential helpers, ~/.netrc, ~/.ssh) work as well.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Credentials")]
pub struct CredentialOpts {
    /// File with a token for the host of --git-base-url; without it, the variable `GITHUB_TOKEN`
    #[arg(long, alias = "oauth-token-file", value_name = "FILE", env = env::GITHUB_TOKEN_FILE)]
    pub github_token_file: Option<PathBuf>,

    /// Id of a GitHub App that is installed on the repositories
    #[arg(
        long,
        value_name = "ID",
        env = env::GITHUB_APP_ID,
        requires = "github_app_private_key_file",
        conflicts_with = "github_token_file"
    )]
    pub github_app_id: Option<String>,

    /// File with the App's private key (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = env::GITHUB_APP_PRIVATE_KEY_FILE,
        requires = "github_app_id"
    )]
    pub github_app_private_key_file: Option<PathBuf>,

    /// GitHub's API, for the App
    #[arg(
        long,
        alias = "github-api-endpoint",
        value_name = "URL",
        env = env::GITHUB_API_URL,
        default_value = "https://api.github.com"
    )]
    pub github_api_url: String,

    /// File with a token, or USER:PASSWORD, for another host
    #[arg(long, value_name = "HOST=FILE", env = env::TOKEN_FILES, value_delimiter = ',')]
    pub token_file: Vec<String>,

    /// File with cookies for http servers, as git's http.cookieFile
    #[arg(long, value_name = "FILE", env = env::COOKIE_FILE)]
    pub cookiefile: Option<PathBuf>,

    /// File with a private key for ssh servers
    #[arg(long, value_name = "FILE", env = env::SSH_KEY_FILES, value_delimiter = ',')]
    pub ssh_key: Vec<PathBuf>,

    /// File with the keys of the ssh servers that are trusted, no others
    #[arg(long, value_name = "FILE", env = env::SSH_KNOWN_HOSTS)]
    pub known_hosts: Option<PathBuf>,
}
