//! What the sentinels and the servers say of who is primary.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use perjury_history::{Cause, Node, NodeName, Topology};
use redis::aio::MultiplexedConnection;

use super::super::wire::{limited, who_says_yes};
use super::client::open;
use super::{MASTER, address, sentinel_address};

fn failed(error: redis::RedisError) -> Cause {
    Cause::new("sentinel", error.to_string())
}

/// The primary, by the word of one sentinel.
pub(super) async fn primary(sentinel: SocketAddr) -> Result<SocketAddr, Cause> {
    let mut connection = open(sentinel).await?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("get-master-addr-by-name").arg(MASTER);
    let answer: Option<(String, u16)> =
        command.query_async(&mut connection).await.map_err(failed)?;
    let (ip, port) =
        answer.ok_or_else(|| Cause::new("sentinel", "it does not know the primary"))?;
    let ip: IpAddr = ip
        .parse()
        .map_err(|_| Cause::new("sentinel", format!("{ip:?} is no address of a primary")))?;
    Ok(SocketAddr::new(ip, port))
}

/// Does everybody agree, and does everything replicate?
pub(super) async fn ready(topology: &Topology) -> Result<(), String> {
    let others = topology.nodes.len() - 1;
    let mut primaries = Vec::new();
    for node in &topology.nodes {
        let name = &node.name;
        let said =
            limited(sentinel_view(node)).await.map_err(|cause| format!("{name}: {cause}"))?;
        let count =
            |field: &str| said.get(field).and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
        let flags = said.get("flags").map(String::as_str).unwrap_or_default();
        if flags != "master" {
            return Err(format!("{name}: its sentinel holds the primary for {flags}"));
        }
        let (sentinels, replicas) = (count("num-other-sentinels"), count("num-slaves"));
        if sentinels != others || replicas != others {
            return Err(format!(
                "{name}: its sentinel knows {sentinels} other sentinels and {replicas} replicas \
                 of {others}"
            ));
        }
        primaries.push(said.get("ip").cloned().unwrap_or_default());
    }
    primaries.dedup();
    let [primary] = primaries.as_slice() else {
        return Err(format!("the sentinels disagree about the primary: {}", primaries.join(", ")));
    };
    let Some(node) = topology.nodes.iter().find(|node| node.address.to_string() == *primary) else {
        return Err(format!("the primary {primary} is none of the nodes"));
    };
    let info =
        limited(replication(node)).await.map_err(|cause| format!("{}: {cause}", node.name))?;
    let online = info.lines().filter(|line| line.contains("state=online")).count();
    if !info.contains("role:master") || online != others {
        return Err(format!("{}: {online} of {others} replicas are online", node.name));
    }
    Ok(())
}

/// The nodes that hold themselves for primary.
pub(super) async fn primaries(topology: &Topology) -> Vec<NodeName> {
    let asking = |node: Node| async move { Ok(replication(&node).await?.contains("role:master")) };
    who_says_yes(topology.nodes.clone(), asking).await
}

async fn sentinel_view(node: &Node) -> Result<BTreeMap<String, String>, Cause> {
    let mut connection = open(sentinel_address(node)).await?;
    redis::cmd("SENTINEL")
        .arg("master")
        .arg(MASTER)
        .query_async(&mut connection)
        .await
        .map_err(failed)
}

async fn replication(node: &Node) -> Result<String, Cause> {
    let mut connection: MultiplexedConnection = open(address(node)).await?;
    redis::cmd("INFO").arg("replication").query_async(&mut connection).await.map_err(failed)
}
