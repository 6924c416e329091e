//! Attributes of elements, bounded and cleaned.

use quick_xml::XmlVersion;
use quick_xml::events::BytesStart;

use super::text::{clean, shorten};

/// Longest name in a summary, in characters.
pub(super) const NAME: usize = 300;

type Result<T> = std::result::Result<T, String>;

/// Well formed, and each but once.
pub(super) fn check_attributes(start: &BytesStart<'_>) -> Result<()> {
    for attribute in start.attributes() {
        attribute.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The value as the file has it; empty where there is none.
pub(super) fn raw(start: &BytesStart<'_>, name: &str) -> Result<String> {
    let attribute = start
        .try_get_attribute(name)
        .map_err(|error| error.to_string())?;
    match attribute {
        None => Ok(String::new()),
        Some(attribute) => attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map(std::borrow::Cow::into_owned)
            .map_err(|error| error.to_string()),
    }
}

/// The value as people may see it.
pub(super) fn attribute(start: &BytesStart<'_>, name: &str, length: usize) -> Result<String> {
    Ok(shown(&raw(start, name)?, length))
}

pub(super) fn shown(value: &str, length: usize) -> String {
    shorten(clean(value.as_bytes()).trim(), length)
}

/// A count; empty or absent is none, as Go's decoder has it.
pub(super) fn number(start: &BytesStart<'_>, name: &str) -> Result<u64> {
    let text = attribute(start, name, NAME)?;
    if text.is_empty() {
        return Ok(0);
    }
    text.parse::<u32>()
        .map(u64::from)
        .map_err(|_| format!("it has {name}={text:?}, which is no count"))
}
