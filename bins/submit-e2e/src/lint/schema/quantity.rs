//! Kubernetes' quantities: `500m`, `4Gi`, `1e3`.

/// Whether a text is one (`resource.Quantity`). A text of a template is known only when it runs.
pub(super) fn is_quantity(text: &str) -> bool {
    if text.contains("{{") {
        return true;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.';
    let suffix = unsigned.trim_start_matches(is_of_number);
    let number = &unsigned[..unsigned.len() - suffix.len()];
    is_number(number) && is_suffix(suffix)
}

/// `1`, `1.`, `1.5` and `.5`.
fn is_number(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let points = text.bytes().filter(|byte| *byte == b'.').count();
    digits > 0 && points <= 1 && digits + points == text.len()
}

fn is_suffix(text: &str) -> bool {
    match text.strip_prefix(['e', 'E']) {
        Some(exponent) if !exponent.is_empty() && exponent != "i" => {
            is_number(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
        }
        _ => matches!(
            text,
            "" | "n"
                | "u"
                | "m"
                | "k"
                | "M"
                | "G"
                | "T"
                | "P"
                | "E"
                | "Ki"
                | "Mi"
                | "Gi"
                | "Ti"
                | "Pi"
                | "Ei"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::is_quantity;

    #[test]
    fn quantities_are_those_of_the_crds_pattern() {
        for text in [
            "1", "500m", "4Gi", "1.5", ".5", "1.", "-1k", "+2E", "1e3", "1E-3", "3Ei", "{{x}}",
        ] {
            assert!(is_quantity(text), "{text}");
        }
        for text in [
            "", "4 Gi", "4GiB", "4gi", ".", "1.2.3", "m", "1e", "1e+", "--1", "1K",
        ] {
            assert!(!is_quantity(text), "{text}");
        }
    }
}
