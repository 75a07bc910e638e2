//! Telling messages apart, and what a lie has to know of them.
//!
//! Each protocol here answers requests in their order and without numbers. A framing finds where
//! messages end, says what a request is about, and can make the few messages that lies need. It is
//! no validator: what it does not understand it calls opaque, and then that connection is passed
//! on as it is.

mod http;
mod postgres;
mod resp;

use super::spec::FramingName;

/// Where the first message of some bytes ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Not in these bytes: more have to come.
    Wait,
    /// The same, and it may be a stream that never ends.
    Stream,
    /// After so many bytes.
    Message(usize),
    /// So many bytes belong to no exchange: they are passed on at once.
    Aside(usize),
    /// Nowhere: these are no messages, or requests have no replies from here on.
    Opaque,
}

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The word that lies are chosen by: a command, a method and path, the first word of SQL.
    pub word: String,
    /// Does it change something?
    pub writes: bool,
    /// Is it complete in itself? Not if what it does depends on an open transaction.
    pub alone: bool,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// One protocol on one connection.
pub trait Framing: std::fmt::Debug + Send {
    /// Where the first request ends.
    fn request(&mut self, bytes: &[u8]) -> Cut;

    /// Where the first reply ends. `to` is the request that it answers, if one is open.
    fn reply(&mut self, bytes: &[u8], to: Option<&Request>) -> Cut;

    /// What a whole request is about. Called once for each, in order.
    fn describe(&mut self, bytes: &[u8]) -> Request;

    /// Takes note of a genuine reply.
    fn learn(&mut self, request: &Request, reply: &[u8]);

    /// The reply of a server that has done this write; `None` if that cannot be made.
    fn acknowledgement(&self, request: &Request) -> Option<Vec<u8>>;

    /// The reply with this value instead of "there is no such key"; `None` if it says anything
    /// else.
    fn with_default(&self, request: &Request, reply: &[u8], value: &str) -> Option<Vec<u8>>;

    /// An error in answer to this request; `None` if none fits there.
    fn refusal(&self, request: &Request, text: &str) -> Option<Vec<u8>>;

    /// The same request for a second time.
    fn copy(&self, request: &Request) -> Vec<u8> {
        request.bytes.clone()
    }

    /// The same message in one piece, if it has seams in which a seal could be cut.
    fn seamless(&self, _message: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// The framing of that name.
pub fn framing(name: FramingName) -> Option<Box<dyn Framing>> {
    match name {
        FramingName::None => None,
        FramingName::Resp => Some(Box::new(resp::Resp::default())),
        FramingName::Http => Some(Box::new(http::Http::default())),
        FramingName::Postgres => Some(Box::new(postgres::Postgres::default())),
    }
}

/// No message is longer; what is longer is passed on as a stream.
pub const MOST_MESSAGE: usize = 16 << 20;

/// Where the first CR LF begins.
fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\r\n")
}

/// A decimal number and nothing else.
fn number(bytes: &[u8]) -> Option<i64> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}
