//! etcd 3.4 and later, through the v3 JSON gateway that every member serves on its client port.
//!
//! Registers are keys; a set is a prefix with one key for each element. Reads are linearizable
//! unless the declaration asks for serializable ones, which a member answers from its own copy.

mod client;
mod http;
mod several;
mod signs;

use std::net::SocketAddr;

use perjury_agent::protocol::{Limits, MakeDir, Service};
use perjury_history::{Cause, Framing, Node, NodeName, Topology};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::wire::{limited, who_says_yes};
use super::{Bound, Boxed, Claims, Client, Database, Plan, Program, Sign, Wire, Wires};
use http::Connection;

const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;
const PROGRAM: &str = "/usr/bin/etcd";

/// The options of etcd in a declaration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// How reads are made.
    pub reads: Reads,
}

/// How reads are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// Confirmed by a quorum: the default of etcd.
    #[default]
    Linearizable,
    /// Answered by one member from its own copy.
    Serializable,
}

/// etcd with its options.
pub struct Etcd {
    options: Options,
}

impl Etcd {
    /// etcd with these options.
    pub fn new(options: Options) -> Etcd {
        Etcd { options }
    }
}

fn client_address(node: &Node) -> SocketAddr {
    SocketAddr::new(node.address, CLIENT_PORT)
}

fn peer_url(node: &Node) -> String {
    format!("http://{}", SocketAddr::new(node.address, PEER_PORT))
}

impl Database for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn claims(&self) -> Claims {
        Claims {
            promise: "every operation on keys is linearizable, under any crash or partition; \
                      without a majority nothing is served"
                .into(),
            source:
                "etcd documentation, \"KV API guarantees\"; FAQ, \"What is failure tolerance?\""
                    .into(),
            requests: None,
            byzantine: Bound::None,
            crashes: Bound::Half,
            exempt: (self.options.reads == Reads::Serializable).then(|| {
                "reads were asked for as serializable: the documentation says that such a read may \
                 be stale"
                    .into()
            }),
        }
    }

    fn plan(&self, node: &Node, topology: &Topology, dir: &str) -> Plan {
        let client_url = format!("http://{}", client_address(node));
        let members: Vec<String> = topology
            .nodes
            .iter()
            .map(|member| format!("{}={}", member.name, peer_url(member)))
            .collect();
        let data = format!("{dir}/data");
        let arguments = [
            ("--name", node.name.to_string()),
            ("--data-dir", data.clone()),
            ("--listen-peer-urls", peer_url(node)),
            ("--listen-client-urls", client_url.clone()),
            ("--advertise-client-urls", client_url),
            ("--initial-advertise-peer-urls", peer_url(node)),
            ("--initial-cluster", members.join(",")),
            ("--initial-cluster-state", "new".into()),
            ("--logger", "zap".into()),
        ];
        let mut argv = vec![PROGRAM.to_owned()];
        argv.extend(arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
        let own = |path: &str, mode, remove| MakeDir {
            path: path.to_owned(),
            mode,
            owner: None,
            remove_on_heal: remove,
        };
        Plan {
            programs: vec![Program { path: PROGRAM.into(), package: Some("etcd-server".into()) }],
            dirs: vec![own(dir, 0o755, true), own(&data, 0o700, false)],
            files: Vec::new(),
            services: vec![Service {
                name: "etcd".into(),
                argv,
                env: Default::default(),
                cwd: Some(dir.to_owned()),
                log: format!("{dir}/etcd.log"),
                user: None,
                limits: Limits::default(),
            }],
            logs: Vec::new(),
            ..Plan::default()
        }
    }

    fn version(&self) -> Vec<String> {
        vec![PROGRAM.into(), "--version".into()]
    }

    fn connect<'a>(
        &'a self,
        node: &'a Node,
        _topology: &'a Topology,
    ) -> Boxed<'a, Result<Box<dyn Client>, Cause>> {
        Box::pin(async move {
            let connection = Connection::open(client_address(node)).await?;
            Ok(Box::new(client::EtcdClient::new(connection, self.options.reads)) as Box<dyn Client>)
        })
    }

    fn connect_local<'a>(
        &'a self,
        node: &'a Node,
        _topology: &'a Topology,
    ) -> Option<Boxed<'a, Result<Box<dyn Client>, Cause>>> {
        Some(Box::pin(async move {
            let connection = Connection::open(client_address(node)).await?;
            let client = client::EtcdClient::new(connection, Reads::Serializable);
            Ok(Box::new(client) as Box<dyn Client>)
        }))
    }

    fn probe<'a>(
        &'a self,
        node: &'a Node,
        _topology: &'a Topology,
    ) -> Option<Boxed<'a, Result<(), Cause>>> {
        Some(Box::pin(async move {
            let asking = async {
                let mut connection = Connection::open(client_address(node)).await?;
                connection.get("/health").await.map_err(http::HttpError::into_cause)
            };
            let health = limited(asking).await?;
            match health["health"] == "true" {
                true => Ok(()),
                false => Err(Cause::new("unhealthy", health.to_string())),
            }
        }))
    }

    fn signs(&self) -> &'static [Sign] {
        signs::SIGNS
    }

    fn wires(&self) -> Wires {
        Wires {
            clients: Wire { ports: vec![CLIENT_PORT], framing: Framing::Http },
            peers: Wire { ports: vec![PEER_PORT], framing: Framing::None },
        }
    }

    fn primaries<'a>(&'a self, topology: &'a Topology) -> Boxed<'a, Vec<NodeName>> {
        Box::pin(who_says_yes(topology.nodes.clone(), |node| async move {
            let mut connection = Connection::open(client_address(&node)).await?;
            let asked = connection.post("/v3/maintenance/status", &json!({})).await;
            let status = asked.map_err(http::HttpError::into_cause)?;
            let me = &status["header"]["member_id"];
            Ok(!me.is_null() && *me == status["leader"])
        }))
    }
}
