//! `securityContext`, of a pod and of its container: as whom and how confined a step runs.

use common::Result;
use serde_json::Value;

use super::cursor::Cursor;

/// What a container of docker can be told of it. The container's word counts before the
/// pod's, and the template's before the workflow's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of the manifest's own"
)]
pub(crate) struct Security {
    pub(crate) run_as_user: Option<u64>,
    pub(crate) run_as_group: Option<u64>,
    pub(crate) run_as_non_root: bool,
    /// `fsGroup` and `supplementalGroups`.
    pub(crate) groups: Vec<u64>,
    pub(crate) read_only_root: bool,
    pub(crate) no_new_privileges: bool,
    pub(crate) privileged: bool,
    pub(crate) add_capabilities: Vec<String>,
    pub(crate) drop_capabilities: Vec<String>,
}

impl Security {
    /// That of a leaf: `owners` are the spec, the template and the container.
    pub(crate) fn read(owners: [&Cursor; 3]) -> Result<Self> {
        let contexts = owners.map(|owner| owner.field("securityContext"));
        let [_, _, container] = &contexts;
        let capabilities = container.field("capabilities");
        Ok(Security {
            run_as_user: last(&contexts, "runAsUser")?,
            run_as_group: last(&contexts, "runAsGroup")?,
            run_as_non_root: flag(&contexts, "runAsNonRoot")?,
            groups: groups(&contexts)?,
            read_only_root: container.flag("readOnlyRootFilesystem")?,
            // Absent, it is allowed.
            no_new_privileges: container.field("allowPrivilegeEscalation").value
                == &Value::Bool(false),
            privileged: container.flag("privileged")?,
            add_capabilities: capabilities.texts("add")?,
            drop_capabilities: capabilities.texts("drop")?,
        })
    }
}

/// The number that the innermost context has.
fn last(contexts: &[Cursor], field: &str) -> Result<Option<u64>> {
    let numbers = contexts
        .iter()
        .rev()
        .map(|context| number(&context.field(field), field));
    Ok(numbers
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .next())
}

fn flag(contexts: &[Cursor], field: &str) -> Result<bool> {
    let given = contexts.iter().rev();
    let mut given = given.filter(|context| !context.field(field).value.is_null());
    given
        .next()
        .map_or(Ok(false), |context| context.flag(field))
}

fn groups(contexts: &[Cursor]) -> Result<Vec<u64>> {
    let mut groups: Vec<u64> = last(contexts, "fsGroup")?.into_iter().collect();
    let own = contexts.iter().rev();
    let mut own = own.filter(|context| !context.field("supplementalGroups").is_empty());
    if let Some(context) = own.next() {
        for group in context.items("supplementalGroups")? {
            groups.extend(number(&group, "supplementalGroups")?);
        }
    }
    Ok(groups)
}

fn number(cursor: &Cursor, field: &str) -> Result<Option<u64>> {
    match cursor.value {
        Value::Null => Ok(None),
        value => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| cursor.error(format!("{field} is not a whole number"))),
    }
}
