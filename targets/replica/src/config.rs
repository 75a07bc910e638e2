//! What a replica is told at its start: one JSON file, and its secret key in another.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The file. `P` is what one protocol wants to know besides.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config<P> {
    /// Its own place in `replicas`.
    pub me: usize,
    /// All replicas, in the same order everywhere.
    pub replicas: Vec<Replica>,
    /// The file of its secret key: 32 bytes in hex.
    pub secret: PathBuf,
    /// The file of its store.
    pub store: PathBuf,
    /// How long a leader with nothing to propose waits, in milliseconds.
    pub idle_ms: u64,
    /// Is every record on the disk before it counts?
    pub sync: bool,
    /// What this protocol wants to know besides.
    pub protocol: P,
}

/// One replica.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Replica {
    /// Its public key: 32 bytes in hex.
    pub key: String,
    /// Where it listens for the other replicas.
    pub peers: SocketAddr,
    /// Where it listens for clients.
    pub clients: SocketAddr,
}

/// A file that makes sense, with its keys.
#[derive(Clone)]
pub struct Resolved<P> {
    /// The file.
    pub config: Config<P>,
    /// The secret key.
    pub secret: SigningKey,
    /// The public keys, in the order of the replicas.
    pub keys: Vec<VerifyingKey>,
}

/// Reads and checks both files.
///
/// # Errors
/// A file cannot be read, or says what cannot be.
pub fn load<P: DeserializeOwned>(path: &Path) -> io::Result<Resolved<P>> {
    let config: Config<P> = serde_json::from_slice(&std::fs::read(path)?)?;
    let secret = std::fs::read_to_string(&config.secret)?;
    resolve(config, secret.trim()).map_err(io::Error::other)
}

fn resolve<P>(config: Config<P>, secret: &str) -> Result<Resolved<P>, String> {
    let secret = SigningKey::from_bytes(&unhex(secret).ok_or("the secret is no 32 bytes in hex")?);
    let mut keys = Vec::new();
    for replica in &config.replicas {
        let bytes = unhex(&replica.key).ok_or_else(|| format!("no key: {}", replica.key))?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|error| error.to_string())?;
        if keys.contains(&key) {
            return Err(format!("twice the same key: {}", replica.key));
        }
        keys.push(key);
    }
    if keys.get(config.me) != Some(&secret.verifying_key()) {
        return Err(format!("the secret is not that of replica {}", config.me));
    }
    if keys.len() > usize::from(u16::MAX) {
        return Err("there are more than 65535 replicas".into());
    }
    Ok(Resolved { config, secret, keys })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn config(me: usize) -> Config<()> {
        let replica = |seed: u8| {
            let key = SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes();
            let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            serde_json::json!({ "key": key, "peers": "127.0.0.1:1", "clients": "127.0.0.1:2" })
        };
        let json = serde_json::json!({
            "me": me, "replicas": [replica(1), replica(2)], "secret": "s", "store": "d",
            "idle-ms": 100, "sync": true, "protocol": null,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn only_ones_own_secret_is_taken() {
        assert!(resolve(config(0), &"01".repeat(32)).is_ok());
        assert!(resolve(config(1), &"01".repeat(32)).is_err());
        assert!(resolve(config(2), &"01".repeat(32)).is_err());
        assert!(resolve(config(0), "01").is_err());
        assert!(resolve(config(0), &"é".repeat(32)).is_err());
        let mut doubled = config(0);
        doubled.replicas[1] = doubled.replicas[0].clone();
        assert!(resolve(doubled, &"01".repeat(32)).is_err());
    }
}
