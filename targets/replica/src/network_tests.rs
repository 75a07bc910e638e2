#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::*;
use crate::config::{Config, Resolved};
use crate::transaction::{Id, Operation};

/// What a replica was sent: by whom, and the body.
type Taken = Arc<Mutex<Vec<(usize, Vec<u8>)>>>;

/// A replica with what it got.
struct End {
    links: Links,
    pool: Arc<Pool>,
    journal: Arc<Journal>,
    taken: Taken,
}

/// Two replicas on a loopback address of this test's own.
fn pair(last: u8, frames: Frames) -> [End; 2] {
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
        let config: Config<()> = serde_json::from_value(serde_json::json!({
            "me": me, "replicas": [replica(0), replica(1)], "secret": "", "store": "",
            "idle-ms": 0, "sync": false, "protocol": null,
        }))
        .unwrap();
        let own = Resolved { config, secret: secrets[me].clone(), keys: keys.clone() };
        let (pool, journal) = (Arc::new(Pool::default()), Arc::new(Journal::default()));
        let taken = Taken::default();
        let taking = Arc::clone(&taken);
        let take = move |sender: usize, body: &[u8]| {
            taking.lock().unwrap().push((sender, body.to_vec()));
            Ok(())
        };
        let links = Links::open(&own, frames, Arc::clone(&pool), Arc::clone(&journal), take);
        End { links: links.unwrap(), pool, journal, taken }
    })
}

fn transaction(links: &Links, origin: u16) -> Transaction {
    let operation = Operation::Write { key: "k".into(), value: "v".into() };
    Transaction::new(Id { origin, boot: 1, number: 1 }, operation, &links.0.secret)
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
    for (net, frames) in [(1, Frames::Signed), (5, Frames::Bare)] {
        let [a, b] = pair(net, frames);
        // The first frames may be sent before the link is up, and are lost then.
        until("a transaction arrives", || {
            a.links.gossip(&transaction(&a.links, 0));
            b.pool.len() == 1
        });
        a.links.send(1, b"one");
        a.links.send_all(b"all");
        until("both arrive", || b.taken.lock().unwrap().len() == 2);
        assert_eq!(*b.taken.lock().unwrap(), [(0, b"one".to_vec()), (0, b"all".to_vec())]);
        a.links.send(0, b"to oneself");
        assert!(a.taken.lock().unwrap().is_empty(), "there is no link to oneself");
        assert_eq!(b.journal.rejected.load(Relaxed), 0);
    }
}

#[test]
fn every_altered_bit_of_a_frame_is_refused() {
    let [a, b] = pair(2, Frames::Signed);
    let frame = a.links.0.frame(GOSSIP, &encode(&transaction(&a.links, 0)));
    let body = &frame[4..];
    for at in 0..body.len() * 8 {
        let mut altered = body.to_vec();
        altered[at / 8] ^= 1 << (at % 8);
        assert!(b.links.0.take(&altered).is_err(), "bit {at}");
    }
    for length in 0..body.len() {
        assert!(b.links.0.take(&body[..length]).is_err(), "{length} bytes");
    }
    assert_eq!(b.pool.len(), 0);
    assert_eq!(b.links.0.take(body), Ok(()));
    assert_eq!(b.pool.len(), 1);
}

#[test]
fn nobody_speaks_for_another() {
    let [a, b] = pair(3, Frames::Signed);
    // A frame of the first replica with a transaction in the name of the second.
    let forged = transaction(&a.links, 1);
    let frame = a.links.0.frame(GOSSIP, &encode(&forged));
    assert!(b.links.0.take(&frame[4..]).unwrap_err().contains("not its origin's"));
    let unknown = a.links.0.frame(9, b"");
    assert!(b.links.0.take(&unknown[4..]).unwrap_err().contains("unknown kind"));
    assert_eq!(b.pool.len(), 0);
}

#[test]
fn a_length_that_lies_takes_no_memory_and_is_told() {
    let [_a, b] = pair(4, Frames::Signed);
    let mut stream = TcpStream::connect("127.97.4.2:7100").unwrap();
    stream.write_all(&[0xff; 16]).unwrap();
    until("it is told", || b.journal.rejected.load(Relaxed) == 1);
    let mut stream = TcpStream::connect("127.97.4.2:7100").unwrap();
    stream.write_all(&[0, 0, 0, 5, 1, 2, 3, 4, 5]).unwrap();
    until("it is told", || b.journal.rejected.load(Relaxed) == 2);
}
