//! DER and PEM, as much as keys and certificates need.
//!
//! In: bytes. Out: bytes. Absent: what X.509 has beyond `genCA` and its kin.

use data_encoding::BASE64;

use super::encoding::decode_base64;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const UTF8_STRING: u8 = 0x0c;
pub(super) const PRINTABLE_STRING: u8 = 0x13;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// A value with its tag and length.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..0x80 => out.push(short as u8),
        long => {
            let length: Vec<u8> = long.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
            out.push(0x80 | length.len() as u8);
            out.extend(length);
        }
    }
    out.extend_from_slice(content);
    out
}

pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

/// A positive integer of big-endian bytes.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    let plain = &bytes[zeros..];
    if plain.first().is_none_or(|b| b & 0x80 != 0) {
        tlv(INTEGER, &[&[0], plain].concat())
    } else {
        tlv(INTEGER, plain)
    }
}

/// Whole bytes as a bit string.
pub(super) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[0], bytes].concat())
}

/// One value that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// With tag and length.
    pub(super) whole: &'a [u8],
}

/// Reads the first value and moves behind it; none if the bytes are no DER.
pub(super) fn take<'a>(input: &mut &'a [u8]) -> Option<Element<'a>> {
    let all = *input;
    let (tag, first) = (*all.first()?, *all.get(1)?);
    // Tags of several bytes do not occur here.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (length, header) = match first {
        0..=0x7f => (usize::from(first), 2),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let bytes = all.get(2..2 + count)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), 2 + count)
        }
        _ => return None,
    };
    let content = all.get(header..header.checked_add(length)?)?;
    *input = &all[header + length..];
    Some(Element { tag, content, whole: &all[..header + length] })
}

/// The same, if it has this tag.
pub(super) fn take_tag<'a>(input: &mut &'a [u8], tag: u8) -> Option<Element<'a>> {
    let before = *input;
    let element = take(input)?;
    if element.tag != tag {
        *input = before;
        return None;
    }
    Some(element)
}

/// A PEM text with lines of 64 characters.
pub(super) fn to_pem(label: &str, der: &[u8]) -> String {
    const LINE: usize = 64;
    let mut out = format!("-----BEGIN {label}-----\n");
    let text = BASE64.encode(der);
    let mut rest = &text[..];
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// The label and content of the first PEM block of a text.
pub(super) fn from_pem(text: &str) -> Option<(&str, Vec<u8>)> {
    let mut rest = text;
    loop {
        let begin = rest.find("-----BEGIN ")?;
        let at_line_start = begin == 0 || rest.as_bytes()[begin - 1] == b'\n';
        rest = &rest[begin + "-----BEGIN ".len()..];
        let (label, body) = rest.split_once("-----")?;
        let end = format!("-----END {label}-----");
        let Some((body, _)) = body.split_once(&end).filter(|_| at_line_start && !label.contains('\n')) else {
            continue;
        };
        // Headers such as `Proc-Type: 4,ENCRYPTED` stand before an empty line.
        let lines = body.lines().filter(|line| !line.contains(':'));
        let plain: String = lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
        if let Ok(der) = decode_base64(plain.as_bytes()) {
            return Some((label, der));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let der = tlv(OCTET_STRING, &content);
            let mut input = &der[..];
            assert_eq!(take(&mut input).unwrap().content, content);
            assert!(input.is_empty());
            let pem = to_pem("X Y", &der);
            assert_eq!(from_pem(&format!("junk\n{pem}junk")), Some(("X Y", der)));
        }
        assert_eq!(integer(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0, 0]), [2, 1, 0]);
    }

    #[test]
    fn broken_bytes_are_none() {
        for broken in [&[][..], &[0x30], &[0x30, 5, 1], &[0x30, 0x84, 255, 255, 255, 255], &[0x30, 0x80], &[0x1f, 0]] {
            assert!(take(&mut &broken[..]).is_none(), "{broken:?}");
        }
        for broken in
            ["", "-----BEGIN", "-----BEGIN A-----\n!\n-----END A-----", "-----BEGIN A-----\nYQ==\n-----END B-----"]
        {
            assert!(from_pem(broken).is_none(), "{broken}");
        }
    }
}
