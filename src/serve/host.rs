//! Who may ask: requests that name this machine itself.
//!
//! A page of a hostile site can have its own name resolve to 127.0.0.1 and then read what is
//! served there as its own origin (DNS rebinding). Such a request carries the site's name. An
//! address cannot be made to resolve to another, so a server that listens on more than loopback
//! takes every address.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::Answer;

/// Which hosts may be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Loopback names and addresses.
    Loopback,
    /// Every address too.
    Addresses,
}

impl Policy {
    /// What fits to the address that is listened on.
    pub fn of(address: IpAddr) -> Policy {
        if address.is_loopback() { Policy::Loopback } else { Policy::Addresses }
    }

    fn takes(self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => match rest.split_once(']') {
                Some((name, port)) if port.is_empty() || is_port(port) => name,
                _ => return false,
            },
            None => match host.split_once(':') {
                Some((name, port)) if is_port(&format!(":{port}")) => name,
                Some(_) => return false,
                None => host,
            },
        };
        let name = name.to_ascii_lowercase();
        match name.parse::<IpAddr>() {
            Ok(address) => self == Policy::Addresses || address.is_loopback(),
            Err(_) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

/// Lets a request through, or not.
pub async fn check(State(policy): State<Policy>, request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    match (host, hosts.next()) {
        (Some(host), None) if policy.takes(host) => next.run(request).await,
        _ => {
            let text = "This server answers only to the names of this machine, such as localhost.";
            Answer::Bad(text.into()).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_a_host() {
        for host in
            ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]:9", "[::1]", "a.localhost:1"]
        {
            assert!(Policy::Loopback.takes(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:80",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "localhost:x",
            "[::1",
            "[::1]x",
            "a:b:c",
        ] {
            assert!(!Policy::Loopback.takes(host), "{host}");
        }
        assert!(Policy::Addresses.takes("10.0.0.1:80"));
        assert!(!Policy::Addresses.takes("evil.example"));
    }
}
