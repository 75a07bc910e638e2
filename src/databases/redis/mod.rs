//! Redis 7 with Sentinel: one primary, the other nodes its replicas, a sentinel on every node.
//!
//! A client asks the sentinel of its home node for the primary when it connects, and stays with
//! that connection until it breaks or is told that it is read-only: what Redis' own documentation
//! asks of clients. Replication is asynchronous, which is where acknowledged writes are lost.

mod client;
mod sentinel;
mod signs;

use std::net::SocketAddr;
use std::time::Duration;

use perjury_agent::protocol::{Limits, MakeDir, Service, Write};
use perjury_history::{Cause, Framing, Node, NodeName, Topology};
use serde::{Deserialize, Serialize};

use super::wire::limited;
use super::{Bound, Boxed, Claims, Client, Database, Plan, Program, Sign, Wire, Wires};

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// The name under which the sentinels watch the primary.
const MASTER: &str = "perjury";

/// The options of Redis in a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// After how long without an answer a sentinel holds the primary for down.
    #[serde(with = "crate::duration")]
    pub down_after: Duration,
    /// How many replicas have to be connected for the primary to take writes (Redis'
    /// `min-replicas-to-write`); 0 switches that off, as by default.
    pub min_replicas: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options { down_after: Duration::from_secs(1), min_replicas: 0 }
    }
}

/// Redis with its options.
pub struct Redis {
    options: Options,
}

impl Redis {
    /// Redis with these options.
    pub fn new(options: Options) -> Redis {
        Redis { options }
    }

    fn redis_conf(&self, node: &Node, topology: &Topology, dir: &str) -> String {
        let mut lines = vec![
            format!("bind {} 127.0.0.1", node.address),
            format!("port {PORT}"),
            "protected-mode no".into(),
            format!("dir {dir}/data"),
            "appendonly yes".into(),
            // So that kill -9 and even a power cut lose nothing on one node: what is lost is lost
            // by replication.
            "appendfsync always".into(),
            "repl-diskless-sync-delay 0".into(),
            "save \"\"".into(),
            format!("replica-announce-ip {}", node.address),
            format!("min-replicas-to-write {}", self.options.min_replicas),
            "min-replicas-max-lag 1".into(),
        ];
        if let Some(primary) = topology.nodes.first().filter(|primary| primary.name != node.name) {
            lines.push(format!("replicaof {} {PORT}", primary.address));
        }
        lines.join("\n") + "\n"
    }

    fn sentinel_conf(&self, node: &Node, topology: &Topology, dir: &str) -> String {
        let primary = topology.nodes.first().unwrap_or(node);
        let lines = [
            format!("bind {} 127.0.0.1", node.address),
            format!("port {SENTINEL_PORT}"),
            "protected-mode no".into(),
            format!("dir {dir}"),
            format!("sentinel announce-ip {}", node.address),
            format!("sentinel monitor {MASTER} {} {PORT} {}", primary.address, topology.majority()),
            format!(
                "sentinel down-after-milliseconds {MASTER} {}",
                self.options.down_after.as_millis()
            ),
            format!("sentinel failover-timeout {MASTER} 5000"),
            format!("sentinel parallel-syncs {MASTER} {}", topology.nodes.len()),
        ];
        lines.join("\n") + "\n"
    }
}

fn address(node: &Node) -> SocketAddr {
    SocketAddr::new(node.address, PORT)
}

fn sentinel_address(node: &Node) -> SocketAddr {
    SocketAddr::new(node.address, SENTINEL_PORT)
}

fn service(name: &str, program: &str, config: &str, dir: &str) -> Service {
    Service {
        name: name.into(),
        argv: vec![program.into(), config.into()],
        env: Default::default(),
        cwd: Some(dir.to_owned()),
        log: format!("{dir}/{name}.log"),
        user: None,
        limits: Limits::default(),
    }
}

