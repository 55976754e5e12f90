//! What a text is made of, found out in one quick look before it is read: most texts hold nothing rare, and then nobody
//! looks for it character by character.

/// What a text holds, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Characters {
    /// Every byte is a character.
    pub(super) only_ascii: bool,
    /// No line ends otherwise: with CR, NEL, LS or PS.
    pub(super) only_line_feeds: bool,
}

impl Characters {
    /// Of a text; or the offset of its first character that YAML does not allow.
    pub(super) fn of(text: &str) -> Result<Characters, usize> {
        let (mut all, mut rare) = (0, false);
        // Without a way out of it, so that it goes over many bytes at once.
        for byte in text.bytes() {
            all |= byte;
            rare |= (byte < b' ' && byte != b'\n' && byte != b'\t') || byte == 0x7f;
        }
        let only_ascii = all < 0x80;
        if only_ascii && !rare {
            return Ok(Characters { only_ascii, only_line_feeds: true });
        }
        if rare && let Some(at) = text.bytes().position(|byte| matches!(byte, 0..=8 | 0xb | 0xc | 0xe..=0x1f | 0x7f)) {
            return not_ascii(&text[..at]).and(Err(at));
        }
        let more = not_ascii(text)?;
        Ok(Characters { only_ascii, only_line_feeds: !(rare || more) })
    }
}

/// So many bytes are looked at together: most of them are ASCII even where a text is not.
const TOGETHER: usize = 64;

/// Whether there is a line break of several bytes; or the offset of the first such character that YAML does not allow.
fn not_ascii(text: &str) -> Result<bool, usize> {
    let bytes = text.as_bytes();
    let mut has_break = false;
    let others = bytes.chunks(TOGETHER).enumerate().filter(|(_, chunk)| !chunk.is_ascii());
    for at in others.flat_map(|(n, chunk)| n * TOGETHER..n * TOGETHER + chunk.len()) {
        match bytes[at..] {
            [0xc2, 0x80..=0x84 | 0x86..=0x9f, ..] | [0xef, 0xbf, 0xbe | 0xbf, ..] => return Err(at),
            [0xc2, 0x85, ..] | [0xe2, 0x80, 0xa8 | 0xa9, ..] => has_break = true,
            _ => {}
        }
    }
    Ok(has_break)
}
