//! `retryStrategy`: a node of its own with one child for each attempt.

use std::sync::Arc;
use std::time::Duration;

use common::workflow::Phase;
use tokio::time::Instant;

use super::{Call, Engine, Outcome};
use crate::expression::Operand;
use crate::manifest::{Backoff, Retry, RetryPolicy};
use crate::substitute::Scope;

impl Engine {
    /// Runs a template until it succeeds or its retries are used up.
    pub(crate) async fn retry(
        self: &Arc<Self>,
        call: &Call,
        inputs: &[(String, String)],
    ) -> Outcome {
        let Some(retry) = &call.template.retry else {
            return Outcome::lost();
        };
        let id = self.start(call, "Retry", inputs);
        let first = Instant::now();
        let mut attempt = 0;
        let (last, message) = loop {
            let started = Instant::now();
            let mut one = call.clone();
            one.node_name = format!("{}({attempt})", call.node_name);
            one.display_name = format!("{}({attempt})", call.display_name);
            let end = self.body(&one, inputs, Some(attempt)).await;
            if !end.id.is_empty() {
                self.nodes.follow(std::slice::from_ref(&id), &end.id);
            }
            if !end.phase.is_bad() {
                break (end, String::new());
            }
            let last = LastAttempt {
                end: &end,
                seconds: started.elapsed().as_secs(),
                attempt,
            };
            match self.wait_to_retry(retry, inputs, &last, first).await {
                Ok(()) => {}
                Err(message) => break (end, message),
            }
            attempt += 1;
            let label = self.label(&call.display_name);
            tracing::info!("{label}: {}, trying again", end.phase);
        };
        let message = if message.is_empty() {
            last.message.clone()
        } else {
            format!("{message}: {}", last.message)
        };
        self.nodes
            .finish(&id, last.phase, &message, last.outputs.clone());
        Outcome {
            id,
            message,
            ..last
        }
    }

    /// Waits as long as the strategy says; an error is why there is no further attempt.
    async fn wait_to_retry(
        &self,
        retry: &Retry,
        inputs: &[(String, String)],
        last: &LastAttempt<'_>,
        first: Instant,
    ) -> Result<(), String> {
        let stop = self.stop();
        if stop.asked().is_some() {
            return Err("Stopped with strategy 'Stop'".to_owned());
        }
        let wanted = match retry.policy {
            RetryPolicy::Always => true,
            RetryPolicy::OnFailure => last.end.phase == Phase::Failed,
            RetryPolicy::OnError => last.end.phase == Phase::Error,
        };
        if !wanted {
            return Err(String::new());
        }
        let scope = super::scope::of_inputs(inputs);
        if let Some(limit) = &retry.limit {
            let limit = self.replace(limit, &[&scope])?;
            let limit: usize = limit
                .trim()
                .parse()
                .map_err(|_| format!("retry limit {limit:?} is no number"))?;
            if last.attempt >= limit {
                return Err("No more retries left".to_owned());
            }
        }
        if let Some(expression) = &retry.expression
            && !expression.evaluate(&|name| last.name(name))?
        {
            return Err("retryStrategy.expression evaluated to false".to_owned());
        }
        let Some(backoff) = &retry.backoff else {
            return Ok(());
        };
        let wait = self.backoff(backoff, &scope, last.attempt, first)?;
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            _ = stop.wait() => Err("Stopped with strategy 'Stop'".to_owned()),
        }
    }

    fn backoff(
        &self,
        backoff: &Backoff,
        scope: &Scope,
        attempt: usize,
        first: Instant,
    ) -> Result<Duration, String> {
        let read = |text: &String| duration(&self.replace(text, &[scope])?);
        let factor = match &backoff.factor {
            Some(factor) => self
                .replace(factor, &[scope])?
                .trim()
                .parse::<u32>()
                .map_err(|_| format!("the backoff factor {factor:?} is no whole number"))?,
            None => 1,
        };
        let exponent = u32::try_from(attempt).unwrap_or(u32::MAX);
        let mut wait =
            read(&backoff.duration)?.saturating_mul(factor.max(1).saturating_pow(exponent));
        if let Some(cap) = &backoff.cap {
            wait = wait.min(read(cap)?);
        }
        if let Some(max_duration) = &backoff.max_duration
            && first.elapsed().saturating_add(wait) > read(max_duration)?
        {
            return Err("Backoff would exceed max duration limit".to_owned());
        }
        Ok(wait)
    }
}

/// What a retry expression may read of the last attempt.
struct LastAttempt<'a> {
    end: &'a Outcome,
    seconds: u64,
    attempt: usize,
}

impl LastAttempt<'_> {
    fn name(&self, name: &str) -> Option<Operand> {
        let exit_code = self
            .end
            .outputs
            .as_ref()
            .and_then(|outputs| outputs.exit_code.clone());
        let text = match name {
            "lastRetry.exitCode" => exit_code.unwrap_or_else(|| "-1".to_owned()),
            "lastRetry.status" => self.end.phase.as_str().to_owned(),
            "lastRetry.message" => self.end.message.clone(),
            "lastRetry.duration" => self.seconds.to_string(),
            "retries" => self.attempt.to_string(),
            _ => return None,
        };
        Some(Operand::Text(text))
    }
}

/// A duration as Argo writes them: Go's `1m30s`, or seconds alone.
fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    common::duration::parse(text).map_err(|error| format!("{text:?}: {error}"))
}
