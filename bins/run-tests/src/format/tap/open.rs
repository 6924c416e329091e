//! A test point that has been seen, and what belongs to it: comments, a YAML block, subtests.

use std::time::Duration;

use common::junit::{Case, Detail, Kept, Outcome};

use super::point::{Directive, Point, milliseconds};
use crate::place;

/// Longest message, in characters.
const MESSAGE: usize = 500;

/// The last test point of a level; comments and a YAML block may follow.
pub(super) struct Open {
    case: Case,
    subtests: Vec<Case>,
    said: Kept,
    yaml: Yaml,
    message: Option<String>,
    duration: Option<Duration>,
    file: Option<String>,
    line: Option<u64>,
}

/// Where in a YAML block we are.
#[derive(PartialEq)]
enum Yaml {
    Outside,
    Inside,
    /// In the block scalar that holds the message.
    Message,
}

impl Open {
    /// `number` names a point that has neither number nor description of its own.
    pub(super) fn new(point: Point, number: u64, output: String, subtests: Vec<Case>) -> Self {
        let name = match (point.description.is_empty(), point.number) {
            (false, _) => point.description,
            (true, own) => format!("test {}", own.unwrap_or(number)),
        };
        let outcome = match (point.ok, point.directive) {
            (true, Some(Directive::Skip(reason))) => skipped(&reason),
            (false, Some(Directive::Todo(reason))) => skipped(&format!("TODO {reason}")),
            (true, _) => Outcome::Passed,
            (false, _) => Outcome::Failed(Detail::default()),
        };
        Open {
            case: Case {
                name,
                outcome,
                time: point.time,
                system_out: output,
                ..Case::default()
            },
            subtests,
            said: Kept::for_a_case(),
            yaml: Yaml::Outside,
            message: None,
            duration: None,
            file: None,
            line: None,
        }
    }

    /// Takes a line that belongs to this test point, its level's indentation removed.
    pub(super) fn takes(&mut self, line: &str) -> bool {
        let indent = line.len() - line.trim_start().len();
        let text = line.trim();
        if self.yaml != Yaml::Outside && (indent > 0 || text.is_empty()) {
            self.said.line(line);
            if text == "..." && indent < 4 {
                self.yaml = Yaml::Outside;
            } else {
                self.fact(text);
            }
            return true;
        }
        self.yaml = Yaml::Outside;
        if text == "---" && (1..4).contains(&indent) && self.said.is_empty() {
            self.yaml = Yaml::Inside;
            self.said.line(line);
            return true;
        }
        match line.strip_prefix('#') {
            Some(comment) if !comment.trim_start().starts_with("Subtest") => {
                if !is_place_of_bats(comment.trim()) {
                    self.say(comment.trim());
                }
                self.said.line(line);
                true
            }
            _ => false,
        }
    }

    /// The test point has said all it will: its subtests, and the test itself.
    pub(super) fn close(self) -> impl Iterator<Item = Case> {
        let mut case = self.case;
        case.time = case.time.or(self.duration);
        if let Outcome::Failed(detail) = &mut case.outcome {
            detail.text = self.said.text();
            detail.message = self.message.unwrap_or_else(|| "not ok".to_owned());
            let place = match (self.file, self.line) {
                (Some(file), Some(line)) => Some((file, line)),
                _ => place::of(&detail.text),
            };
            if let Some((file, line)) = place {
                (case.file, case.line) = (Some(file), Some(line));
            }
        }
        let excused = matches!(case.outcome, Outcome::Skipped(_));
        let parent = case.name.clone();
        let subtests = self.subtests.into_iter().map(move |mut subtest| {
            subtest.name = format!("{parent} > {}", subtest.name);
            if excused && subtest.outcome.fault().is_some() {
                // The point above a subtest decides: it is to do, or was skipped.
                subtest.outcome = skipped(&format!("not ok, as {parent} is expected to be"));
            }
            subtest
        });
        subtests.chain(std::iter::once(case))
    }

    fn say(&mut self, message: &str) {
        if self.message.is_none() && !message.is_empty() {
            self.message = Some(message.chars().take(MESSAGE).collect());
        }
    }

    /// What a line of a YAML block tells us.
    fn fact(&mut self, line: &str) {
        if self.yaml == Yaml::Message {
            if is_place_of_bats(line) {
                return;
            }
            // The message is the block's first line; what follows is in the text.
            self.say(line);
            if !line.is_empty() {
                self.yaml = Yaml::Inside;
            }
            return;
        }
        let Some((name, value)) = line.split_once(':') else {
            return;
        };
        let value = value.trim().trim_matches(['"', '\'']);
        match name {
            "message" | "error" if matches!(value, "|" | "|-" | "|+" | ">" | ">-" | ">+") => {
                self.yaml = Yaml::Message;
            }
            "message" | "error" => self.say(value),
            "duration_ms" => self.duration = self.duration.or_else(|| milliseconds(value)),
            "file" | "fileName" if !value.is_empty() => {
                self.file.get_or_insert_with(|| value.to_owned());
            }
            "line" | "lineNumber" => self.line = self.line.or_else(|| value.parse().ok()),
            _ => {}
        }
    }
}

/// `(in test file a.bats, line 5)`, before the command that failed there.
fn is_place_of_bats(comment: &str) -> bool {
    let starts = ["(in ", "(from function ", "in file ", "in test file "];
    starts.iter().any(|start| comment.starts_with(start)) && comment.contains(", line ")
}

pub(super) fn skipped(reason: &str) -> Outcome {
    Outcome::Skipped(Detail {
        message: reason.trim().to_owned(),
        text: String::new(),
    })
}
