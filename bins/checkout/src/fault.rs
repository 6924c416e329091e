//! What git's messages mean. Git has no exit codes for it; the messages are in English because
//! `common::git` sets the locale.

use crate::transfer;

/// Kinds of failure that call for different answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The network or the server; trying again may help.
    Transient,
    /// No such repository, or none that may be read.
    NoRepository,
    /// The repository has no such branch, tag or pull request.
    NoRef,
    /// The repository has no such commit, or does not give it away.
    NoCommit,
    /// Credentials are missing or refused.
    Denied,
    /// Anything else.
    Other,
}

/// Messages in lower case; the first that is found decides, so the precise ones come first.
const MESSAGES: [(&str, Fault); 53] = [
    ("couldn't find remote ref", Fault::NoRef),
    ("not our ref", Fault::NoCommit),
    ("unadvertised object", Fault::NoCommit),
    ("no such remote ref", Fault::NoCommit),
    ("repository not exported", Fault::NoRepository),
    (
        "does not appear to be a git repository",
        Fault::NoRepository,
    ),
    ("repository not found", Fault::NoRepository),
    ("' not found", Fault::NoRepository),
    ("authentication failed", Fault::Denied),
    ("could not read username", Fault::Denied),
    ("could not read password", Fault::Denied),
    ("permission denied", Fault::Denied),
    ("host key verification failed", Fault::Denied),
    ("returned error: 401", Fault::Denied),
    ("returned error: 403", Fault::Denied),
    ("returned error: 429", Fault::Transient),
    // git-lfs.
    ("from http 5", Fault::Transient),
    ("returned error: 5", Fault::Transient),
    (transfer::STALLED, Fault::Transient),
    ("could not resolve host", Fault::Transient),
    ("temporary failure in name resolution", Fault::Transient),
    ("name or service not known", Fault::Transient),
    ("unable to look up", Fault::Transient),
    ("unable to connect", Fault::Transient),
    ("failed to connect", Fault::Transient),
    ("couldn't connect to server", Fault::Transient),
    ("connection refused", Fault::Transient),
    ("connection reset", Fault::Transient),
    ("connection closed by", Fault::Transient),
    ("connection timed out", Fault::Transient),
    ("operation timed out", Fault::Transient),
    ("operation too slow", Fault::Transient),
    ("timeout was reached", Fault::Transient),
    ("network is unreachable", Fault::Transient),
    ("no route to host", Fault::Transient),
    ("broken pipe", Fault::Transient),
    ("early eof", Fault::Transient),
    ("unexpected disconnect", Fault::Transient),
    ("unexpected eof", Fault::Transient),
    ("hung up unexpectedly", Fault::Transient),
    ("hung up upon initial contact", Fault::Transient),
    // What git makes of an answer that ends too soon.
    ("expected flush after", Fault::Transient),
    ("bad pack header", Fault::Transient),
    ("bad line length", Fault::Transient),
    ("transfer closed", Fault::Transient),
    ("packet write failed", Fault::Transient),
    ("rpc failed", Fault::Transient),
    ("empty reply from server", Fault::Transient),
    ("ssl_error_syscall", Fault::Transient),
    (
        "tls connection was non-properly terminated",
        Fault::Transient,
    ),
    ("kex_exchange_identification", Fault::Transient),
    ("http/2 stream", Fault::Transient),
    // A connection that was closed without a word; a server that refuses says so before this.
    ("could not read from remote repository", Fault::Transient),
];

impl Fault {
    /// Reads what a failed git said on stderr.
    pub(crate) fn of(stderr: &str) -> Fault {
        let stderr = stderr.to_lowercase();
        MESSAGES
            .iter()
            .find(|(message, _)| stderr.contains(message))
            .map_or(Fault::Other, |(_, fault)| *fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_as_git_prints_them() {
        for (stderr, fault) in [
            ("fatal: couldn't find remote ref nope", Fault::NoRef),
            (
                "fatal: remote error: upload-pack: not our ref aaaa\nfatal: the remote end hung up unexpectedly",
                Fault::NoCommit,
            ),
            (
                "error: Server does not allow request for unadvertised object aaaa",
                Fault::NoCommit,
            ),
            (
                "fatal: remote error: access denied or repository not exported: /o/r",
                Fault::NoRepository,
            ),
            (
                "fatal: repository 'https://github.com/o/r/' not found",
                Fault::NoRepository,
            ),
            (
                "fatal: could not read Username for 'https://github.com': terminal prompts disabled",
                Fault::Denied,
            ),
            (
                "fatal: unable to access 'https://h/': The requested URL returned error: 503",
                Fault::Transient,
            ),
            (
                "fatal: unable to connect to 127.0.0.1:\n127.0.0.1[0: 127.0.0.1]: errno=Connection refused",
                Fault::Transient,
            ),
            (
                "error: RPC failed; curl 28 Operation too slow. Less than 1000 bytes/sec transferred the last 60 seconds",
                Fault::Transient,
            ),
            ("fatal: early EOF", Fault::Transient),
            (
                "error: pathspec 'x' did not match any file(s) known to git",
                Fault::Other,
            ),
        ] {
            assert_eq!(Fault::of(stderr), fault, "{stderr}");
        }
    }
}
