//! The keys of one cluster: one for the controller to log in with, and one for each node, by which
//! it is known.
//!
//! They are made once per cluster and never leave its state folder but for the nodes. Known hosts
//! are written from the keys themselves, so no key is ever accepted on first sight.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::{ClusterError, SshLogin, host, state};

/// The keys of a cluster.
#[derive(Debug)]
pub(super) struct Keys {
    folder: PathBuf,
}

impl Keys {
    /// Makes all keys, in a new folder that only its owner may look into.
    pub fn make(folder: &Path, nodes: &[String]) -> Result<Keys, ClusterError> {
        state::make_private(folder)?;
        let keys = Keys { folder: folder.into() };
        keys.generate(&keys.client(), "perjury")?;
        for node in nodes {
            keys.generate(&keys.host(node), node)?;
        }
        Ok(keys)
    }

    fn generate(&self, path: &Path, comment: &str) -> Result<(), ClusterError> {
        let mut command = host::program("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]).arg(path);
        host::run("making keys", &mut command).map(|_| ())
    }

    /// The controller's private key.
    pub fn client(&self) -> PathBuf {
        self.folder.join("id_ed25519")
    }

    /// The private key of a node.
    pub fn host(&self, node: &str) -> PathBuf {
        self.folder.join(format!("host-{node}"))
    }

    /// The line that lets the controller in.
    pub fn authorized(&self) -> Result<String, ClusterError> {
        let path = self.client().with_extension("pub");
        fs::read_to_string(&path).map_err(ClusterError::io(&path))
    }

    /// Writes the keys of all nodes under all their addresses.
    pub fn write_known_hosts(
        &self,
        nodes: &[(String, Vec<IpAddr>)],
    ) -> Result<PathBuf, ClusterError> {
        let mut lines = String::new();
        for (node, addresses) in nodes {
            let path = self.folder.join(format!("host-{node}.pub"));
            let key = fs::read_to_string(&path).map_err(ClusterError::io(&path))?;
            let mut words = key.split_whitespace();
            let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            for address in addresses {
                lines.push_str(&format!("{address} {kind} {key}\n"));
            }
        }
        let path = self.folder.join("known_hosts");
        fs::write(&path, lines).map_err(ClusterError::io(&path))?;
        Ok(path)
    }

    /// How root logs in at an address.
    pub fn login(&self, address: IpAddr) -> SshLogin {
        SshLogin {
            host: address.to_string(),
            port: Some(22),
            user: Some("root".into()),
            identities: vec![self.client()],
            known_hosts: vec![self.folder.join("known_hosts")],
            // Nothing of the user's own may change how our nodes are reached.
            config: Some("/dev/null".into()),
        }
    }
}
