//! JUnit in other encodings than UTF-8: tools on other systems write UTF-16 or Latin-1, while
//! Prow and `TestGrid` read UTF-8 only.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;

/// How far into a file its XML declaration may reach, in bytes.
const DECLARATION: u64 = 1024;

/// The file as UTF-8, without the declaration of another encoding. Which one it is: a byte
/// order mark says, or the zeros of UTF-16, or the XML declaration (XML 1.0, appendix F).
pub(super) fn utf8(mut file: impl Read) -> io::Result<impl BufRead> {
    let mut head = Vec::new();
    file.by_ref().take(DECLARATION).read_to_end(&mut head)?;
    let encoding = encoding_of(&head)?;
    let whole = Cursor::new(head).chain(file);
    let other = (encoding != UTF_8).then_some(encoding);
    // What is UTF-8 passes as it is: its reader tells of bytes that are not.
    let mut decoded = DecodeReaderBytesBuilder::new()
        .encoding(other)
        .bom_override(true)
        .utf8_passthru(true)
        .strip_bom(true)
        .build(whole);
    let mut head = Vec::new();
    decoded.by_ref().take(DECLARATION).read_to_end(&mut head)?;
    if let Some(end) = end_of_declaration(&head) {
        head.drain(..end);
    }
    Ok(BufReader::with_capacity(
        64 * 1024,
        Cursor::new(head).chain(decoded),
    ))
}

fn encoding_of(head: &[u8]) -> io::Result<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(head) {
        return Ok(encoding);
    }
    match head {
        [b'<', 0, ..] => return Ok(UTF_16LE),
        [0, b'<', ..] => return Ok(UTF_16BE),
        _ => {}
    }
    let Some(label) = declared(head) else {
        return Ok(UTF_8);
    };
    match Encoding::for_label(label) {
        // Its declaration could be read byte by byte, so it is not what it says: .NET keeps the
        // declaration of a string, which is UTF-16, in the files that it writes.
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => Ok(UTF_8),
        Some(encoding) => Ok(encoding),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "its encoding {} is not known",
                String::from_utf8_lossy(label).escape_debug()
            ),
        )),
    }
}

/// The encoding that the XML declaration names.
fn declared(head: &[u8]) -> Option<&[u8]> {
    let declaration = &head[..end_of_declaration(head)?];
    let at = find(declaration, b"encoding")? + b"encoding".len();
    let rest = declaration[at..].trim_ascii_start().strip_prefix(b"=")?;
    let (quote, rest) = rest.trim_ascii_start().split_first()?;
    let end = rest.iter().position(|byte| byte == quote)?;
    matches!(quote, b'"' | b'\'').then(|| &rest[..end])
}

/// Where `<?xml … ?>` ends, if the text starts with it.
fn end_of_declaration(head: &[u8]) -> Option<usize> {
    let rest = head.strip_prefix(b"<?xml")?;
    rest.first().filter(|byte| byte.is_ascii_whitespace())?;
    Some(find(head, b"?>")? + 2)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        utf8(bytes)?.read_to_string(&mut text)?;
        Ok(text)
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    const LONG: &str = "<?xml version='1.0' encoding='UTF-16'?><testsuite name='é€'/>";

    #[test]
    fn every_encoding_that_a_file_may_announce_becomes_utf8() {
        let suite = "<testsuite name='é€'/>";
        for bytes in [
            suite.as_bytes().to_vec(),
            format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>{suite}").into_bytes(),
            utf16(&format!("\u{feff}{LONG}"), u16::to_le_bytes),
            utf16(&format!("\u{feff}{LONG}"), u16::to_be_bytes),
            utf16(LONG, u16::to_le_bytes),
            utf16(LONG, u16::to_be_bytes),
            // What .NET writes.
            LONG.as_bytes().to_vec(),
            b"<?xml version='1.0' encoding = \"windows-1252\" ?><testsuite name='\xe9\x80'/>"
                .to_vec(),
        ] {
            assert_eq!(decoded(&bytes).unwrap(), suite, "{bytes:?}");
        }
        let long = format!("<a>{}</a>", "é".repeat(10_000));
        assert_eq!(decoded(long.as_bytes()).unwrap(), long);
        let latin = [
            b"<?xml version='1.0' encoding='ISO-8859-1'?>".as_slice(),
            &[0xe9; 10_000],
        ];
        assert_eq!(decoded(&latin.concat()).unwrap(), "é".repeat(10_000));
    }

    #[test]
    fn an_encoding_that_nobody_knows_is_an_error_that_names_it() {
        let error = decoded(b"<?xml version='1.0' encoding='EBCDIC\x1b'?><a/>").unwrap_err();
        assert_eq!(error.to_string(), "its encoding EBCDIC\\u{1b} is not known");
    }

    #[test]
    fn bytes_that_are_not_what_they_should_be_reach_the_reader_of_utf8() {
        let mut bytes = Vec::new();
        utf8(b"<a>\xff</a>".as_slice())
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(bytes, b"<a>\xff</a>");
        assert_eq!(decoded(b"").unwrap(), "");
    }
}
