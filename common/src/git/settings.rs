//! How git is made safe, quiet and the same on every machine. The settings travel in the
//! environment (`GIT_CONFIG_COUNT`), so they win over every file, reach the gits that git
//! itself starts for submodules, and stay out of the printed commands.

use std::ffi::OsString;

/// Variables of a git that called us (from a hook, say): each would point our git at that
/// one's repository, index or settings, or widen the transports.
pub(super) const FOREIGN_VARIABLES: [&str; 19] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ALLOW_PROTOCOL",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_EXTERNAL_DIFF",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_PROTOCOL_FROM_USER",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

const VARIABLES: [(&str, &str); 9] = [
    // Messages that can be recognised.
    ("LC_ALL", "C"),
    ("LANGUAGE", "C"),
    ("GIT_ADVICE", "0"),
    // An id stands for its object: whoever writes to a repository could have another in its place.
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    // Nobody is there to answer: neither a terminal nor a dialog. A forced `false` makes ssh
    // give up where it would otherwise ask on /dev/tty, and stop us there.
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", ""),
    ("SSH_ASKPASS", "false"),
    ("SSH_ASKPASS_REQUIRE", "force"),
    ("GIT_PAGER", "cat"),
];

const CONFIG: [(&str, &str); 24] = [
    // Programs that a repository could name are not run.
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    // Transports that are files or network connections; never `ext::`, which runs a program.
    // `user` is for URLs that were given to us, not for those of a .gitmodules file.
    ("protocol.allow", "never"),
    ("protocol.https.allow", "always"),
    ("protocol.http.allow", "always"),
    ("protocol.ssh.allow", "always"),
    ("protocol.git.allow", "always"),
    ("protocol.file.allow", "user"),
    // A network volume's owner says nothing about who wrote to it, and users' ids differ
    // between the containers that share it.
    ("safe.directory", "*"),
    // A transfer that has come to a halt ends, so that it can be tried again.
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
    // Nothing in the background: it would outlive us, or die with us half done.
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    // Only what the caller asks for, in the form that it reads.
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("color.ui", "false"),
    ("log.showSignature", "false"),
    ("advice.detachedHead", "false"),
    ("init.defaultBranch", "main"),
    // Commits come out the same whoever makes them.
    ("commit.gpgSign", "false"),
    ("merge.verifySignatures", "false"),
    ("merge.autoStash", "false"),
    ("rerere.enabled", "false"),
    ("i18n.commitEncoding", "utf-8"),
];

/// How many settings the environment holds already: a proxy or a credential helper, say. Ours
/// come behind them, so that they stay and ours win.
pub(super) fn settings_of_process() -> usize {
    std::env::var("GIT_CONFIG_COUNT")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or_default()
}

/// All variables to set: the fixed ones, and from number `count` on the settings, with the
/// caller's own behind them.
pub(super) fn variables(mut count: usize, more: &[(String, String)]) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(OsString, OsString)> = VARIABLES
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    let own = CONFIG.iter().copied();
    let more = more
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    for (key, value) in own.chain(more) {
        variables.push((format!("GIT_CONFIG_KEY_{count}").into(), key.into()));
        variables.push((format!("GIT_CONFIG_VALUE_{count}").into(), value.into()));
        count += 1;
    }
    variables.push(("GIT_CONFIG_COUNT".into(), count.to_string().into()));
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_behind_those_of_the_environment_and_the_callers_come_last() {
        let variables = variables(2, &[("a.b".to_owned(), "c".to_owned())]);
        let value = |name: String| {
            let found = variables.iter().find(|(other, _)| *other == *name);
            found.map(|(_, value)| value.to_string_lossy().into_owned())
        };
        let last = CONFIG.len() + 2;
        assert_eq!(value("GIT_CONFIG_KEY_1".to_owned()), None);
        assert_eq!(
            value("GIT_CONFIG_KEY_2".to_owned()).unwrap(),
            "core.hooksPath"
        );
        assert_eq!(value(format!("GIT_CONFIG_KEY_{last}")).unwrap(), "a.b");
        assert_eq!(value(format!("GIT_CONFIG_VALUE_{last}")).unwrap(), "c");
        assert_eq!(
            value("GIT_CONFIG_COUNT".to_owned()).unwrap(),
            (last + 1).to_string()
        );
    }
}
