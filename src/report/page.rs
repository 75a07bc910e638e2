//! The only home of the template engine: pages from templates that are built in.
//!
//! Every template is named `*.html`, so that everything in it is escaped, by [`escape::html`]. The
//! only things that are marked as safe are the style sheet and drawings of [`Svg`](super::svg).
//! The style sheet is allowed by its hash, and a page may load, run and submit nothing else.

use std::sync::LazyLock;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tera::{Context, Tera};

use super::{ReportError, escape};

const STYLE: &str = include_str!("templates/style.css");

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("templates/", $name)))),*]
    };
}

const TEMPLATES: [(&str, &str); 22] = templates![
    "base.html",
    "report.html",
    "verdict.html",
    "conviction.html",
    "lies.html",
    "side.html",
    "fates.html",
    "violations.html",
    "answers.html",
    "probes.html",
    "claims.html",
    "counterexample.html",
    "operations.html",
    "charts.html",
    "twin.html",
    "meaning.html",
    "record.html",
    "logs.html",
    "setting.html",
    "index.html",
    "files.html",
    "message.html",
];

static ENGINE: LazyLock<Result<Tera, String>> = LazyLock::new(|| {
    let mut engine = Tera::new();
    engine.set_escape_fn(escape::html);
    engine.add_raw_templates(TEMPLATES).map_err(|error| error.to_string())?;
    Ok(engine)
});

/// What a page may do: be styled by its own style sheet, and submit a form to where it came from
/// if it has one.
pub fn policy(form: bool) -> String {
    let form = if form { "'self'" } else { "'none'" };
    format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action {form}",
        base64(&Sha256::digest(STYLE))
    )
}

/// Renders a template with the fields of `content`.
///
/// # Errors
/// The template does not fit the content, which is a bug.
pub fn render<T: Serialize>(name: &str, content: &T, form: bool) -> Result<String, ReportError> {
    let broken = |error: &dyn std::fmt::Display| ReportError::Template(error.to_string());
    let engine = ENGINE.as_ref().map_err(|error| broken(error))?;
    let mut context = Context::from_serialize(content).map_err(|error| broken(&error))?;
    context.insert("style", STYLE);
    context.insert("policy", &policy(form));
    engine.render(name, &context).map_err(|error| broken(&error))
}

/// Base64 as in RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * at)) as usize & 63];
            out.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (text, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn templates_escape_what_they_are_given() {
        #[derive(Serialize)]
        struct Message {
            title: &'static str,
            text: &'static str,
        }
        let message = Message { title: "</title><script>", text: "<b>\u{202e}&\x1b" };
        let page = render("message.html", &message, false).unwrap();
        assert!(page.contains("&lt;b&gt;⟨U+202E⟩&amp;\\x1b"), "{page}");
        assert!(!page.contains("<script"), "{page}");
    }

    #[test]
    fn only_drawings_and_the_style_are_taken_as_they_are() {
        for (name, text) in TEMPLATES {
            assert!(name.ends_with(".html"), "{name}");
            for (at, _) in text.match_indices("safe") {
                let from = text[..at].rfind("{{").unwrap_or(0);
                let what = text[from + 2..at].trim().trim_end_matches('|').trim();
                assert!(what == "style" || what.ends_with("svg"), "{name}: {what} is safe?");
            }
            for word in ["style=", "<script", "javascript:", "http:"] {
                assert!(!text.contains(word), "{name} has {word}");
            }
        }
        assert!(!STYLE.contains("</") && !STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
