//! Asks every node for its health, as a load balancer would, and records what it says. What that is
//! worth is for the checkers to say.

use std::sync::Arc;
use std::time::Duration;

use perjury_history::{Event, Topology};

use super::interpreter::Tell;
use crate::databases::Database;

/// How often, and how long a node may take to answer.
const EVERY: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(1);

/// Probes until it is dropped, or until nobody listens.
pub(super) async fn probe(database: Arc<dyn Database>, topology: Topology, tell: Tell) {
    loop {
        tokio::time::sleep(EVERY).await;
        for node in &topology.nodes {
            let Some(asking) = database.probe(node, &topology) else { continue };
            let said = tokio::time::timeout(LIMIT, asking).await;
            let detail = match &said {
                Ok(Ok(())) => String::new(),
                Ok(Err(cause)) => cause.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            let healthy = matches!(said, Ok(Ok(())));
            if !tell.tell(Event::Probe { node: node.name.clone(), healthy, detail }).await {
                return;
            }
        }
    }
}
