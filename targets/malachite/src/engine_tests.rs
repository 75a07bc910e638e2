#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use ed25519_dalek::SigningKey;
use malachite_types::{NilOrVal, Round, SigningProvider, VoteType};
use replica::config::Config;
use replica::machine::register_key;
use replica::transaction::{Id, Operation, Transaction};

use super::*;
use crate::context::Vote;

/// More than one answer holds.
const FETCHED: u64 = BATCH + 10;

fn secret(at: usize) -> SigningKey {
    SigningKey::from_bytes(&[at as u8 + 1; 32])
}

/// One of four replicas on loopback addresses of a test's own.
fn own(net: u8, me: usize) -> Resolved<Timing> {
    let keys: Vec<_> = (0..4).map(|at| secret(at).verifying_key()).collect();
    let replica = |at: usize| {
        let hex: String = keys[at].to_bytes().iter().map(|b| format!("{b:02x}")).collect();
        serde_json::json!({
            "key": hex,
            "peers": format!("127.98.{net}.{}:7100", at + 1),
            "clients": "127.0.0.1:1",
        })
    };
    let config: Config<Timing> = serde_json::from_value(serde_json::json!({
        "me": me, "replicas": (0..4).map(replica).collect::<Vec<_>>(), "secret": "", "store": "",
        "idle-ms": 5, "sync": false, "protocol": { "timeout-ms": 200 },
    }))
    .unwrap();
    Resolved { config, secret: secret(me), keys }
}

struct Running {
    links: Links,
    book: Book,
    pool: Arc<Pool>,
    journal: Arc<Journal>,
}

fn run(net: u8, me: usize, path: &Path) -> Running {
    let (pool, journal) = (Arc::new(Pool::default()), Arc::new(Journal::default()));
    let opened = Engine::open(&own(net, me), path, Arc::clone(&pool), Arc::clone(&journal));
    let (engine, links, book) = opened.unwrap();
    std::thread::spawn(move || engine.run());
    Running { links, book, pool, journal }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn write(number: u64) -> Transaction {
    let operation = Operation::Write { key: "k".into(), value: format!("v{number}") };
    Transaction::new(Id { origin: 0, boot: 1, number }, operation, &secret(0))
}

#[test]
fn four_replicas_decide_the_same_and_the_one_that_comes_late_fetches_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |at: usize| folder.path().join(at.to_string());
    let mut all: Vec<Running> = (0..3).map(|at| run(1, at, &path(at))).collect();
    for number in 0..20 {
        all[0].pool.insert(write(number));
        all[0].links.gossip(&write(number));
    }
    let done = |running: &Running| (0..20).all(|at| running.book.holds(&outcome_key(write(at).id)));
    until("three of four decide", || all.iter().all(done));
    until("and go on", || all.iter().all(|running| running.book.height() > Height(FETCHED)));
    all.push(run(1, 3, &path(3)));
    until("the fourth fetches", || done(&all[3]) && all[3].book.height() > Height(FETCHED));
    let ids = |running: &Running| {
        let decided = running.book.from(Height(1), FETCHED as usize);
        decided.iter().map(|decided| decided.value.id()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&all[0]).len() as u64, FETCHED);
    assert!(all.iter().all(|running| ids(running) == ids(&all[0])));
    let held = |running: &Running| {
        use replica::clients::{Committed, State};
        running.book.state().get(&register_key("k"))
    };
    assert!(held(&all[0]).is_some() && all.iter().all(|running| held(running) == held(&all[0])));
    let rejected =
        |running: &Running| running.journal.rejected.load(std::sync::atomic::Ordering::Relaxed);
    assert!(all.iter().all(|running| rejected(running) == 0), "nobody lied");
}

#[test]
fn a_decided_value_without_its_certificate_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let mut all: Vec<Running> =
        (0..3).map(|at| run(2, at, &folder.path().join(at.to_string()))).collect();
    until("three of four decide", || all.iter().all(|running| running.book.height() > Height(3)));
    let truth = all[0].book.from(Height(1), 1).remove(0);
    let alone = own(3, 3);
    let pieces = || (Arc::new(Pool::default()), Arc::new(Journal::default()));
    let (pool, journal) = pieces();
    let path = folder.path().join("3");
    let (mut engine, _links, book) =
        Engine::open(&alone, &path, pool, Arc::clone(&journal)).unwrap();
    engine.feed(Input::StartHeight(Height(1), engine.hands.validators.clone()));
    let refused = |engine: &mut Engine, decided: Decided| {
        let before = journal.rejected.load(std::sync::atomic::Ordering::Relaxed);
        engine.take_decided(0, decided);
        assert_eq!(book.height(), Height(0));
        assert!(journal.rejected.load(std::sync::atomic::Ordering::Relaxed) > before);
    };
    let mut other = truth.clone();
    other.value = Value::new(&vec![write(1)]);
    refused(&mut engine, other.clone());
    // A certificate that names the other value has no signature for it.
    other.certificate.value_id = other.value.id();
    refused(&mut engine, other);
    let mut few = truth.clone();
    few.certificate.commit_signatures.truncate(2);
    refused(&mut engine, few);
    let mut twice = truth.clone();
    let first = twice.certificate.commit_signatures[0].clone();
    twice.certificate.commit_signatures = vec![first; 3];
    refused(&mut engine, twice);
    engine.take_decided(0, truth);
    assert_eq!(book.height(), Height(1), "the truth is");
    all.clear();
}

/// The vote of one's own in the log, and an engine that is about to vote otherwise: after the log
/// is read again, the first vote is sent once more and no second one is signed.
#[test]
fn what_was_signed_before_a_restart_is_not_signed_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0");
    let place = (Height(1), Round::new(0), VoteType::Prevote);
    let vote =
        |value| Vote { height: place.0, round: place.1, value, kind: place.2, voter: Place(0) };
    let signatures = Signatures(secret(0));
    let before = signatures.sign_vote(vote(NilOrVal::Val(Value::new(&vec![]).id())));
    let (mut ledger, _) = Ledger::open(&path, true, 4).unwrap();
    ledger.record(&Record::Vote(before.clone()));
    drop(ledger);
    let (pool, journal) = (Arc::new(Pool::default()), Arc::new(Journal::default()));
    let (mut engine, _links, _) = Engine::open(&own(4, 0), &path, pool, journal).unwrap();
    engine.hands.replaying = true;
    engine.feed(Input::StartHeight(Height(1), engine.hands.validators.clone()));
    engine.replay();
    engine.hands.replaying = false;
    // Nobody proposes, so the algorithm prevotes nil in this round.
    engine.feed(Input::TimeoutElapsed(malachite_types::Timeout::propose(Round::new(0))));
    assert_eq!(engine.state.last_signed_prevote, Some(before));
}
