//! Plain scalars as `PyYAML`'s `safe_load` types them, which read these files before: YAML 1.1 as far
//! as `PyYAML` has it. `y` is a text and `yes` is not, `0777` is octal, `1:30` is 90, `1e3` is a text.
//!
//! A date stays the text that it is written as: it could go into no workflow as anything else.

use serde_json::{Number, Value};

/// What is wrong with a number that has no place in JSON.
const LARGE: &str = "a number of more than 64 bits";

/// The value of a plain scalar.
pub(super) fn resolve(text: &str) -> Result<Value, &'static str> {
    Ok(match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => true.into(),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => false.into(),
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        _ => match number(text) {
            Some(number) => number?,
            None => text.into(),
        },
    })
}

fn number(text: &str) -> Option<Result<Value, &'static str>> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_signed = unsigned.len() < text.len();
    let is_negative = text.starts_with('-');
    // A fraction of nothing has no sign there.
    if is_signed && unsigned.starts_with('.') {
        return None;
    }
    if let Some(float) = float(unsigned) {
        return Some(
            Number::from_f64(if is_negative { -float } else { float })
                .map(Value::Number)
                .ok_or("a number that is not finite has no place in a workflow"),
        );
    }
    Some(whole(unsigned)?.and_then(|whole| {
        let number = whole
            .checked_mul(if is_negative { -1 } else { 1 })
            .and_then(Number::from_i128);
        number.map(Value::Number).ok_or(LARGE)
    }))
}

/// `1.5`, `.5`, `1.5e+3` and `1:30.5`: each has a point, and an exponent its sign.
fn float(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.')?;
    if let Some((first, rest)) = whole.split_once(':') {
        let is_good = is_digits(first) && is_sixtieths(rest) && is_digits_or_none(fraction);
        let parts = is_good.then(|| whole.split(':'))?;
        let whole = parts.fold(0.0, |sum, part| {
            sum * 60.0 + plain(part).parse().unwrap_or(0.0)
        });
        return Some(whole + plain(&format!("0.{fraction}")).parse().unwrap_or(0.0));
    }
    let (digits, exponent) = match fraction.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, Some(exponent)),
        None => (fraction, None),
    };
    let has_digits = if whole.is_empty() {
        is_digits(digits)
    } else {
        is_digits(whole) && is_digits_or_none(digits)
    };
    let is_exponent = |exponent: &str| {
        let digits = exponent.strip_prefix(['+', '-']);
        digits
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    (has_digits && exponent.is_none_or(is_exponent)).then(|| plain(text).parse().ok())?
}

/// `12`, `0b11`, `0777`, `0xff` and `1:30`.
fn whole(text: &str) -> Option<Result<i128, &'static str>> {
    let radix = |digits: &str, radix| {
        let digits = plain(digits);
        let is_good = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        is_good.then(|| i128::from_str_radix(&digits, radix).map_err(|_| LARGE))
    };
    if let Some(digits) = text.strip_prefix("0b") {
        return radix(digits, 2);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if text.starts_with('0') {
        return radix(text, 8);
    }
    let (first, rest) = text.split_once(':').unwrap_or((text, "0"));
    if !is_digits(first) || !is_sixtieths(rest) {
        return None;
    }
    let mut parts = text.split(':').map(|part| plain(part).parse::<i128>().ok());
    let sum = parts.try_fold(0_i128, |sum, part| sum.checked_mul(60)?.checked_add(part?));
    Some(sum.ok_or(LARGE))
}

