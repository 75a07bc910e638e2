//! Is the host the one that it should be?
//!
//! libssh2 compares keys, but it takes a key of another type for a forgery and it chokes on lines
//! that it does not know. So the lines are handed to it one by one, and the types of key that the
//! files hold for a host are asked for first. A key that does not match fails closed.

use std::path::{Path, PathBuf};

use perjury_agent::Bytes;
use ssh2::{CheckResult, HashType, KnownHostFileKind, KnownHosts, MethodType, Session};

use super::config::Resolved;
use crate::remote::{HostKeyProblem, RemoteError};

/// What the files say.
pub(super) struct Known {
    /// `host_key_alias`, or the host and port.
    name: String,
    port: Option<u16>,
    /// The lines that say something, without those with a marker.
    lines: Vec<String>,
    /// Keys that must not be trusted, in base64.
    revoked: Vec<String>,
}

impl Known {
    /// Reads the files; one that is not there is empty.
    pub(super) fn read(resolved: &Resolved) -> Known {
        let (name, port) = match &resolved.host_key_alias {
            Some(alias) => (alias.clone(), None),
            None => (resolved.host.clone(), Some(resolved.port)),
        };
        let mut known = Known { name, port, lines: Vec::new(), revoked: Vec::new() };
        for path in &resolved.known_hosts {
            let text = std::fs::read(path).unwrap_or_default();
            for line in String::from_utf8_lossy(&text).lines() {
                known.add(line.trim());
            }
        }
        known
    }

    fn add(&mut self, line: &str) {
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        match line.strip_prefix("@revoked ") {
            Some(rest) => self.revoked.extend(rest.split_whitespace().nth(2).map(str::to_string)),
            // Certificate authorities are not supported: such a host stays unknown.
            None if line.starts_with('@') => {}
            None => self.lines.push(line.to_string()),
        }
    }

    fn check(&self, hosts: &KnownHosts, key: &[u8]) -> CheckResult {
        match self.port {
            Some(port) => hosts.check_port(&self.name, port, key),
            None => hosts.check(&self.name, key),
        }
    }

    /// The types of key that the files hold for this host, such as `ssh-ed25519`.
    fn types(&self, session: &Session) -> Vec<String> {
        let mut types = Vec::new();
        for line in &self.lines {
            let mut words = line.split_whitespace().skip(1);
            let (Some(kind), Some(key)) = (words.next(), words.next()) else { continue };
            let Some(key) = Bytes::from_base64(key) else { continue };
            let Ok(mut hosts) = session.known_hosts() else { continue };
            // Names in the files may be hashed: the line is the host's if its own key matches.
            let read = hosts.read_str(line, KnownHostFileKind::OpenSSH);
            let ours = read.is_ok() && matches!(self.check(&hosts, &key.0), CheckResult::Match);
            if ours && !types.iter().any(|known| known == kind) {
                types.push(kind.to_string());
            }
        }
        types
    }

    /// Asks for a key of a known type, where the host has several.
    pub(super) fn prefer(&self, session: &Session) -> Result<(), ssh2::Error> {
        let types = self.types(session);
        let mut methods = session.supported_algs(MethodType::HostKey)?;
        let of_type = |method: &&str| match *method {
            "rsa-sha2-256" | "rsa-sha2-512" => "ssh-rsa".to_string(),
            other => other.to_string(),
        };
        // A stable sort: within each half libssh2's own order stays.
        methods.sort_by_key(|method| !types.contains(&of_type(method)));
        session.method_pref(MethodType::HostKey, &methods.join(","))
    }

    /// After the handshake: is the key that was used a known one?
    pub(super) fn verify(&self, session: &Session, resolved: &Resolved) -> Result<(), RemoteError> {
        let place = resolved.place();
        let Some((key, _)) = session.host_key() else {
            let reason = "the handshake left no host key".to_string();
            return Err(RemoteError::Lost { place, what: "the handshake".to_string(), reason });
        };
        let coded = Bytes(key.to_vec()).to_base64();
        let hash = session.host_key_hash(HashType::Sha256).unwrap_or_default();
        let print = Bytes(hash.to_vec()).to_base64();
        let print = format!("SHA256:{}", print.trim_end_matches('='));
        let files = list(&resolved.known_hosts);
        if self.revoked.contains(&coded) {
            return Err(RemoteError::HostKey {
                problem: HostKeyProblem::Mismatch,
                message: format!("{place}: its host key {print} is revoked in {files}"),
            });
        }
        let mut mismatch = false;
        for line in &self.lines {
            let Ok(mut hosts) = session.known_hosts() else { continue };
            if hosts.read_str(line, KnownHostFileKind::OpenSSH).is_err() {
                continue;
            }
            match self.check(&hosts, key) {
                CheckResult::Match => return Ok(()),
                CheckResult::Mismatch => mismatch = true,
                CheckResult::NotFound | CheckResult::Failure => {}
            }
        }
        let (host, port) = (&self.name, resolved.port);
        let add = self.how_to_add(resolved);
        Err(match mismatch {
            true => RemoteError::HostKey {
                problem: HostKeyProblem::Mismatch,
                message: format!(
                    "{place}: its host key {print} is not the one in {files}: either the machine \
                     was installed again or somebody else answers; if you know why, remove the \
                     old key with `ssh-keygen -R '{}'` and add the new one with `{add}`",
                    if port == 22 { host.clone() } else { format!("[{host}]:{port}") },
                ),
            },
            false => RemoteError::HostKey {
                problem: HostKeyProblem::Unknown,
                message: format!(
                    "{place}: its host key {print} is not in {files}; compare the fingerprint on \
                     the machine itself, then add it with `{add}`"
                ),
            },
        })
    }

    fn how_to_add(&self, resolved: &Resolved) -> String {
        let file = resolved.known_hosts.first().map_or_else(PathBuf::new, Clone::clone);
        let (port, host) = (resolved.port, &resolved.host);
        match self.port {
            Some(_) => format!("ssh-keyscan -p {port} {host} >> {}", file.display()),
            None => format!(
                "ssh-keyscan -p {port} {host} | sed 's/^[^ ]*/{}/' >> {}",
                self.name,
                file.display()
            ),
        }
    }
}

fn list(files: &[PathBuf]) -> String {
    let shown: Vec<_> = files.iter().map(|file| Path::display(file).to_string()).collect();
    shown.join(", ")
}
