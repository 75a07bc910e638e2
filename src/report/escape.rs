//! Foreign text made harmless: every text in a page goes through here, once.
//!
//! What a database returned and what a node logged is hostile. [`html`] is the escape function of
//! the templates and of the SVG writer. It does two things: it makes markup of nothing, and it
//! shows what cannot be seen. A control byte, a zero-width or a bidirectional control character
//! appears as a visible sign, so that no text can hide or reorder another. Letters of every
//! script pass unchanged; the style sheet isolates their direction.

use std::fmt;
use std::io::{self, Write};

/// Writes text as HTML, in content or between double quotes.
///
/// # Errors
/// Those of `out`.
pub fn html(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let (entity, sign) = (entity(c), sign(c));
        if entity.is_none() && sign.is_none() {
            continue;
        }
        out.write_all(&text.as_bytes()[plain..at])?;
        plain = at + c.len_utf8();
        match (entity, sign) {
            (Some(entity), _) => out.write_all(entity.as_bytes())?,
            (None, Some(sign)) => write!(out, "{sign}")?,
            (None, None) => {}
        }
    }
    out.write_all(&text.as_bytes()[plain..])
}

/// [`html`] onto a string.
pub fn push_html(out: &mut String, text: &str) {
    let mut bytes = std::mem::take(out).into_bytes();
    // Memory takes everything, and whole characters stay whole.
    let _ = html(text, &mut bytes);
    *out = String::from_utf8(bytes).unwrap_or_default();
}

fn entity(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _ => None,
    }
}

/// What stands for a character that cannot be seen.
enum Sign {
    Byte(u32),
    Name(u32),
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sign::Byte(code) => write!(f, "\\x{code:02x}"),
            Sign::Name(code) => write!(f, "⟨U+{code:04X}⟩"),
        }
    }
}

fn sign(c: char) -> Option<Sign> {
    let code = u32::from(c);
    match code {
        0x09 | 0x0a => None,
        // Not as control pictures: many fonts do not have them.
        0..=0x1f | 0x7f => Some(Sign::Byte(code)),
        0x80..=0x9f
        | 0xad
        | 0x61c
        | 0x180e
        | 0x200b..=0x200f
        | 0x2028..=0x202e
        | 0x2060..=0x206f
        | 0xfeff
        | 0xfff9..=0xfffb
        | 0xe0000..=0xe007f => Some(Sign::Name(code)),
        _ => None,
    }
}

/// At most `most` characters, and how many more there are. What grows by escaping counts for more,
/// so that the page has a bound that holds for hostile text too: three bytes for each of `most`.
pub fn clip(text: &str, most: usize) -> String {
    let mut room = most * 3;
    let fits = |(count, c): (usize, char)| {
        let weight = weight(c);
        let fits = count < most && weight <= room;
        room = room.saturating_sub(weight);
        fits.then_some(c.len_utf8())
    };
    let end: usize = text.chars().enumerate().map_while(fits).sum();
    if end == text.len() {
        return text.to_owned();
    }
    let more = text[end..].chars().count();
    format!("{}… [{more} more characters]", &text[..end])
}

/// How many bytes a character takes in a page.
fn weight(c: char) -> usize {
    match (entity(c), sign(c)) {
        (Some(entity), _) => entity.len(),
        (None, Some(Sign::Byte(_))) => 4,
        (None, Some(Sign::Name(_))) => 13,
        (None, None) => c.len_utf8(),
    }
}

/// At most `most` characters, the last an ellipsis: for places where only a label fits.
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Bytes as text: those that are no UTF-8 as `\xNN`.
pub fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        push_html(&mut out, text);
        out
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(escaped("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
        assert_eq!(escaped("plain"), "plain");
        assert_eq!(escaped("<é"), "&lt;é");
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(escaped("\0\x1b[31m\r\x7f"), r"\x00\x1b[31m\x0d\x7f");
        assert_eq!(escaped("\u{202e}txt"), "⟨U+202E⟩txt");
        assert_eq!(escaped("a\u{200b}b\u{85}"), "a⟨U+200B⟩b⟨U+0085⟩");
        assert_eq!(escaped("line\n\tline שלום"), "line\n\tline שלום");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_numbers() {
        assert_eq!(lossy(b"a\xffb\xc3"), "a\\xffb\\xc3");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(clip("ääää", 2), "ää… [2 more characters]");
        assert_eq!(clip("ab", 2), "ab");
        assert!(clip(&"\u{200b}".repeat(1000), 100).chars().count() < 60);
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("abcd", 4), "abcd");
    }
}
