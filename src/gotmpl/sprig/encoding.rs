//! Base64 and base32. What cannot be decoded gives the error's text, as in sprig.

use Param::Str;
use data_encoding::{BASE32, BASE64, Encoding};

use super::super::func::{Function, Param};
use super::super::value::Value;
use super::{bytes, row};

pub(super) const FUNCTIONS: &[Function] = &[
    row(
        "b64enc",
        &[Str],
        |_, args| Ok(Value::str(BASE64.encode(bytes(&args[0])))),
        "Base64 of a text.",
        &[("{{ b64enc \"a b\" }}", "YSBi")],
    ),
    row(
        "b64dec",
        &[Str],
        |_, args| Ok(decoded(&BASE64, "base64", bytes(&args[0]))),
        "The text of base64, or the text of the error.",
        &[("{{ b64dec \"YSBi\" }}", "a b"), ("{{ b64dec \"?\" }}", "illegal base64 data at input byte 0")],
    ),
    row(
        "b32enc",
        &[Str],
        |_, args| Ok(Value::str(BASE32.encode(bytes(&args[0])))),
        "Base32 of a text.",
        &[("{{ b32enc \"a\" }}", "ME======")],
    ),
    row(
        "b32dec",
        &[Str],
        |_, args| Ok(decoded(&BASE32, "base32", bytes(&args[0]))),
        "The text of base32, or the text of the error.",
        &[("{{ b32dec \"ME======\" }}", "a")],
    ),
];

fn decoded(encoding: &Encoding, name: &str, input: &[u8]) -> Value {
    let result = match encoding.decode(input) {
        Ok(bytes) => Ok(bytes),
        // Go skips line ends, ignores bits beyond the last byte, and names another position in its errors.
        Err(_) if name == "base64" => decode_base64(input),
        Err(_) => decode_base32(input),
    };
    match result {
        Ok(bytes) => Value::bytes(bytes),
        Err(position) => Value::str(format!("illegal {name} data at input byte {position}")),
    }
}

/// Base64 as Go's standard encoding reads it.
///
/// # Errors
/// The position that Go names.
pub(super) fn decode_base64(input: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(input.len() / 4 * 3);
    let line_end = |i: usize| matches!(input.get(i), Some(b'\r' | b'\n'));
    let (mut group, mut count) = (0u32, 0);
    let mut i = 0;
    while let Some(byte) = input.get(i) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'\r' | b'\n' => {
                i += 1;
                continue;
            }
            b'=' if count >= 2 => {
                i += 1;
                if count == 2 {
                    while line_end(i) {
                        i += 1;
                    }
                    match input.get(i) {
                        None => return Err(input.len()),
                        Some(b'=') => i += 1,
                        Some(_) => return Err(i - 1),
                    }
                }
                while line_end(i) {
                    i += 1;
                }
                if i < input.len() {
                    return Err(i);
                }
                group <<= 6 * (4 - count);
                out.extend_from_slice(&group.to_be_bytes()[1..count]);
                return Ok(out);
            }
            _ => return Err(i),
        };
        group = group << 6 | u32::from(value);
        count += 1;
        i += 1;
        if count == 4 {
            out.extend_from_slice(&group.to_be_bytes()[1..]);
            (group, count) = (0, 0);
        }
    }
    if count > 0 { Err(i - count) } else { Ok(out) }
}

/// Base32 as Go's standard encoding reads it: positions count without line ends.
fn decode_base32(input: &[u8]) -> Result<Vec<u8>, usize> {
    let input: Vec<u8> = input.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let mut out = Vec::with_capacity(input.len() / 8 * 5);
    let (mut group, mut count) = (0u64, 0);
    for (i, byte) in input.iter().enumerate() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            b'=' if count >= 2 && input.len() - i <= 8 => {
                let after = &input[i + 1..];
                if after.len() + count < 7 {
                    return Err(input.len());
                }
                if let Some(k) = after.iter().take(7 - count).position(|b| *b != b'=') {
                    return Err(i + k);
                }
                if matches!(count, 3 | 6) {
                    return Err(i);
                }
                group <<= 5 * (8 - count);
                out.extend_from_slice(&group.to_be_bytes()[3..3 + count * 5 / 8]);
                return Ok(out);
            }
            _ => return Err(i),
        };
        group = group << 5 | u64::from(value);
        count += 1;
        if count == 8 {
            out.extend_from_slice(&group.to_be_bytes()[3..]);
            (group, count) = (0, 0);
        }
    }
    if count > 0 { Err(input.len() - count) } else { Ok(out) }
}
