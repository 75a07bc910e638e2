//! What a replica needs on its node: the program, its configuration, its secret key.

use std::path::{Path, PathBuf};

use ed25519_compact::{KeyPair, Seed};
use perjury_agent::protocol::{Limits, MakeDir, Service, Write};
use perjury_history::{Node, Topology};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::super::{Plan, Upload};
use super::{CLIENT_PORT, Common, PEER_PORT, Replicas, Server, millis};

/// Where `make` leaves the servers, below the root of the repository.
const BUILT: &str = "target/x86_64-unknown-linux-gnu/release";

/// The program of a server on this machine: what its variable names, else beside this program, else
/// where it is built.
pub fn program(server: &Server) -> PathBuf {
    if let Some(named) = std::env::var_os(server.variable) {
        return named.into();
    }
    let beside = std::env::current_exe().ok().map(|path| path.with_file_name(server.program));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        root.join("targets").join(server.name).join(BUILT).join(server.program)
    })
}

/// The key pair of the replica at a place. Ed25519 makes it of 32 bytes (RFC 8032, 5.1.5).
fn keys(seed: &str, at: usize) -> (String, String) {
    let secret = Sha256::digest(format!("perjury replica key 1\n{at}\n{seed}"));
    let secret: [u8; 32] = secret.into();
    let pair = KeyPair::from_seed(Seed::new(secret));
    (hex(&secret), hex(pair.pk.as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn plan(database: &Replicas, node: &Node, topology: &Topology, dir: &str) -> Plan {
    let (server, options): (&Server, &Common) = (database.server, &database.common);
    let me = topology.nodes.iter().position(|other| other.name == node.name).unwrap_or(0);
    let path = |name: &str| format!("{dir}/{name}");
    let replicas: Vec<_> = topology
        .nodes
        .iter()
        .enumerate()
        .map(|(at, node)| {
            let address = |port| std::net::SocketAddr::new(node.address, port).to_string();
            let (_, public) = keys(&options.key_seed, at);
            json!({
                "key": public,
                "peers": address(PEER_PORT),
                "clients": address(CLIENT_PORT),
            })
        })
        .collect();
    let config = json!({
        "me": me,
        "replicas": replicas,
        "secret": path("secret.key"),
        "store": path("store.log"),
        "idle-ms": millis(options.idle),
        "sync": options.sync,
        "protocol": database.protocol,
    });
    let config_name = format!("{}.json", server.name);
    let (secret, _) = keys(&options.key_seed, me);
    let file = |name: &str, text: String, mode| Write {
        path: path(name),
        bytes: text.into_bytes().into(),
        mode,
        owner: None,
        append: false,
    };
    Plan {
        dirs: vec![MakeDir {
            path: dir.to_owned(),
            mode: 0o755,
            owner: None,
            remove_on_heal: true,
        }],
        uploads: vec![Upload {
            from: database.program.clone(),
            to: path(server.program),
            mode: 0o755,
            mend: format!("run `make {}`", server.name),
        }],
        files: vec![
            file(&config_name, config.to_string(), 0o644),
            file("secret.key", secret, 0o600),
        ],
        services: vec![Service {
            name: server.name.into(),
            argv: vec![path(server.program), path(&config_name)],
            env: Default::default(),
            cwd: Some(dir.to_owned()),
            log: path(&format!("{}.log", server.name)),
            user: None,
            limits: Limits::default(),
        }],
        ..Plan::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, 7.1, TEST 1: what the library makes of a secret is what every other one makes.
    #[test]
    fn a_public_key_is_that_of_its_secret() {
        let bytes = |text: &str| -> Vec<u8> {
            let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
            digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
        };
        let secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let secret: [u8; 32] = bytes(secret).try_into().unwrap();
        assert_eq!(hex(KeyPair::from_seed(Seed::new(secret)).pk.as_ref()), public);
    }

    #[test]
    fn every_replica_and_every_seed_has_keys_of_its_own() {
        let all = [keys("a", 0), keys("a", 1), keys("b", 0)];
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    }
}
