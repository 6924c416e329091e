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

pub(super) fn attribute(start: &BytesStart<'_>, name: &str, length: usize) -> Result<String> {
    let attribute = start
        .try_get_attribute(name)
        .map_err(|error| error.to_string())?;
    let Some(attribute) = attribute else {
        return Ok(String::new());
    };
    let value = attribute
        .normalized_value(XmlVersion::Implicit1_0)
        .map_err(|error| error.to_string())?;
    Ok(shorten(clean(value.as_bytes()).trim(), length))
}

pub(super) fn number(start: &BytesStart<'_>, name: &str) -> Result<u64> {
    let text = attribute(start, name, NAME)?;
    if text.is_empty() {
        return Ok(0);
    }
    text.parse::<u32>()
        .map(u64::from)
        .map_err(|_| format!("it has {name}={text:?}, which is no count"))
}
