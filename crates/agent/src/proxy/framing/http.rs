//! HTTP/1.1 with content lengths and chunks (RFC 9112), and the little of etcd's JSON gateway that
//! an answer about a missing key needs.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Cut, Framing, Request, line_end, number};
use crate::bytes::Bytes;

/// How many kinds of write are remembered with their last reply.
const MOST_KINDS: usize = 256;

/// One connection.
#[derive(Debug, Default)]
pub struct Http {
    /// The last good reply to each kind of write: what a server says when it is done.
    replies: HashMap<String, Vec<u8>>,
}

/// The head of a message.
struct Head<'a> {
    first: &'a [u8],
    length: usize,
    content: Option<usize>,
    chunked: bool,
    upgrades: bool,
}

impl Head<'_> {
    fn of(bytes: &[u8]) -> Option<Head<'_>> {
        let length = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let first = &bytes[..line_end(bytes)?];
        let mut head = Head { first, length, content: None, chunked: false, upgrades: false };
        let lines = bytes[first.len()..length].split(|byte| *byte == b'\n');
        for line in lines {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            if name.eq_ignore_ascii_case(b"content-length") {
                head.content = number(value).and_then(|number| usize::try_from(number).ok());
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                let value = value.to_ascii_lowercase();
                head.chunked = value.windows(7).any(|seven| seven == b"chunked");
            } else if name.eq_ignore_ascii_case(b"upgrade") {
                head.upgrades = true;
            }
        }
        Some(head)
    }

    fn words(&self) -> (String, String) {
        let text = String::from_utf8_lossy(self.first);
        let mut words = text.split(' ');
        let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
        (word(words.next()), word(words.next()))
    }

    fn status(&self) -> Option<u16> {
        let (version, status) = self.words();
        version.starts_with("HTTP/1.").then(|| status.parse().ok()).flatten()
    }
}

impl Framing for Http {
    fn request(&mut self, bytes: &[u8]) -> Cut {
        let shown = &bytes[..bytes.len().min(16)];
        if !shown.first().is_some_and(u8::is_ascii_uppercase) || shown.starts_with(b"PRI * ") {
            return Cut::Opaque;
        }
        let Some(head) = Head::of(bytes) else { return Cut::Wait };
        if head.upgrades || head.words().0 == "CONNECT" {
            return Cut::Opaque;
        }
        whole(bytes, &head)
    }

    fn reply(&mut self, bytes: &[u8], to: Option<&Request>) -> Cut {
        if !bytes.starts_with(&b"HTTP/1."[..bytes.len().min(7)]) {
            return Cut::Opaque;
        }
        let Some(head) = Head::of(bytes) else { return Cut::Wait };
        let bodiless = to.is_some_and(|request| request.word.starts_with("HEAD "));
        match head.status() {
            None | Some(101) => Cut::Opaque,
            Some(100..200) => Cut::Aside(head.length),
            Some(204 | 304) => Cut::Message(head.length),
            Some(_) if bodiless => Cut::Message(head.length),
            // It ends with the connection.
            Some(_) if !head.chunked && head.content.is_none() => Cut::Opaque,
            Some(_) => whole(bytes, &head),
        }
    }

    fn describe(&mut self, bytes: &[u8]) -> Request {
        let (method, path) = Head::of(bytes).map(|head| head.words()).unwrap_or_default();
        // A gateway reads by POST as well.
        let reads = matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS")
            || path.ends_with("/range")
            || path.ends_with("/status");
        let word = format!("{method} {path}");
        Request { word, writes: !reads, alone: true, bytes: bytes.to_vec() }
    }

    fn learn(&mut self, request: &Request, reply: &[u8]) {
        let good = Head::of(reply).and_then(|head| head.status()).is_some_and(is_success);
        let known = self.replies.contains_key(&request.word);
        if good && request.writes && (known || self.replies.len() < MOST_KINDS) {
            self.replies.insert(request.word.clone(), reply.to_vec());
        }
    }

    /// What the server last said to the same: only it knows the form of its answers.
    fn acknowledgement(&self, request: &Request) -> Option<Vec<u8>> {
        self.replies.get(&request.word).cloned()
    }

    fn with_default(&self, request: &Request, reply: &[u8], value: &str) -> Option<Vec<u8>> {
        if request.writes {
            return None;
        }
        let head = Head::of(reply)?;
        match head.status()? {
            404 => Some(answer("text/plain", value.as_bytes())),
            200 => {
                let body = etcd(request, &body(reply)?, value)?;
                Some(answer("application/json", &body))
            }
            _ => None,
        }
    }

    fn refusal(&self, request: &Request, text: &str) -> Option<Vec<u8>> {
        let head = format!(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\
             Content-Length: {}\r\n\r\n",
            text.len()
        );
        (!request.word.starts_with("HEAD ")).then(|| (head + text).into_bytes())
    }

