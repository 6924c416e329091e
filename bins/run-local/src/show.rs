//! The plan for a reader: what `--dry-run` prints.

use std::collections::BTreeSet;
use std::fmt;

use crate::manifest::{Body, Container, Template};
use crate::opts::RuntimeName;
use crate::plan::Plan;
use crate::step;

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "workflow {} ({})",
            self.workflow.name,
            self.manifest.display()
        )?;
        writeln!(out, "run folder {}", self.run_dir.display())?;
        if let Some(status) = &self.status {
            writeln!(out, "status {}", status.display())?;
        }
        for (name, value) in &self.workflow.parameters {
            writeln!(out, "parameter {name}={value:?}")?;
        }
        let mut shown = BTreeSet::new();
        if let Some(choice) = &self.choice {
            writeln!(out, "step {}", choice.display_name)?;
            self.show(out, &choice.template, 1, &mut shown)?;
        } else {
            writeln!(out, "entrypoint {}", self.workflow.entrypoint)?;
            self.show(out, &self.workflow.entrypoint, 1, &mut shown)?;
            if let Some(on_exit) = &self.workflow.on_exit {
                writeln!(out, "onExit {on_exit}")?;
                self.show(out, on_exit, 1, &mut shown)?;
            }
        }
        let fields = self.not_applied();
        if !fields.is_empty() {
            writeln!(out, "not applied on this machine: {}", fields.join(", "))?;
        }
        Ok(())
    }
}

impl Plan {
    /// One line for each step. The steps of a template are shown once, however often it is
    /// called: templates that call others twice each would fill any disk.
    fn show<'a>(
        &'a self,
        out: &mut fmt::Formatter<'_>,
        template: &str,
        depth: usize,
        shown: &mut BTreeSet<&'a str>,
    ) -> fmt::Result {
        const DEEPEST: usize = 8;
        let Some(template) = self.workflow.templates.get(template) else {
            return Ok(());
        };
        let indent = "  ".repeat(depth);
        match &template.body {
            Body::Leaf(_) => {
                for container in template.containers() {
                    self.show_container(out, &indent, template, container)?;
                }
                Ok(())
            }
            _ if depth > DEEPEST || !shown.insert(&template.name) => writeln!(out, "{indent}…"),
            Body::Steps(groups) => {
                for (index, group) in groups.iter().enumerate() {
                    for step in group {
                        writeln!(out, "{indent}[{index}] {}", step.name)?;
                        self.show(out, &step.template, depth + 1, shown)?;
                    }
                }
                Ok(())
            }
            Body::Dag(tasks) => {
                for task in tasks {
                    let waits_for = task.waits_for();
                    let after = if waits_for.is_empty() {
                        String::new()
                    } else {
                        format!(" after {}", waits_for.join(", "))
                    };
                    writeln!(out, "{indent}{}{after}", task.name)?;
                    self.show(out, &task.template, depth + 1, shown)?;
                }
                Ok(())
            }
        }
    }

    /// A line with what runs; with docker, one more for each kind of flags of its container.
    fn show_container(
        &self,
        out: &mut fmt::Formatter<'_>,
        indent: &str,
        template: &Template,
        container: &Container,
    ) -> fmt::Result {
        let words = container.command.iter().chain(&container.args);
        let words: Vec<String> = words.map(|word| common::exec::quote(word)).collect();
        let image = match (self.runtime, &container.image) {
            (RuntimeName::Docker, Some(image)) => format!("[{image}] "),
            _ => String::new(),
        };
        let name = container.name.as_deref();
        let name = name.map_or(String::new(), |name| format!("first {name}: "));
        let source = container.source.as_ref().map_or("", |_| " SCRIPT");
        let runs = match &words[..] {
            [] => "its own command".to_owned(),
            words => format!("$ {}{source}", words.join(" ")),
        };
        writeln!(out, "{indent}{name}{image}{runs}")?;
        if self.runtime == RuntimeName::Docker {
            for flags in self.flags(template, container) {
                writeln!(out, "{indent}  {flags}")?;
            }
        }
        Ok(())
    }

    /// The flags of the container, as far as they are known before it runs: tags are tags still,
    /// and variables have names only.
    fn flags(&self, template: &Template, container: &Container) -> Vec<String> {
        let volumes = [&self.workflow.volumes[..], &template.volumes[..]];
        let described = step::Described {
            container,
            volumes: &volumes,
            run_dir: &self.run_dir,
            secrets: &self.secrets,
            shared: &self.shared,
            passed: &self.pass_env,
        };
        described.flags()
    }
}