impl Database for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn claims(&self) -> Claims {
        Claims {
            promise: "Sentinel keeps a primary available by failover; replication is asynchronous"
                .into(),
            source: "Redis documentation, \"High availability with Redis Sentinel\"".into(),
            byzantine: Bound::None,
            crashes: Bound::Half,
            exempt: Some(
                "the documentation says that acknowledged writes may be lost during failures: an \
                 application that needs them must not rely on this set-up"
                    .into(),
            ),
        }
    }

    fn plan(&self, node: &Node, topology: &Topology, dir: &str) -> Plan {
        let own = |path: String, remove| MakeDir {
            path,
            mode: 0o755,
            owner: None,
            remove_on_heal: remove,
        };
        let file = |path: String, text: String| Write {
            path,
            bytes: text.into_bytes().into(),
            mode: 0o644,
            owner: None,
            append: false,
        };
        let program = |path: &str, package: &str| Program {
            path: path.into(),
            package: Some(package.into()),
        };
        let (conf, sentinel_conf) = (format!("{dir}/redis.conf"), format!("{dir}/sentinel.conf"));
        Plan {
            programs: vec![
                program("/usr/bin/redis-server", "redis-server"),
                program("/usr/bin/redis-sentinel", "redis-sentinel"),
            ],
            dirs: vec![own(dir.to_owned(), true), own(format!("{dir}/data"), false)],
            // Redis and Sentinel write to their configurations: that is how a restarted node
            // remembers whose replica it is.
            files: vec![
                file(conf.clone(), self.redis_conf(node, topology, dir)),
                file(sentinel_conf.clone(), self.sentinel_conf(node, topology, dir)),
            ],
            services: vec![
                service("redis", "/usr/bin/redis-server", &conf, dir),
                service("sentinel", "/usr/bin/redis-sentinel", &sentinel_conf, dir),
            ],
            logs: vec![conf, sentinel_conf],
            ..Plan::default()
        }
    }

    fn version(&self) -> Vec<String> {
        vec!["/usr/bin/redis-server".into(), "--version".into()]
    }

    fn connect<'a>(
        &'a self,
        node: &'a Node,
        topology: &'a Topology,
    ) -> Boxed<'a, Result<Box<dyn Client>, Cause>> {
        Box::pin(async move {
            let primary = sentinel::primary(sentinel_address(node)).await?;
            let at = topology.nodes.iter().find(|node| address(node) == primary);
            let name = at.map(|node| node.name.clone());
            let client = client::RedisClient::open(primary, name, false).await?;
            Ok(Box::new(client) as Box<dyn Client>)
        })
    }

    fn connect_local<'a>(
        &'a self,
        node: &'a Node,
        _topology: &'a Topology,
    ) -> Option<Boxed<'a, Result<Box<dyn Client>, Cause>>> {
        Some(Box::pin(async move {
            let name = Some(node.name.clone());
            let client = client::RedisClient::open(address(node), name, true).await?;
            Ok(Box::new(client) as Box<dyn Client>)
        }))
    }

    fn probe<'a>(
        &'a self,
        node: &'a Node,
        _topology: &'a Topology,
    ) -> Option<Boxed<'a, Result<(), Cause>>> {
        Some(Box::pin(limited(async move {
            let mut connection = client::open(address(node)).await?;
            let asked: Result<String, ::redis::RedisError> =
                ::redis::cmd("PING").query_async(&mut connection).await;
            asked.map(|_| ()).map_err(|error| Cause::new("unhealthy", error.to_string()))
        })))
    }

    fn ready<'a>(&'a self, topology: &'a Topology) -> Boxed<'a, Result<(), String>> {
        Box::pin(async move { sentinel::ready(topology).await })
    }

    fn signs(&self) -> &'static [Sign] {
        signs::SIGNS
    }

    fn wires(&self) -> Wires {
        Wires {
            clients: Wire { ports: vec![PORT], framing: Framing::Resp },
            peers: Wire { ports: vec![PORT], framing: Framing::None },
        }
    }

    fn primaries<'a>(&'a self, topology: &'a Topology) -> Boxed<'a, Vec<NodeName>> {
        Box::pin(async move { sentinel::primaries(topology).await })
    }
}
