//! What is said of a build when it is over: on stdout, as JSON, as JUnit.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::junit::{self, Case, Detail, Outcome, Suite};
use common::{Error, Result, ResultExt, whole_file};
use serde_json::{Value, json};

use crate::course::Present;
use crate::made::{Made, Step};
use crate::opts::ResultOpts;
use crate::registry::Image;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) tag: String,
    pub(crate) git_version: Option<String>,
    /// The images that there should be.
    pub(crate) wanted: Vec<Image>,
    /// Those that there are.
    pub(crate) images: Vec<Present>,
    /// The build; none where nothing was to be done.
    pub(crate) made: Option<Made>,
}

impl Report {
    /// A line for each image, as the next step takes it: pinned where its digest is known.
    pub(crate) fn text(&self) -> String {
        let digest = |image: &Image| self.images.iter().find(|(there, _)| there == image);
        let wanted = self.wanted.iter().map(|image| match digest(image) {
            Some((image, digest)) => format!("{}\n", image.pinned(digest)),
            None => format!("{image}\n"),
        });
        let others = self.others();
        let others = others.iter();
        let others = others.map(|(image, digest)| format!("{}\n", image.pinned(digest)));
        wanted.chain(others).collect()
    }

    /// What a build pushed under names that have no other tag: a config may leave the tag to Cloud
    /// Build, or name none.
    fn others(&self) -> Vec<(Image, &str)> {
        let made = self.made.iter().flat_map(|made| &made.digests);
        let pushed = made.filter_map(|(name, digest)| {
            let image = Image::parse(name).ok()?;
            Some((image, digest.as_str()))
        });
        let mut others: Vec<(Image, &str)> = Vec::new();
        for (image, digest) in pushed {
            let is_told = self.wanted.iter().any(|wanted| wanted.name == image.name)
                || (others.iter()).any(|(other, of)| other.name == image.name && *of == digest);
            if !is_told {
                others.push((image, digest));
            }
        }
        others
    }

    /// Everything.
    pub(crate) fn json(&self) -> Result<String> {
        let others = self.others();
        let others = others.iter().map(|(image, digest)| (image, *digest));
        let images = self.images.iter();
        let images = images.map(|(image, digest)| (image, digest.as_str()));
        let images = images.chain(others).map(|(image, digest)| {
            json!({
                "image": image.to_string(),
                "digest": digest,
                "reference": image.pinned(digest),
            })
        });
        let mut report = json!({
            "tag": self.tag,
            "images": images.collect::<Value>(),
            "built": self.made.is_some(),
        });
        if let Some(version) = &self.git_version {
            report["gitVersion"] = json!(version);
        }
        if let Some(made) = &self.made {
            report["build"] = build(made);
        }
        let text = serde_json::to_string_pretty(&report).or_failed(|| "print the results")?;
        Ok(text + "\n")
    }

    /// The last lines of the log.
    pub(crate) fn tell(&self) {
        for (image, digest) in &self.images {
            tracing::info!("use {}", image.pinned(digest));
        }
        let made = self.made.as_ref();
        for (image, digest) in made.iter().flat_map(|made| &made.digests) {
            let is_said = self
                .images
                .iter()
                .any(|(there, _)| there.to_string() == *image);
            if !is_said {
                tracing::info!("pushed {image}: {digest}");
            }
        }
        if let Some(link) = made.and_then(|made| made.link.as_ref()) {
            tracing::info!("the build: {link}");
        }
    }
}

fn build(made: &Made) -> Value {
    let seconds = |took: Option<Duration>| took.map(|took| took.as_secs_f64());
    let steps = made.steps.iter().map(
        |step| json!({"name": step.name, "status": step.status, "seconds": seconds(step.took)}),
    );
    json!({
        "id": made.id,
        "place": made.place,
        "status": made.status,
        "link": made.link,
        "seconds": seconds(made.took),
        "steps": steps.collect::<Value>(),
        "pushed": made.digests,
    })
}

/// Writes a file that others read, with its folder.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<()> {
    let what = || format!("write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).or_failed(what)?;
    }
    whole_file::replace(path, |mut file| file.write_all(content)).or_failed(what)
}

/// Where JUnit goes, if it goes anywhere.
pub(crate) fn junit_file(opts: &ResultOpts) -> Option<PathBuf> {
    let name = || {
        let plain = |c: char| {
            if c.is_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        };
        let name: String = opts.target_name.chars().map(plain).collect();
        format!("junit_{name}.xml")
    };
    let in_folder = || Some(opts.artifacts_dir.as_ref()?.join(name()));
    opts.junit.clone().or_else(in_folder)
}

/// The build as JUnit: a case for each step, and one for the whole where something else failed.
pub(crate) fn junit(
    opts: &ResultOpts,
    report: Option<&Report>,
    error: Option<&Error>,
) -> Result<Vec<u8>> {
    let made = report.and_then(|report| report.made.as_ref());
    let output = made.map_or("", |made| &made.output);
    let mut cases: Vec<Case> = made
        .iter()
        .flat_map(|made| &made.steps)
        .map(|step| of_step(step, output, &opts.target_name))
        .collect();
    let told = cases
        .iter()
        .any(|case| matches!(case.outcome, Outcome::Failed(_)));
    if cases.is_empty() || (error.is_some() && !told) {
        let outcome = error.map_or(Outcome::Passed, |error| {
            Outcome::Errored(Detail {
                message: error.to_string(),
                text: format!("{}\n\n{output}", error.report()),
            })
        });
        cases.push(Case {
            name: "build".to_owned(),
            classname: opts.target_name.clone(),
            outcome,
            ..Case::default()
        });
    }
    let time = made.and_then(|made| made.took);
    let suite = Suite {
        name: opts.target_name.clone(),
        time,
        properties: properties(report),
        cases,
        ..Suite::default()
    };
    let whole = junit::Report {
        name: opts.target_name.clone(),
        time,
        suites: vec![suite],
    };
    let mut xml = Vec::new();
    whole.write(&mut xml).or_failed(|| "write JUnit")?;
    Ok(xml)
}

fn of_step(step: &Step, output: &str, target: &str) -> Case {
    let outcome = match (step.passed, step.ended) {
        (true, _) => Outcome::Passed,
        (false, true) => Outcome::Failed(Detail {
            message: format!("the step ended with {}", step.status),
            text: output.to_owned(),
        }),
        (false, false) => Outcome::Skipped(Detail {
            message: "it was not run to its end".to_owned(),
            text: String::new(),
        }),
    };
    Case {
        name: step.name.clone(),
        classname: target.to_owned(),
        time: step.took,
        outcome,
        ..Case::default()
    }
}

fn properties(report: Option<&Report>) -> Vec<(String, String)> {
    let Some(report) = report else {
        return Vec::new();
    };
    let images = report.images.iter();
    let images = images.map(|(image, digest)| ("image".to_owned(), image.pinned(digest)));
    let made = report.made.as_ref();
    let link = made.and_then(|made| Some(("build".to_owned(), made.link.clone()?)));
    images.chain(link).collect()
}
