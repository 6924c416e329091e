//! Numbers of bytes as people write them.

/// Reads a number of bytes, or of thousands, millions or milliards of them with K, M or G.
///
/// # Errors
/// A sentence for the command line's error.
pub fn parse(text: &str) -> Result<u64, String> {
    let (number, factor) = match text.char_indices().last() {
        Some((end, 'K' | 'k')) => (&text[..end], 1_000),
        Some((end, 'M')) => (&text[..end], 1_000_000),
        Some((end, 'G')) => (&text[..end], 1_000_000_000),
        _ => (text, 1),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "a size is written as 500M or 20G".to_owned())?;
    number
        .checked_mul(factor)
        .ok_or_else(|| "no disk is as large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse("20G"), Ok(20_000_000_000));
        assert_eq!(parse("7"), Ok(7));
        assert!(parse("20 GB").is_err());
        assert!(parse("-1M").is_err());
        assert!(parse("99999999999G").is_err());
    }
}
