//! What a request is answered, and the headers that stand on every answer.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::files::Refusal;
use crate::report::{ReportError, index};

/// Nothing is loaded and nothing runs, not even as this origin.
const SEALED: &str = "default-src 'none'; sandbox; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// A report brings the hash of its own style sheet with it; this lets that be the narrower rule.
const REPORT: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-popups \
                      allow-popups-to-escape-sandbox; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// One of the index's own pages.
    Page(String),
    /// A report: its text is trusted less than that of a page.
    Report(Vec<u8>),
    /// A file of a run, as it is.
    File(Vec<u8>),
    /// The request makes no sense.
    Bad(String),
    /// There is no such thing.
    NotFound(String),
    /// What was asked for exists and is not given out.
    Refused(String),
    /// Something failed here.
    Broken(String),
}

impl Answer {
    /// A page, if it could be made.
    pub fn page(page: Result<String, ReportError>) -> Answer {
        page.map_or_else(|error| Answer::Broken(error.to_string()), Answer::Page)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Answer {
        match refusal {
            Refusal::Missing => Answer::NotFound("There is no such file.".into()),
            Refusal::Outside => {
                Answer::Bad("This path leads out of the run's folder, or is none.".into())
            }
            Refusal::Large(size) => Answer::Refused(format!(
                "This file has {size} bytes, too many to send; open it in the run's folder."
            )),
            Refusal::Io(error) => Answer::Broken(error.to_string()),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let (status, title, text) = match self {
            Answer::Page(page) => return html(StatusCode::OK, page.into(), &index::policy()),
            Answer::Report(page) => return html(StatusCode::OK, page, REPORT),
            Answer::File(bytes) => return file(bytes),
            Answer::Bad(text) => (StatusCode::BAD_REQUEST, "Bad request", text),
            Answer::NotFound(text) => (StatusCode::NOT_FOUND, "Not found", text),
            Answer::Refused(text) => (StatusCode::PAYLOAD_TOO_LARGE, "Too large", text),
            Answer::Broken(text) => (StatusCode::INTERNAL_SERVER_ERROR, "Something failed", text),
        };
        match index::message(title, &text) {
            Ok(page) => html(status, page.into(), &index::policy()),
            Err(_) => (status, title).into_response(),
        }
    }
}

fn html(status: StatusCode, page: Vec<u8>, policy: &str) -> Response {
    let mut response = (status, page).into_response();
    let headers = response.headers_mut();
    set(headers, CONTENT_TYPE, "text/html; charset=utf-8");
    set(headers, CONTENT_SECURITY_POLICY, policy);
    response
}

/// Text if it is text, whatever its name says: no file of a run is ever a page.
fn file(bytes: Vec<u8>) -> Response {
    let plain = !bytes.contains(&0) && std::str::from_utf8(&bytes).is_ok();
    let kind = if plain { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    let mut response = bytes.into_response();
    set(response.headers_mut(), CONTENT_TYPE, kind);
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Puts on every answer what it does not have yet.
pub async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, SEALED),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        if !headers.contains_key(&name) {
            set(headers, name, value);
        }
    }
    response
}
