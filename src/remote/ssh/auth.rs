//! Getting in: named keys, then an ssh-agent, then the default keys.
//!
//! No passwords: a harness that runs at night cannot type. A passphrase comes from an environment
//! variable, never from an argument. Where keys are named (or `IdentitiesOnly` is set), of the
//! agent's keys only those are offered: an encrypted key file opens if the agent holds its key.

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

/// Why no more keys can be tried.
enum Gone {
    /// The connection broke by itself.
    Broken(ssh2::Error),
    /// The host has had enough; what to do about it is in [`Tried::said`].
    HungUp,
}

/// What was offered to the host, and what came of it.
#[derive(Default)]
struct Tried {
    /// How many keys the host refused.
    refused: usize,
    /// What was said of each attempt.
    said: Vec<String>,
}

impl Tried {
    /// What a broken connection means. A server that has refused keys hangs up after a few
    /// (`MaxAuthTries`); connecting again would only end in the same way.
    fn broken(&mut self, error: ssh2::Error) -> Gone {
        if self.refused < 2 {
            return Gone::Broken(error);
        }
        self.said.push(format!(
            "the host hung up after it had refused {} keys ({}): it allows only so many \
             (MaxAuthTries); name the right one as IdentityFile, with IdentitiesOnly",
            self.refused,
            error.message()
        ));
        Gone::HungUp
    }
}

/// Tries everything at hand.
pub(super) fn authenticate(session: &Session, resolved: &Resolved) -> Result<(), Failure> {
    let mut tried = Tried::default();
    match try_all(session, resolved, &mut tried) {
        Err(Gone::Broken(error)) => return Err(Failure::Broken(error)),
        Ok(()) if session.authenticated() => return Ok(()),
        _ => {}
    }
    if tried.said.is_empty() {
        tried.said.push("there is no key to try: name one, or load one with ssh-add".to_string());
    }
    let reason = tried.said.join("; ");
    Err(Failure::Refused(RemoteError::Auth { place: resolved.place(), reason }))
}

fn try_all(session: &Session, resolved: &Resolved, tried: &mut Tried) -> Result<(), Gone> {
    if resolved.identities_named {
        by_files(session, resolved, tried)?;
    }
    if !session.authenticated()
        && let Some(socket) = &resolved.agent
    {
        by_agent(session, resolved, socket, tried)?;
    }
    if !session.authenticated() && !resolved.identities_named {
        by_files(session, resolved, tried)?;
    }
    Ok(())
}

fn by_files(session: &Session, resolved: &Resolved, tried: &mut Tried) -> Result<(), Gone> {
    for path in &resolved.identities {
        let shown = path.display();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(_) if !resolved.identities_named => continue,
            Err(error) => {
                tried.said.push(format!("{shown}: {error}"));
                continue;
            }
        };
        let passphrase = match passphrase(resolved, path, &bytes) {
            Ok(passphrase) => passphrase,
            Err(reason) => {
                tried.said.push(reason);
                continue;
            }
        };
        let user = &resolved.user;
        match session.userauth_pubkey_file(user, None, path, passphrase.as_deref()) {
            Ok(()) => return Ok(()),
            Err(error) if is_broken(&error) => return Err(tried.broken(error)),
            Err(error) if passphrase.is_some() && !is_refusal(&error) => {
                tried.said.push(format!("{shown}: wrong passphrase ({})", error.message()));
            }
            Err(error) => {
                tried.refused += 1;
                tried.said.push(format!("{shown}: {}", error.message()));
            }
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
    socket: &Path,
    tried: &mut Tried,
) -> Result<(), Gone> {
    let listed = || {
        let mut agent = session.agent()?;
        agent.set_identity_path(socket)?;
        agent.connect()?;
        agent.list_identities()?;
        agent.identities().map(|keys| (agent, keys))
    };
    let (agent, mut keys) = match listed() {
        Ok(listed) => listed,
        Err(error) => {
            let (socket, said) = (socket.display(), error.message());
            tried.said.push(format!(
                "the ssh-agent at {socket} does not answer ({said}): start one, and load the key \
                 with ssh-add"
            ));
            return Ok(());
        }
    };
    let all = keys.len();
    if resolved.only_identities {
        let wanted: Vec<_> = resolved.identities.iter().filter_map(|path| blob_of(path)).collect();
        keys.retain(|key| wanted.iter().any(|blob| blob.0 == key.blob()));
    }
    for key in &keys {
        match agent.userauth(&resolved.user, key) {
            Ok(()) => return Ok(()),
            Err(error) if is_broken(&error) => return Err(tried.broken(error)),
            Err(_) => tried.refused += 1,
        }
    }
    tried.said.push(match (all, keys.len()) {
        (0, _) => "the ssh-agent holds no key: load one with ssh-add".to_string(),
        (_, 0) => format!("none of the {all} keys of the ssh-agent belongs to a named key file"),
        (_, some) => format!("none of the {some} keys of the ssh-agent is accepted"),
    });
    Ok(())
}

/// The public half of a key file, as an agent names it: from the file beside it, or from the file
/// itself if that is all there is of the key here.
fn blob_of(path: &Path) -> Option<Bytes> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    [Path::new(&beside), path].iter().find_map(|file| {
        let text = std::fs::read_to_string(file).ok()?;
        let mut words = text.split_whitespace();
        words.next().filter(|kind| !kind.starts_with('-'))?;
        Bytes::from_base64(words.next()?)
    })
}

/// Is the connection itself gone? The numbers are libssh2's.
pub(super) fn is_broken(error: &ssh2::Error) -> bool {
    // banner receive and send, socket send, timeout, disconnect, socket recv, bad socket
    const BROKEN: [i32; 7] = [-2, -3, -7, -9, -13, -43, -45];
    match error.code() {
        // A host that hangs up instead of answering looks like one that refuses, but for the text.
        ssh2::ErrorCode::Session(-19) => error.message().starts_with("Waiting for"),
        ssh2::ErrorCode::Session(code) => BROKEN.contains(&code),
        _ => false,
    }
}

fn is_refusal(error: &ssh2::Error) -> bool {
    // authentication failed, public key unverified
    matches!(error.code(), ssh2::ErrorCode::Session(-18 | -19))
}
