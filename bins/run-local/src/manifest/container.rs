//! `container` and `script`: what a leaf template runs; `initContainers`: what runs before it.

use std::collections::BTreeSet;

use common::Result;

use super::cursor::Cursor;
use super::fields::{self, Fields};
use super::security::Security;
use super::volume::segment;

/// A container or script; texts still hold their tags.
#[derive(Debug, Clone, Default)]
pub(crate) struct Container {
    /// Of an init container; the step's own has none.
    pub(crate) name: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) pull: Option<Pull>,
    pub(crate) command: Vec<String>,
    pub(crate) args: Vec<String>,
    /// The script's text; `None` for a container.
    pub(crate) source: Option<String>,
    pub(crate) env: Vec<EnvVar>,
    pub(crate) env_from: Vec<EnvFrom>,
    pub(crate) working_dir: Option<String>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) security: Security,
    /// Where the manifest has it, for errors.
    pub(crate) pointer: String,
}

/// What a container is in its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Container,
    Script,
    Init,
}

impl Kind {
    fn fields(self) -> &'static Fields {
        match self {
            Kind::Container => &fields::CONTAINER,
            Kind::Script => &fields::SCRIPT,
            Kind::Init => &fields::INIT_CONTAINER,
        }
    }
}

/// `imagePullPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pull {
    Always,
    IfNotPresent,
    Never,
}

/// One entry of `env`.
#[derive(Debug, Clone)]
pub(crate) struct EnvVar {
    pub(crate) name: String,
    pub(crate) source: EnvSource,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone)]
pub(crate) enum EnvSource {
    Value(String),
    /// A key of a secret or config map.
    Key {
        object: String,
        key: String,
        optional: bool,
    },
    /// A field of the pod, as the downward API has it.
    Field(String),
}

/// One entry of `envFrom`: all keys of a secret or config map.
#[derive(Debug, Clone)]
pub(crate) struct EnvFrom {
    pub(crate) object: String,
    pub(crate) prefix: String,
    pub(crate) optional: bool,
}

/// One entry of `volumeMounts`.
#[derive(Debug, Clone)]
pub(crate) struct Mount {
    pub(crate) volume: String,
    pub(crate) path: String,
    pub(crate) sub_path: Option<String>,
    pub(crate) read_only: bool,
}

impl Container {
    /// `owners` are the spec and the template, whose security contexts count for it as well.
    pub(crate) fn read(
        cursor: &Cursor,
        kind: Kind,
        owners: [&Cursor; 2],
        not_applied: &mut BTreeSet<String>,
    ) -> Result<Self> {
        cursor.check(kind.fields(), not_applied)?;
        let [spec, template] = owners;
        Ok(Container {
            name: match kind {
                Kind::Init => Some(segment(cursor, "name")?),
                Kind::Container | Kind::Script => None,
            },
            security: Security::read([spec, template, cursor])?,
            pointer: cursor.pointer.clone(),
            image: cursor.text("image")?.filter(|image| !image.is_empty()),
            pull: read_pull(cursor)?,
            command: cursor.texts("command")?,
            args: cursor.texts("args")?,
            source: match kind {
                Kind::Script => Some(cursor.required_text("source")?),
                Kind::Container | Kind::Init => None,
            },
            env: read_each(cursor, "env", |env| read_env(env, not_applied))?,
            env_from: read_each(cursor, "envFrom", |from| read_env_from(from, not_applied))?,
            working_dir: cursor
                .text("workingDir")?
                .filter(|folder| !folder.is_empty()),
            mounts: read_each(cursor, "volumeMounts", |mount| {
                read_mount(mount, not_applied)
            })?,
        })
    }
}

fn read_pull(cursor: &Cursor) -> Result<Option<Pull>> {
    Ok(match cursor.text("imagePullPolicy")?.as_deref() {
        None | Some("") => None,
        Some("Always") => Some(Pull::Always),
        Some("IfNotPresent") => Some(Pull::IfNotPresent),
        Some("Never") => Some(Pull::Never),
        Some(other) => {
            let field = cursor.field("imagePullPolicy");
            return Err(field
                .error(format!("{other:?} is no imagePullPolicy"))
                .hint("there are Always, IfNotPresent and Never"));
        }
    })
}

fn read_each<T>(
    cursor: &Cursor,
    field: &str,
    read: impl FnMut(&Cursor) -> Result<T>,
) -> Result<Vec<T>> {
    cursor.items(field)?.iter().map(read).collect()
}

fn read_env(env: &Cursor, not_applied: &mut BTreeSet<String>) -> Result<EnvVar> {
    env.check(&fields::ENV, not_applied)?;
    let name = env.required_text("name")?;
    if name.contains(['=', '\0']) {
        return Err(env.error(format!("{name:?} is not a variable's name")));
    }
    let from = env.field("valueFrom");
    from.check(&fields::ENV_SOURCE, not_applied)?;
    for kind in ["secretKeyRef", "configMapKeyRef"] {
        let reference = from.field(kind);
        if !reference.value.is_null() {
            let source = EnvSource::Key {
                object: reference.required_text("name")?,
                key: reference.required_text("key")?,
                optional: reference.flag("optional")?,
            };
            return Ok(EnvVar { name, source });
        }
    }
    let field = from.field("fieldRef");
    let source = if field.value.is_null() {
        EnvSource::Value(env.scalar("value")?.unwrap_or_default())
    } else {
        EnvSource::Field(field.required_text("fieldPath")?)
    };
    Ok(EnvVar { name, source })
}

fn read_env_from(from: &Cursor, not_applied: &mut BTreeSet<String>) -> Result<EnvFrom> {
    from.check(&fields::ENV_FROM, not_applied)?;
    let secret = from.field("secretRef");
    let object = if secret.value.is_null() {
        from.field("configMapRef")
    } else {
        secret
    };
    Ok(EnvFrom {
        object: object.required_text("name")?,
        prefix: from.text("prefix")?.unwrap_or_default(),
        optional: object.flag("optional")?,
    })
}

fn read_mount(mount: &Cursor, not_applied: &mut BTreeSet<String>) -> Result<Mount> {
    mount.check(&fields::MOUNT, not_applied)?;
    Ok(Mount {
        volume: mount.required_text("name")?,
        path: mount.required_text("mountPath")?,
        sub_path: mount.text("subPath")?.filter(|path| !path.is_empty()),
        read_only: mount.flag("readOnly")?,
    })
}
