//! The command that makes a step's container, as data. No word of the manifest is where the
//! docker program would look for one of its own.

use std::path::Path;

use common::exec::Command;
use common::view::clean;

use super::variables::Variables;
use super::{Docker, RUN_LABEL, SCRIPT, engine};
use crate::manifest::Security;
use crate::step::resolve::Resolved;

/// Longest name of a host.
const MAX_HOSTNAME: usize = 63;

/// The script's text, in the step's folder.
const SCRIPT_FILE: &str = "script";

pub(super) fn command(
    name: &str,
    image: &str,
    resolved: &Resolved,
    docker: &Docker,
    variables: &Variables,
) -> Result<Command, String> {
    let mut command = engine::docker("create")
        .arg(format!("--name={name}"))
        .arg(format!("--hostname={}", hostname(&resolved.pod_name)))
        .arg(format!("--label={RUN_LABEL}={}", docker.run_dir.display()))
        // The output is ours; the engine would keep a second copy of it on the disk.
        .arg("--log-driver=none")
        .arg("--pull=never")
        .args(security(&resolved.security))
        .args(variables.flags());
    command.env = variables.of_client();
    for shared in &docker.shared {
        command = command.arg(mount(&shared.folder, &shared.folder, shared.read_only)?);
    }
    for bind in &resolved.binds {
        command = command.arg(mount(&bind.source, &bind.target, bind.read_only)?);
    }
    let mut args = resolved.args.clone();
    if let Some(source) = &resolved.source {
        let file = write_script(&resolved.folder, source)?;
        command = command.arg(mount(&file, Path::new(SCRIPT), true)?);
        args.push(SCRIPT.to_owned());
    }
    if let Some(folder) = &resolved.working_dir {
        clean(folder)
            .ok_or_else(|| format!("the workingDir {folder:?} is not an absolute path"))?;
        command = command.arg(format!("--workdir={folder}"));
    }
    let mut words = resolved.command.iter();
    if let Some(program) = words.next() {
        if program.is_empty() {
            return Err("the command is empty".to_owned());
        }
        command = command.arg(format!("--entrypoint={program}"));
    }
    Ok(command.arg("--").arg(image).args(words).args(args))
}

/// The kubelet cuts a pod's name to fit.
fn hostname(pod_name: &str) -> &str {
    let end = pod_name.len().min(MAX_HOSTNAME);
    let cut = pod_name.get(..end).unwrap_or(pod_name);
    cut.trim_end_matches(['-', '.'])
}

pub(super) fn security(security: &Security) -> Vec<String> {
    let mut flags = Vec::new();
    match (security.run_as_user, security.run_as_group) {
        (Some(user), Some(group)) => flags.push(format!("--user={user}:{group}")),
        (Some(user), None) => flags.push(format!("--user={user}")),
        (None, _) => {}
    }
    let group = |group: &u64| format!("--group-add={group}");
    flags.extend(security.groups.iter().map(group));
    if security.read_only_root {
        flags.push("--read-only".to_owned());
    }
    if security.no_new_privileges {
        flags.push("--security-opt=no-new-privileges".to_owned());
    }
    let drop = |name: &String| format!("--cap-drop={name}");
    flags.extend(security.drop_capabilities.iter().map(drop));
    let add = |name: &String| format!("--cap-add={name}");
    flags.extend(security.add_capabilities.iter().map(add));
    flags
}

/// `--mount` takes fields of CSV.
pub(super) fn mount(source: &Path, target: &Path, read_only: bool) -> Result<String, String> {
    let field = |name: &str, path: &Path| {
        let path = path
            .to_str()
            .ok_or_else(|| format!("docker takes no such path: {}", path.display()))?;
        let field = format!("{name}={path}").replace('"', "\"\"");
        Ok::<String, String>(format!("\"{field}\""))
    };
    let (source, target) = (field("source", source)?, field("target", target)?);
    let read_only = if read_only { ",readonly" } else { "" };
    Ok(format!("--mount=type=bind,{source},{target}{read_only}"))
}

fn write_script(folder: &Path, source: &str) -> Result<std::path::PathBuf, String> {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(SCRIPT_FILE);
    let write = || {
        std::fs::write(&path, source)?;
        // Whoever the container's user is, as in a pod.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
    };
    write().map_err(|error| format!("write {}: {error}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_field_whatever_is_in_it() {
        let mount = |path: &str| mount(Path::new(path), Path::new("/data"), true).unwrap();
        assert_eq!(
            mount("/a,readonly=false\"b"),
            "--mount=type=bind,\"source=/a,readonly=false\"\"b\",\"target=/data\",readonly"
        );
    }

    #[test]
    fn a_host_is_called_as_its_pod_as_far_as_that_fits() {
        let long = format!("{}-b", "a".repeat(62));
        assert_eq!(hostname(&long), "a".repeat(62));
        assert_eq!(hostname("w-1"), "w-1");
    }

    #[test]
    fn the_security_context_becomes_flags() {
        let flags = security(&Security {
            run_as_user: Some(1000),
            run_as_group: Some(3000),
            groups: vec![2000],
            read_only_root: true,
            no_new_privileges: true,
            drop_capabilities: vec!["ALL".to_owned()],
            ..Security::default()
        });
        let expected = "--user=1000:3000 --group-add=2000 --read-only \
             --security-opt=no-new-privileges --cap-drop=ALL";
        assert_eq!(flags.join(" "), expected);
    }
}