    fn seamless(&self, message: &[u8]) -> Option<Vec<u8>> {
        let head = Head::of(message)?;
        if !head.chunked {
            return None;
        }
        let body = body(message)?;
        let mut whole = message[..head.length].to_vec();
        if !body.is_empty() {
            whole.extend(format!("{:x}\r\n", body.len()).bytes());
            whole.extend(body);
            whole.extend(b"\r\n");
        }
        whole.extend(b"0\r\n\r\n");
        Some(whole)
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

fn answer(kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Where a message with that head ends.
fn whole(bytes: &[u8], head: &Head<'_>) -> Cut {
    if head.chunked {
        return match chunks(&bytes[head.length..], |_| {}) {
            Some(Ok(length)) => Cut::Message(head.length + length),
            Some(Err(())) => Cut::Opaque,
            None => Cut::Stream,
        };
    }
    let length = head.length.saturating_add(head.content.unwrap_or(0));
    if bytes.len() >= length { Cut::Message(length) } else { Cut::Wait }
}

/// Goes through the chunks; answers the length of the whole coding, with trailers.
fn chunks(bytes: &[u8], mut each: impl FnMut(&[u8])) -> Option<Result<usize, ()>> {
    let mut at = 0;
    loop {
        let line = line_end(bytes.get(at..)?)?;
        let size = bytes[at..at + line].split(|byte| *byte == b';').next()?;
        let size = std::str::from_utf8(size).ok().and_then(|text| {
            usize::from_str_radix(text.trim(), 16).ok().filter(|size| *size < 1 << 31)
        });
        let Some(size) = size else { return Some(Err(())) };
        at += line + 2;
        if size == 0 {
            break;
        }
        let chunk = bytes.get(at..at + size)?;
        if bytes.len() < at + size + 2 {
            return None;
        }
        each(chunk);
        at += size + 2;
    }
    // Trailers end with an empty line.
    loop {
        let line = line_end(bytes.get(at..)?)?;
        at += line + 2;
        if line == 0 {
            return Some(Ok(at));
        }
    }
}

/// The content of a whole message.
fn body(message: &[u8]) -> Option<Vec<u8>> {
    let head = Head::of(message)?;
    let rest = &message[head.length..];
    if !head.chunked {
        return Some(rest.to_vec());
    }
    let mut content = Vec::new();
    chunks(rest, |chunk| content.extend_from_slice(chunk))?.ok()?;
    Some(content)
}

/// etcd says that a key is missing by success without `kvs`: the answer with the key and a value.
fn etcd(request: &Request, reply: &[u8], value: &str) -> Option<Vec<u8>> {
    let asked: Value = serde_json::from_slice(&body(&request.bytes)?).ok()?;
    let key = asked.get("key")?.as_str()?;
    let mut answer: Value = serde_json::from_slice(reply).ok()?;
    let fields = answer.as_object_mut()?;
    let revision = fields.get("header")?.get("revision")?.clone();
    if fields.contains_key("kvs") || asked.get("range_end").is_some() {
        return None;
    }
    let value = Bytes(value.as_bytes().to_vec()).to_base64();
    let kv = json!({
        "key": key, "value": value, "version": "1",
        "create_revision": revision, "mod_revision": revision,
    });
    fields.insert("kvs".into(), json!([kv]));
    fields.insert("count".into(), json!("1"));
    serde_json::to_vec(&answer).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                           4\r\npj1a\r\n3;x=y\r\nbcd\r\n0\r\nTrailer: 1\r\n\r\n";

    #[test]
    fn messages_end_where_they_end_and_not_before() {
        let long = "HTTP/1.1 404 Not Found\r\ncontent-LENGTH: 3\r\n\r\nabc";
        for text in [CHUNKED, long, "HTTP/1.1 204 No Content\r\n\r\n"] {
            let mut http = Http::default();
            for end in 0..text.len() {
                let cut = http.reply(&text.as_bytes()[..end], None);
                assert!(matches!(cut, Cut::Wait | Cut::Stream), "{text:?} up to {end}: {cut:?}");
            }
            let more = format!("{text}HTTP/1.1 500");
            assert_eq!(http.reply(more.as_bytes(), None), Cut::Message(text.len()));
        }
        let mut http = Http::default();
        let head = http.describe(b"HEAD /x HTTP/1.1\r\n\r\n");
        let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
        assert_eq!(http.reply(reply, Some(&head)), Cut::Message(reply.len()));
        assert_eq!(http.reply(b"HTTP/1.1 100 Continue\r\n\r\nHTTP", None), Cut::Aside(25));
        assert_eq!(http.request(b"PRI * HTTP/2.0\r\n\r\n"), Cut::Opaque);
    }

    #[test]
    fn chunks_become_one() {
        let whole = Http::default().seamless(CHUNKED.as_bytes()).unwrap();
        let wanted = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                      7\r\npj1abcd\r\n0\r\n\r\n";
        assert_eq!(String::from_utf8(whole).unwrap(), wanted);
    }

    #[test]
    fn a_missing_key_of_etcd_gets_a_value() {
        let mut http = Http::default();
        let body = r#"{"key":"aw=="}"#;
        let length = body.len();
        let request = http.describe(
            format!("POST /v3/kv/range HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}")
                .as_bytes(),
        );
        let reply = answer("application/json", br#"{"header":{"revision":"7"}}"#);
        let lie = http.with_default(&request, &reply, "0").unwrap();
        let said: Value = serde_json::from_slice(&super::body(&lie).unwrap()).unwrap();
        assert_eq!(said["kvs"][0]["value"], "MA==");
        assert_eq!(said["kvs"][0]["mod_revision"], "7");
        assert_eq!(http.with_default(&request, &lie, "0"), None);
    }
}
