//! Lengths of time, as people type them.

use std::time::Duration;

/// Reads `20m`, `1h 30m` or, as gcloud and Argo have it, a bare number of seconds.
pub fn parse(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.trim().parse() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_in_seconds() {
        for (text, seconds) in [("60", 60), ("0", 0), ("1h 30m", 5400), ("90s", 90)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "soon", "-5", "1.5"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
