#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::sync::atomic::Ordering::Relaxed;

use hotstuff_rs::networking::messages::Message;

use super::*;
use crate::config::{Config, Resolved};
use crate::transaction::{Id, Operation};

/// Two replicas on a loopback address of this test's own.
fn pair(last: u8) -> [(Links, Arc<Pool>, Arc<Journal>); 2] {
    let secrets = [1, 2].map(|seed| SigningKey::from_bytes(&[seed; 32]));
    let keys: Vec<_> = secrets.iter().map(SigningKey::verifying_key).collect();
    [0, 1].map(|me| {
        let replica = |at: usize| {
            let hex: String = keys[at].to_bytes().iter().map(|b| format!("{b:02x}")).collect();
            serde_json::json!({
                "key": hex,
                "peers": format!("127.97.{last}.{}:7100", at + 1),
                "clients": "127.0.0.1:1",
            })
        };
        let config: Config = serde_json::from_value(serde_json::json!({
            "me": me, "replicas": [replica(0), replica(1)], "secret": "", "store": "",
            "epoch": 1, "view-seconds": 1, "pace-ms": 0, "idle-ms": 0, "sync": false,
            "mend-block-sync": true,
        }))
        .unwrap();
        let own = Resolved { config, secret: secrets[me].clone(), keys: keys.clone() };
        let (pool, journal) = (Arc::new(Pool::default()), Arc::new(Journal::default()));
        (Links::open(&own, Arc::clone(&pool), Arc::clone(&journal)).unwrap(), pool, journal)
    })
}

fn transaction(links: &Links, origin: u16) -> Transaction {
    let operation = Operation::Write { key: "k".into(), value: "v".into() };
    Transaction::new(Id { origin, boot: 1, number: 1 }, operation, &links.shared.secret)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_is_gossiped_arrives_and_messages_name_their_sender() {
    let [(mut a, _, _), (mut b, pool, journal)] = pair(1);
    // The first frames may be sent before the link is up, and are lost then.
    until("a transaction arrives", || {
        a.gossip(&transaction(&a, 0));
        pool.len() == 1
    });
    let advance = a_message();
    a.send(b.shared.keys[1], advance.clone());
    a.send(a.shared.keys[0], advance);
    let (from, _) = b.recv().or_else(|| b.recv()).or_else(|| b.recv()).unwrap();
    assert_eq!(from, b.shared.keys[0]);
    assert_eq!(a.recv().unwrap().0, a.shared.keys[0], "what is sent to oneself comes back");
    assert_eq!(journal.rejected.load(Relaxed), 0);
}

/// Any message of hotstuff_rs.
fn a_message() -> Message {
    use hotstuff_rs::block_sync::messages::BlockSyncRequest;
    use hotstuff_rs::types::data_types::{BlockHeight, ChainID};
    Message::from(BlockSyncRequest {
        chain_id: ChainID::new(1),
        start_height: BlockHeight::new(0),
        limit: 1,
    })
}

#[test]
fn every_altered_bit_of_a_frame_is_refused() {
    let [(a, _, _), (b, pool, _)] = pair(2);
    let frame = a.shared.frame(GOSSIP, &encode(&transaction(&a, 0)));
    let body = &frame[4..];
    for at in 0..body.len() * 8 {
        let mut altered = body.to_vec();
        altered[at / 8] ^= 1 << (at % 8);
        assert!(b.shared.take(&altered).is_err(), "bit {at}");
    }
    for length in 0..body.len() {
        assert!(b.shared.take(&body[..length]).is_err(), "{length} bytes");
    }
    assert_eq!(pool.len(), 0);
    assert_eq!(b.shared.take(body), Ok(()));
    assert_eq!(pool.len(), 1);
}

#[test]
fn nobody_speaks_for_another() {
    let [(a, _, _), (b, pool, _)] = pair(3);
    // A frame of the first replica with a transaction in the name of the second.
    let forged = transaction(&a, 1);
    let frame = a.shared.frame(GOSSIP, &encode(&forged));
    assert!(b.shared.take(&frame[4..]).unwrap_err().contains("not its origin's"));
    let unknown = a.shared.frame(9, b"");
    assert!(b.shared.take(&unknown[4..]).unwrap_err().contains("unknown kind"));
    assert_eq!(pool.len(), 0);
}

#[test]
fn a_length_that_lies_takes_no_memory_and_is_told() {
    let [(_a, _, _), (_b, _, journal)] = pair(4);
    let mut stream = TcpStream::connect("127.97.4.2:7100").unwrap();
    stream.write_all(&[0xff; 16]).unwrap();
    until("it is told", || journal.rejected.load(Relaxed) == 1);
    let mut stream = TcpStream::connect("127.97.4.2:7100").unwrap();
    stream.write_all(&[0, 0, 0, 5, 1, 2, 3, 4, 5]).unwrap();
    until("it is told", || journal.rejected.load(Relaxed) == 2);
}
