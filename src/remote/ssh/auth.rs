//! Getting in: named keys, then an ssh-agent, then the default keys.
//!
//! No passwords: a harness that runs at night cannot type. A passphrase comes from an environment
//! variable, never from an argument.

use std::path::Path;

use perjury_agent::Bytes;
use ssh2::Session;

use super::config::Resolved;
use crate::remote::RemoteError;

/// Why an attempt to get in ended.
pub(super) enum Failure {
    /// The connection broke: worth connecting again.
    Broken(ssh2::Error),
    /// Nothing at hand is accepted.
    Refused(RemoteError),
}

/// Tries everything at hand.
pub(super) fn authenticate(session: &Session, resolved: &Resolved) -> Result<(), Failure> {
    let mut tried = Vec::new();
    if resolved.identities_named {
        by_files(session, resolved, &mut tried)?;
    }
    if !session.authenticated() && resolved.agent && std::env::var_os("SSH_AUTH_SOCK").is_some() {
        by_agent(session, resolved, &mut tried)?;
    }
    if !session.authenticated() && !resolved.identities_named {
        by_files(session, resolved, &mut tried)?;
    }
    if session.authenticated() {
        return Ok(());
    }
    if tried.is_empty() {
        tried.push("there is no key to try: name one, or load one with ssh-add".to_string());
    }
    let reason = tried.join("; ");
    Err(Failure::Refused(RemoteError::Auth { place: resolved.place(), reason }))
}

fn by_files(
    session: &Session,
    resolved: &Resolved,
    tried: &mut Vec<String>,
) -> Result<(), Failure> {
    for path in &resolved.identities {
        let shown = path.display();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(_) if !resolved.identities_named => continue,
            Err(error) => {
                tried.push(format!("{shown}: {error}"));
                continue;
            }
        };
        let passphrase = match passphrase(resolved, path, &bytes) {
            Ok(passphrase) => passphrase,
            Err(reason) => {
                tried.push(reason);
                continue;
            }
        };
        let user = &resolved.user;
        match session.userauth_pubkey_file(user, None, path, passphrase.as_deref()) {
            Ok(()) => return Ok(()),
            Err(error) if is_broken(&error) => return Err(Failure::Broken(error)),
            Err(error) if passphrase.is_some() && !is_refusal(&error) => {
                tried.push(format!("{shown}: wrong passphrase ({})", error.message()));
            }
            Err(error) => tried.push(format!("{shown}: {}", error.message())),
        }
    }
    Ok(())
}

/// The passphrase for an encrypted key; none for a plain one.
fn passphrase(resolved: &Resolved, path: &Path, key: &[u8]) -> Result<Option<String>, String> {
    if !is_encrypted(key) {
        return Ok(None);
    }
    let shown = path.display();
    let Some(name) = &resolved.passphrase_env else {
        return Err(format!(
            "{shown} is encrypted and no passphrase is at hand: name the environment variable \
             that holds it, or load the key with ssh-add"
        ));
    };
    match std::env::var(name) {
        Ok(passphrase) => Ok(Some(passphrase)),
        Err(_) => Err(format!("{shown} is encrypted and ${name} is not set")),
    }
}

/// libssh2 says "unsupported format" of an encrypted key without a passphrase, so we look.
fn is_encrypted(key: &[u8]) -> bool {
    let text = String::from_utf8_lossy(key);
    if text.contains("ENCRYPTED") {
        return true;
    }
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let Some(body) = Bytes::from_base64(&body) else { return false };
    // OpenSSH's own format: a magic word, then the name of the cipher.
    let cipher = body.0.strip_prefix(b"openssh-key-v1\0\0\0\0");
    cipher.is_some_and(|rest| !rest.starts_with(b"\x04none"))
}

fn by_agent(
    session: &Session,
    resolved: &Resolved,
    tried: &mut Vec<String>,
) -> Result<(), Failure> {
    let attempt = || -> Result<usize, ssh2::Error> {
        let mut agent = session.agent()?;
        agent.connect()?;
        agent.list_identities()?;
        let keys = agent.identities()?;
        for key in &keys {
            match agent.userauth(&resolved.user, key) {
                Ok(()) => break,
                Err(error) if is_broken(&error) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(keys.len())
    };
    match attempt() {
        Ok(_) if session.authenticated() => {}
        Ok(keys) => tried.push(format!("none of the {keys} keys of the ssh-agent is accepted")),
        Err(error) if is_broken(&error) => return Err(Failure::Broken(error)),
        Err(error) => tried.push(format!("ssh-agent: {}", error.message())),
    }
    Ok(())
}

/// Is the connection itself gone? The numbers are libssh2's.
pub(super) fn is_broken(error: &ssh2::Error) -> bool {
    // banner receive and send, socket send, timeout, disconnect, socket recv, bad socket
    const BROKEN: [i32; 7] = [-2, -3, -7, -9, -13, -43, -45];
    matches!(error.code(), ssh2::ErrorCode::Session(code) if BROKEN.contains(&code))
}

fn is_refusal(error: &ssh2::Error) -> bool {
    // authentication failed, public key unverified
    matches!(error.code(), ssh2::ErrorCode::Session(-18 | -19))
}
