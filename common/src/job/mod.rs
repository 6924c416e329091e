//! What the job knows about itself: `JOB_SPEC`, or the single variables that Prow sets.
//!
//! The shapes are those of Prow's `downwardapi.JobSpec` and `v1.Refs`.

mod check;
mod sources;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::env::{self, Env};
use crate::{Error, Result, ResultExt};

pub use check::{check_ref, check_segment, check_sha};
pub use sources::Sources;

/// Kinds of Prow jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobType {
    /// Tests a pull request merged onto its base.
    Presubmit,
    /// Tests what was merged.
    Postsubmit,
    /// Runs on a schedule.
    Periodic,
    /// Tests several pull requests together before they merge.
    Batch,
}

impl JobType {
    /// The name that Prow uses.
    pub fn as_str(self) -> &'static str {
        match self {
            JobType::Presubmit => "presubmit",
            JobType::Postsubmit => "postsubmit",
            JobType::Periodic => "periodic",
            JobType::Batch => "batch",
        }
    }

    /// Reads the value of `JOB_TYPE`.
    fn parse(name: &str) -> Result<JobType> {
        match name {
            "presubmit" => Ok(JobType::Presubmit),
            "postsubmit" => Ok(JobType::Postsubmit),
            "periodic" => Ok(JobType::Periodic),
            "batch" => Ok(JobType::Batch),
            other => Err(Error::usage(format!(
                "JOB_TYPE is {other:?}: use presubmit, postsubmit, periodic or batch"
            ))),
        }
    }
}

/// One run of a Prow job. Unknown fields of `JOB_SPEC` are ignored: Prow adds some with time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Kind of job.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// Name of the job.
    #[serde(rename = "job")]
    pub name: String,
    /// Number of this run.
    #[serde(rename = "buildid", default)]
    pub build_id: String,
    /// UUID of the `ProwJob` object.
    #[serde(rename = "prowjobid", default)]
    pub prow_job_id: String,
    /// The change under test; periodic jobs may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refs: Option<Refs>,
    /// Further repositories that the job wants checked out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_refs: Vec<Refs>,
}

/// A repository at a commit, with pull requests to merge onto it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refs {
    /// Organisation.
    pub org: String,
    /// Repository within it.
    pub repo: String,
    /// Branch.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base_ref: String,
    /// Commit of the branch; empty: its tip.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base_sha: String,
    /// Pull requests, in merge order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pulls: Vec<Pull>,
    /// Folder to use in place of `ORG/REPO`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path_alias: String,
    /// Where to clone from in place of the default for `ORG/REPO`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub clone_uri: String,
    /// Leaves submodules alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip_submodules: bool,
    /// Number of commits to fetch; 0 for all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clone_depth: u32,
    /// Whether files may be left out until something needs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blobless_fetch: Option<bool>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A pull request at a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Login of its author.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// Head commit under test; empty: whatever the head is now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha: String,
    /// Ref to fetch in place of `pull/NUMBER/head`.
    #[serde(rename = "ref", default, skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// Its title.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The branch it comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub head_ref: String,
}

impl Job {
    /// Reads the job from `JOB_SPEC`, else from the single variables; `None` where neither is
    /// set, as on a person's own machine.
    pub fn from_env(env: &Env) -> Result<Option<Job>> {
        let job = match env.get(env::JOB_SPEC) {
            Some(spec) => Some(Job::from_spec(spec)?),
            None => Job::from_variables(env)?,
        };
        let Some(mut job) = job else { return Ok(None) };
        if job.build_id.is_empty() {
            let build = env
                .get(env::BUILD_ID)
                .or_else(|| env.get(env::BUILD_NUMBER));
            build.unwrap_or_default().clone_into(&mut job.build_id);
        }
        job.check()?;
        Ok(Some(job))
    }

    fn from_spec(spec: &str) -> Result<Job> {
        let job = serde_json::from_str(spec).or_else(|error| {
            let mut without_nulls: Value = serde_json::from_str(spec)?;
            drop_nulls(&mut without_nulls);
            // The first error knows its line and column.
            serde_json::from_value(without_nulls).map_err(|_| error)
        });
        job.or_usage(|| "JOB_SPEC is not the JSON that Prow sets")
    }

    fn from_variables(env: &Env) -> Result<Option<Job>> {
        let Some(job_type) = env.get(env::JOB_TYPE) else {
            return Ok(None);
        };
        let job_type = JobType::parse(job_type)?;
        let text = |name| env.get(name).unwrap_or_default().to_owned();
        Ok(Some(Job {
            job_type,
            name: text(env::JOB_NAME),
            build_id: String::new(),
            prow_job_id: text(env::PROW_JOB_ID),
            refs: Refs::from_variables(env)?,
            extra_refs: Vec::new(),
        }))
    }

    /// The pull request of a presubmit.
    pub fn pull(&self) -> Option<&Pull> {
        match self.job_type {
            JobType::Presubmit => self.refs.as_ref()?.pulls.first(),
            _ => None,
        }
    }

