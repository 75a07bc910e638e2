//! One HTTP/1.1 connection that carries JSON, one request at a time.
//!
//! `hyper`'s connection type, not its pooled client: it never retries, never reconnects and knows
//! no proxy. It also tells a request that was never sent from one whose fate is unknown.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use perjury_history::Cause;
use serde_json::Value as Json;
use tokio::net::TcpStream;

/// No answer is larger than this: a range over a whole set of some hundred thousand elements.
const MOST: usize = 64 << 20;

/// Why a request has no JSON answer.
#[derive(Debug)]
pub(super) enum HttpError {
    /// It was never sent.
    NotSent(Cause),
    /// It may have been carried out.
    Lost(Cause),
    /// The server answered with an error: status and body.
    Status(StatusCode, String),
    /// The answer is no JSON.
    NotJson(Cause),
}

impl HttpError {
    /// For those who do not care which.
    pub(super) fn into_cause(self) -> Cause {
        match self {
            HttpError::NotSent(cause) | HttpError::Lost(cause) | HttpError::NotJson(cause) => cause,
            HttpError::Status(status, body) => {
                Cause::new("http-status", format!("{status}: {body}"))
            }
        }
    }
}

/// An open connection.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    /// Connects. Nothing is sent yet.
    pub(super) async fn open(address: SocketAddr) -> Result<Connection, Cause> {
        let failed = |error: &dyn std::fmt::Display| {
            Cause::new("no-connection", format!("{address}: {error}"))
        };
        let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let shaken = handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| failed(&error))?;
        // It ends when the sender is dropped; its errors reach the request that they concern.
        tokio::spawn(async move { connection.await.ok() });
        Ok(Connection { sender, host: address.to_string() })
    }

    /// Can another request be sent?
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Asks with GET.
    pub(super) async fn get(&mut self, path: &str) -> Result<Json, HttpError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Asks with POST.
    pub(super) async fn post(&mut self, path: &str, body: &Json) -> Result<Json, HttpError> {
        self.ask(Method::POST, path, body.to_string().into()).await
    }

    async fn ask(&mut self, method: Method, path: &str, body: Bytes) -> Result<Json, HttpError> {
        let not_sent = |what: String| HttpError::NotSent(Cause::new("not-sent", what));
        self.sender.ready().await.map_err(|error| not_sent(error.to_string()))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| not_sent(error.to_string()))?;
        let response = match self.sender.try_send_request(request).await {
            Ok(response) => response,
            Err(mut error) => {
                let what = error.error().to_string();
                return Err(match error.take_message() {
                    // The request comes back only if not a byte of it went out.
                    Some(_) => not_sent(what),
                    None => HttpError::Lost(Cause::new("connection-lost", what)),
                });
            }
        };
        read(response).await
    }
}

async fn read(response: Response<Incoming>) -> Result<Json, HttpError> {
    let status = response.status();
    let body = Limited::new(response.into_body(), MOST).collect().await;
    let bytes = body
        .map_err(|error| HttpError::Lost(Cause::new("connection-lost", error.to_string())))?
        .to_bytes();
    let text = || String::from_utf8_lossy(&bytes).into_owned();
    if !status.is_success() {
        return Err(HttpError::Status(status, text()));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| HttpError::NotJson(Cause::new("not-json", format!("{error}: {}", text()))))
}
