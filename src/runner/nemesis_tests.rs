use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use perjury_history::{Cause, Event, Fault, FaultId, Node, NodeName, Topology};
use tokio::sync::watch;

use super::*;
use crate::databases::{Boxed, Claims, Client, Plan};
use crate::nemeses::{Ledger, Step};
use crate::seed::Seed;

/// A database that is nowhere, whose primaries are what the test says.
#[derive(Clone, Default)]
struct Led(Arc<Mutex<Vec<NodeName>>>);

impl Led {
    fn by(&self, names: &[&str]) {
        *self.0.lock().unwrap() = names.iter().map(|name| NodeName::from(*name)).collect();
    }
}

impl Database for Led {
    fn name(&self) -> &'static str {
        "led"
    }

    fn claims(&self) -> Claims {
        unreachable!("nothing is judged")
    }

    fn plan(&self, _node: &Node, _topology: &Topology, _dir: &str) -> Plan {
        unreachable!("nothing is provisioned")
    }

    fn version(&self) -> Vec<String> {
        Vec::new()
    }

    fn connect<'a>(
        &'a self,
        _node: &'a Node,
        _topology: &'a Topology,
    ) -> Boxed<'a, Result<Box<dyn Client>, Cause>> {
        unreachable!("nothing is asked")
    }

    fn ready<'a>(&'a self, _topology: &'a Topology) -> Boxed<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn primaries<'a>(&'a self, _topology: &'a Topology) -> Boxed<'a, Vec<NodeName>> {
        Box::pin(async { self.0.lock().unwrap().clone() })
    }
}

const DECLARED: &str = r#"{
    "fault": [{
        "every": "1s",
        "hold": "3s",
        "inject": { "lie": {
            "targets": "primaries",
            "deceive": "clients",
            "follow": true,
            "lies": [{ "tell": { "substitute": "forged" } }]
        } }
    }]
}"#;

/// The faults of the history, in order: `+` with who lies, and `-`.
fn faults(events: &[Event]) -> Vec<String> {
    let number = |id: &FaultId| id.0;
    let text = |event: &Event| match event {
        Event::Inject { id, fault: Fault::Lie(lying) } => {
            let nodes: Vec<_> = lying.nodes.iter().map(NodeName::as_str).collect();
            Some(format!("+{} {}", number(id), nodes.join(",")))
        }
        Event::Healed { id, .. } => Some(format!("-{}", number(id))),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

#[tokio::test]
async fn a_malicious_primary_is_whoever_leads_and_each_move_is_in_the_history() {
    let node =
        |at: u8| Node { name: format!("n{at}").into(), address: IpAddr::from([10, 0, 0, at]) };
    let topology = Topology { nodes: (1..=3).map(node).collect() };
    let led = Led::default();
    led.by(&["n1"]);
    let (tell, mut said) = Tell::overheard();
    let listening = tokio::spawn(async move {
        let mut events = Vec::new();
        while let Some((event, written)) = said.recv().await {
            events.push(event);
            let _ = written.send(());
        }
        events
    });
    let clock = Clock::start();
    let ledger = Ledger::new("/nowhere/lies.jsonl".into(), clock.instant(0));
    let mut nemesis = Nemesis::new(
        serde_json::from_str(DECLARED).unwrap(),
        topology,
        Arc::new(led.clone()),
        Hands::new(BTreeMap::new(), ledger, Vec::new()),
        Seed(7).stream("nemesis"),
        tell,
        clock,
    );
    let second = 1_000_000_000;
    let steps = [
        Step { at: 0, id: FaultId(0), act: Act::Inject(0) },
        Step { at: 6 * second, id: FaultId(0), act: Act::Heal },
        Step { at: 8 * second, id: FaultId(1), act: Act::Inject(0) },
    ];
    let (over, is_over) = watch::channel(false);
    let elections = async {
        for primaries in [&["n2"][..], &[], &["n2"], &["n3", "n2"], &["n3", "n2"], &[]] {
            tokio::time::sleep(Duration::from_millis(1100)).await;
            led.by(primaries);
        }
        // After the heal nobody is followed; the last fault is, to the end of the load.
        led.by(&["n1"]);
        tokio::time::sleep(Duration::from_millis(3000)).await;
        led.by(&["n3"]);
        tokio::time::sleep(Duration::from_millis(2000)).await;
        over.send_replace(true);
    };
    let (ran, ()) = tokio::join!(nemesis.run(&steps, is_over), elections);
    ran.unwrap();
    nemesis.heal_all().await.unwrap();
    drop(nemesis);
    let events = listening.await.unwrap();
    let wanted = ["+0 n1", "-0", "+2 n2", "-2", "+3 n2,n3", "-3", "+1 n1", "-1", "+4 n3", "-4"];
    assert_eq!(faults(&events), wanted);
    let is_move = |event: &&Event| matches!(event, Event::Note(note) if note.contains("follows"));
    assert_eq!(events.iter().filter(is_move).count(), 3);
}