    /// The variables that Prow would set for this job, for the containers that we start.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let spec = serde_json::to_string(self).unwrap_or_default();
        let mut variables = vec![
            (env::JOB_SPEC, spec),
            (env::JOB_NAME, self.name.clone()),
            (env::JOB_TYPE, self.job_type.as_str().to_owned()),
            (env::BUILD_ID, self.build_id.clone()),
            (env::BUILD_NUMBER, self.build_id.clone()),
            (env::PROW_JOB_ID, self.prow_job_id.clone()),
        ];
        if let Some(refs) = &self.refs {
            variables.push((env::REPO_OWNER, refs.org.clone()));
            variables.push((env::REPO_NAME, refs.repo.clone()));
            variables.push((env::PULL_BASE_REF, refs.base_ref.clone()));
            variables.push((env::PULL_BASE_SHA, refs.base_sha.clone()));
            variables.push((env::PULL_REFS, refs.to_string()));
        }
        if let Some(pull) = self.pull() {
            variables.push((env::PULL_NUMBER, pull.number.to_string()));
            variables.push((env::PULL_PULL_SHA, pull.sha.clone()));
        }
        variables.retain(|(_, value)| !value.is_empty());
        variables
    }

    /// Names become folders and objects: none may lead out of its place.
    fn check(&self) -> Result<()> {
        for (variable, value) in [(env::JOB_NAME, &self.name), (env::BUILD_ID, &self.build_id)] {
            if value.is_empty() {
                return Err(Error::usage(format!("the job has no {variable}"))
                    .hint(format!("set {variable}, or JOB_SPEC as Prow does")));
            }
            check_segment(variable, value)?;
        }
        for refs in self.refs.iter().chain(&self.extra_refs) {
            refs.check()?;
        }
        if self.job_type == JobType::Presubmit && self.pull().is_none() {
            return Err(Error::usage(format!(
                "job {:?} is a presubmit without a pull request",
                self.name
            ))
            .hint("set JOB_SPEC.refs.pulls, or PULL_NUMBER and PULL_PULL_SHA"));
        }
        Ok(())
    }
}

impl Refs {
    fn from_variables(env: &Env) -> Result<Option<Refs>> {
        let (Some(org), Some(repo)) = (env.get(env::REPO_OWNER), env.get(env::REPO_NAME)) else {
            return Ok(None);
        };
        let text = |name| env.get(name).unwrap_or_default().to_owned();
        let mut refs = Refs {
            org: org.to_owned(),
            repo: repo.to_owned(),
            base_ref: text(env::PULL_BASE_REF),
            base_sha: text(env::PULL_BASE_SHA),
            ..Refs::default()
        };
        if let Some(list) = env.get(env::PULL_REFS) {
            refs.read_pull_refs(list)?;
        }
        if let Some(number) = env.get(env::PULL_NUMBER) {
            let number = parse_number(env::PULL_NUMBER, number)?;
            if refs.pulls.is_empty() {
                refs.pulls.push(Pull {
                    number,
                    ..Pull::default()
                });
            }
            let unsaid = |pull: &&mut Pull| pull.number == number && pull.sha.is_empty();
            if let Some(pull) = refs.pulls.iter_mut().find(unsaid) {
                pull.sha = text(env::PULL_PULL_SHA);
            }
        }
        Ok(Some(refs))
    }

    /// Reads `BASE:SHA,NUMBER:SHA…`; what other variables already said stays.
    fn read_pull_refs(&mut self, list: &str) -> Result<()> {
        let mut parts = list
            .split(',')
            .map(|part| part.split_once(':').unwrap_or((part, "")));
        if let Some((base, sha)) = parts.next() {
            if self.base_ref.is_empty() {
                base.clone_into(&mut self.base_ref);
            }
            if self.base_sha.is_empty() {
                sha.clone_into(&mut self.base_sha);
            }
        }
        for (number, sha) in parts {
            let number = parse_number(env::PULL_REFS, number)?;
            // Prow appends the ref to fetch as a third part.
            let (sha, reference) = sha.split_once(':').unwrap_or((sha, ""));
            self.pulls.push(Pull {
                number,
                sha: sha.to_owned(),
                reference: reference.to_owned(),
                ..Pull::default()
            });
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        check_segment("organisation", &self.org)?;
        check_segment("repository", &self.repo)?;
        let base_sha = format!("{} (in {}: base_sha)", env::PULL_BASE_SHA, env::JOB_SPEC);
        check_sha(&base_sha, &self.base_sha)?;
        check_ref("base_ref", &self.base_ref)?;
        for pull in &self.pulls {
            check_sha(&format!("sha of pull request {}", pull.number), &pull.sha)?;
            check_ref(
                &format!("ref of pull request {}", pull.number),
                &pull.reference,
            )?;
        }
        let mut parts = self.path_alias.split('/');
        if parts.clone().any(|part| part == "..") || self.path_alias.starts_with('/') {
            return Err(Error::usage(format!(
                "path_alias {:?} leaves its folder",
                self.path_alias
            )));
        }
        if !self.path_alias.is_empty() && parts.clone().all(|part| matches!(part, "" | ".")) {
            return Err(Error::usage(format!(
                "path_alias {:?} is the folder of all repositories",
                self.path_alias
            )));
        }
        if parts.any(|part| part.eq_ignore_ascii_case(".git")) {
            return Err(Error::usage(format!(
                "path_alias {:?} is within a repository of git",
                self.path_alias
            )));
        }
        Ok(())
    }
}

/// `BASE:SHA,NUMBER:SHA…`, the form of `PULL_REFS` (Prow: `Refs.String`).
impl std::fmt::Display for Refs {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.base_ref)?;
        if !self.base_sha.is_empty() {
            write!(out, ":{}", self.base_sha)?;
        }
        for pull in &self.pulls {
            write!(out, ",{}:{}", pull.number, pull.sha)?;
            if !pull.reference.is_empty() {
                write!(out, ":{}", pull.reference)?;
            }
        }
        Ok(())
    }
}

/// Takes out the fields that are `null`, as Go writes an absent list and as it reads one.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn parse_number(variable: &str, number: &str) -> Result<u64> {
    number
        .parse()
        .or_usage(|| format!("{variable}: {number:?} is not a pull request's number"))
}
