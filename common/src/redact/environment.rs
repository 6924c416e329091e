//! What must not be read in a log or a report: the values of mounted credentials and of
//! variables whose names say that they are secret.

use std::path::{Path, PathBuf};

use super::Secrets;
use crate::env::{self, Env};
use crate::{Error, Result};

/// Words that make a variable's name that of a secret.
const WORDS: [&str; 11] = [
    "TOKEN",
    "TOKENS",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "SECRET",
    "SECRETS",
    "CREDENTIAL",
    "CREDENTIALS",
    "APIKEY",
];

/// Words before `KEY` that make it a secret one.
const KEYS: [&str; 6] = [
    "API",
    "ACCESS",
    "PRIVATE",
    "SIGNING",
    "ENCRYPTION",
    "ACCOUNT",
];

/// What a name ends with where the value is not the secret itself.
const ABOUT: [&str; 5] = ["NAME", "ID", "URL", "TYPE", "EXPIRES"];

/// Where secrets are, beside the places that are always looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Names of variables.
    pub variables: Vec<String>,
    /// Files and folders.
    pub paths: Vec<PathBuf>,
}

impl Sources {
    /// What `SECRET_VARIABLES` and `SECRET_PATHS` name.
    pub fn from_env(env: &Env) -> Self {
        let list = |name, apart| {
            let parts = env.get(name).unwrap_or_default().split(apart);
            parts.filter(|part: &&str| !part.is_empty())
        };
        Sources {
            variables: list(env::SECRET_VARIABLES, ',')
                .map(str::to_owned)
                .collect(),
            paths: list(env::SECRET_PATHS, ':').map(PathBuf::from).collect(),
        }
    }
}

/// Collects the secrets of a process. `mounts` is `/proc/self/mountinfo`.
pub fn of_process(sources: &Sources, env: &Env, mounts: &str) -> Result<Secrets> {
    let mut secrets = Secrets::default();
    for (name, value) in env.iter() {
        if sources.variables.iter().any(|own| own == name) || is_secret(name) {
            variable(&mut secrets, name, value);
        }
    }
    for path in &sources.paths {
        place(&mut secrets, path)
            .map_err(|error| Error::usage("read the secrets of --secret-path").because(error))?;
    }
    for folder in mounted(mounts) {
        // What we may not read the command may not either: it runs as the same user.
        if let Err(error) = secrets.add_folder(&folder) {
            tracing::warn!("not all mounted secrets are censored: {}", error.report());
        }
    }
    Ok(secrets)
}

/// A variable holds the secret, or says where it is.
fn variable(secrets: &mut Secrets, name: &str, value: &str) {
    let path = Path::new(value);
    if !path.is_absolute() || !path.exists() {
        secrets.add(format_args!("the variable {name}"), value.as_bytes());
    } else if let Err(error) = place(secrets, path) {
        tracing::warn!(
            "the secrets that {name} names are not censored: {}",
            error.report()
        );
    }
}

fn place(secrets: &mut Secrets, path: &Path) -> Result<()> {
    if path.is_dir() {
        secrets.add_folder(path)
    } else {
        secrets.add_file(path)
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words: Vec<&str> = name.split('_').collect();
    let about = words.last().is_some_and(|last| ABOUT.contains(last));
    let key = |pair: &[&str]| pair[1] == "KEY" && KEYS.contains(&pair[0]);
    !about && (words.iter().any(|word| WORDS.contains(word)) || words.windows(2).any(key))
}

/// Folders where Kubernetes mounted secrets: in memory, with the link by which it replaces
/// them. Configuration that is no secret is mounted from the node's disk.
fn mounted(mounts: &str) -> Vec<PathBuf> {
    let folder = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let path = before.split(' ').nth(4)?;
        let path = PathBuf::from(path.replace("\\040", " "));
        (after.starts_with("tmpfs ") && path.join("..data").exists()).then_some(path)
    };
    mounts.lines().filter_map(folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_secret_by_their_names() {
        for name in [
            "GITHUB_TOKEN",
            "github_token",
            "DB_PASSWORD",
            "SECRET",
            "AWS_SECRET_ACCESS_KEY",
            "API_KEY",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "PASS",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "PATH",
            "PASSENGERS",
            "COMPASS",
            "KEY",
            "PRIMARY_KEY",
            "SECRET_NAME",
            "AWS_ACCESS_KEY_ID",
            "TOKEN_URL",
            "TEST_TARGET_NAME",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn secrets_come_from_variables_files_and_mounts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        let named = write("named", "in-a-named-file");
        let given = write("given/password", "in-a-given-folder");
        write("mount/..data/token", "in-a-mounted-folder");
        std::os::unix::fs::symlink("..data/token", folder.path().join("mount/token")).unwrap();
        write("disk/..data/token", "in-a-config-map");
        let env: Env = [
            ("MY_TOKEN", "in-a-variable"),
            ("HARMLESS", "in-plain-sight"),
            ("CHOSEN", "in-a-chosen-variable"),
            ("SOME_CREDENTIALS", named.as_str()),
        ]
        .into_iter()
        .collect();
        let root = folder.path().display();
        let mounts = format!(
            "1 2 0:1 / {root}/mount rw - tmpfs tmpfs rw\n1 2 0:1 / {root}/disk rw - ext4 /dev/a rw\n"
        );
        let sources = Sources {
            variables: vec!["CHOSEN".to_owned()],
            paths: vec![Path::new(&given).parent().unwrap().to_owned()],
        };
        let rules = of_process(&sources, &env, &mounts)
            .unwrap()
            .compile()
            .unwrap();
        for secret in [
            "in-a-variable",
            "in-a-chosen-variable",
            "in-a-named-file",
            "in-a-given-folder",
            "in-a-mounted-folder",
        ] {
            assert_eq!(rules.redact(secret), "X".repeat(secret.len()), "{secret}");
        }
        for shown in ["in-plain-sight", "in-a-config-map"] {
            assert_eq!(rules.redact(shown), shown);
        }
    }

    #[test]
    fn places_are_named_by_variables() {
        let env: Env = [("SECRET_VARIABLES", "A,,B"), ("SECRET_PATHS", "/a:/b/c")]
            .into_iter()
            .collect();
        let sources = Sources::from_env(&env);
        assert_eq!(sources.variables, ["A", "B"]);
        assert_eq!(sources.paths, [Path::new("/a"), Path::new("/b/c")]);
    }

    #[test]
    fn without_secrets_there_is_nothing_to_look_for() {
        let env: Env = [("PATH", "/usr/bin:/bin")].into_iter().collect();
        assert!(
            of_process(&Sources::default(), &env, "")
                .unwrap()
                .is_empty()
        );
        let missing = Sources {
            paths: vec![PathBuf::from("/no/such/secret")],
            ..Sources::default()
        };
        let report = of_process(&missing, &env, "").unwrap_err().report();
        assert!(report.contains("/no/such/secret"), "{report}");
    }
}