/// The parts behind the first colon.
fn is_sixtieths(text: &str) -> bool {
    text.split(':').all(|part| {
        let is_short = matches!(part.as_bytes(), [_] | [b'0'..=b'5', _]);
        is_short && part.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_digits(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit()) && is_digits_or_none(text)
}

fn is_digits_or_none(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'_')
}

/// Without the underscores between digits.
fn plain(text: &str) -> String {
    text.replace('_', "")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use common::yaml::Document;
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_are_typed_as_pyyaml_types_them() {
        // What `yaml.safe_load` of PyYAML 6.0.3 gives for each.
        for (text, value) in [
            ("y", json!("y")),
            ("Y", json!("Y")),
            ("n", json!("n")),
            ("N", json!("N")),
            ("yes", json!(true)),
            ("Yes", json!(true)),
            ("YES", json!(true)),
            ("yEs", json!("yEs")),
            ("no", json!(false)),
            ("on", json!(true)),
            ("On", json!(true)),
            ("oN", json!("oN")),
            ("off", json!(false)),
            ("OFF", json!(false)),
            ("true", json!(true)),
            ("True", json!(true)),
            ("tRUE", json!("tRUE")),
            ("false", json!(false)),
            ("~", json!(null)),
            ("null", json!(null)),
            ("Null", json!(null)),
            ("nULL", json!("nULL")),
            ("0", json!(0)),
            ("-0", json!(0)),
            ("+1", json!(1)),
            ("007", json!(7)),
            ("0777", json!(511)),
            ("08", json!("08")),
            ("0o17", json!("0o17")),
            ("0o777", json!("0o777")),
            ("0x1F", json!(31)),
            ("0xfg", json!("0xfg")),
            ("0X1F", json!("0X1F")),
            ("0b101", json!(5)),
            ("0b12", json!("0b12")),
            ("1_000", json!(1000)),
            ("1__0", json!(10)),
            ("1_", json!(1)),
            ("0_7", json!(7)),
            ("-0x_1f", json!(-31)),
            ("-012", json!(-10)),
            ("1:30", json!(90)),
            ("12:30:45", json!(45045)),
            ("1:60", json!("1:60")),
            ("0:30", json!("0:30")),
            ("01:30", json!("01:30")),
            ("1:5", json!(65)),
            ("1:005", json!("1:005")),
            ("190:20:30.15", json!(685_230.15)),
            ("-1:30", json!(-90)),
            ("1e3", json!("1e3")),
            ("1E3", json!("1E3")),
            ("1.5e3", json!("1.5e3")),
            ("1.5e+3", json!(1500.0)),
            ("1.5E-3", json!(0.0015)),
            ("1.e+2", json!(100.0)),
            ("1.", json!(1.0)),
            ("1.0", json!(1.0)),
            ("-1.5", json!(-1.5)),
            ("+.5", json!("+.5")),
            (".5", json!(0.5)),
            ("-.5", json!("-.5")),
            ("1_0.2_5", json!(10.25)),
            (".", json!(".")),
            ("..", json!("..")),
            (".e+3", json!(".e+3")),
            ("._5", json!("._5")),
            ("1.2.3", json!("1.2.3")),
            ("v1.10", json!("v1.10")),
            ("1.10", json!(1.1)),
            ("2020-01-01", json!("2020-01-01")),
            (
                "2001-12-14T21:59:43.10-05:00",
                json!("2001-12-14T21:59:43.10-05:00"),
            ),
            (
                "12345678901234567890",
                json!(12_345_678_901_234_567_890_u64),
            ),
            ("a:b", json!("a:b")),
            ("1,000", json!("1,000")),
            ("-9223372036854775808", json!(i64::MIN)),
            ("1:30.5", json!(90.5)),
            ("1:30.5_0", json!(90.5)),
        ] {
            let document = format!("a: {text}\n");
            let document = Document::parse_with(Path::new("c.yaml"), &document, Some(resolve));
            assert_eq!(document.unwrap().value["a"], value, "{text}");
        }
    }

    #[test]
    fn a_number_that_json_cannot_hold_is_a_mistake_with_its_line() {
        for text in [
            "18446744073709551616",
            "-9223372036854775809",
            "99999999999999999999999999999999999999999",
        ] {
            let document = format!("b: x\na: {text}\n");
            let error = Document::parse_with(Path::new("c.yaml"), &document, Some(resolve));
            assert_eq!(
                error.unwrap_err().report(),
                "c.yaml:2: a number of more than 64 bits"
            );
        }
        assert_eq!(resolve("18446744073709551615"), Ok(json!(u64::MAX)));
    }
}
