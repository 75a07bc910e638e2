//! What is in the order of its sessions only is judged by nobody who needs real time: the times
//! and places of such a history mean nothing, so neither good nor bad may follow from them.

use perjury_checkers::relaxed::strength;
use perjury_checkers::{
    Certificate, ModelName, Options, Refusal, judge_with_certificate, verify, worst,
};
use perjury_history::{Call, Order, Outcome, Reply, Value, Verdict};

use crate::histories::{Made, key, read, write};

/// The same answers judged with real time and without.
fn judged(calls: Vec<(Call, Reply)>, model: ModelName) -> [(Verdict, Option<Certificate>); 2] {
    let mut made = Made::default();
    for (at, (call, reply)) in (0..).zip(calls) {
        let index = made.invoke(2 * at, at, call);
        made.complete(2 * at + 1, at, index, Outcome::Ok(reply));
    }
    let mut history = made.history;
    [Order::RealTime, Order::Sessions].map(|order| {
        history.order = order;
        let (findings, proof) = judge_with_certificate(&history, &Options::new(model));
        (worst(&findings), proof)
    })
}

#[test]
fn neither_good_nor_bad_follows_from_a_place_in_the_file() {
    let value = |value: i64| Reply::Value(value.into());
    let good = vec![(write("x", 1), Reply::Done), (read("x"), value(1))];
    let bad = vec![(read("x"), value(1)), (write("x", 1), Reply::Done)];
    let [timed, untimed] = judged(good, ModelName::Register);
    assert!(timed.0 == Verdict::Valid && timed.1.is_some());
    assert_eq!(untimed, (Verdict::Unknown, None));
    let [timed, untimed] = judged(bad, ModelName::Register);
    assert_eq!((timed, untimed), ((Verdict::Invalid, None), (Verdict::Unknown, None)));
    let add = Call::Add { key: key("s"), element: 1.into() };
    let lost = Reply::Elements(Vec::new());
    let lost = vec![(add, Reply::Done), (Call::ReadAll { key: key("s") }, lost)];
    let [timed, untimed] = judged(lost, ModelName::Set);
    assert_eq!((timed.0, untimed), (Verdict::Invalid, (Verdict::Unknown, None)));
}

#[test]
fn a_proof_is_refused_and_no_weaker_promise_is_told() {
    let mut made = Made::default();
    let index = made.invoke(0, 0, write("x", 1));
    made.complete(1, 0, index, Outcome::Ok(Reply::Done));
    let mut history = made.history;
    let options = Options::new(ModelName::Register);
    let (_, proof) = judge_with_certificate(&history, &options);
    let proof = proof.unwrap();
    let check = |history: &_| verify(history, ModelName::Register, &Value::Nil, &proof);
    assert_eq!(check(&history), Ok(()));
    assert!(strength(&history, &options).is_ok());
    history.order = Order::Sessions;
    assert_eq!(check(&history), Err(Refusal::Unordered));
    assert_eq!(strength(&history, &options).unwrap_err(), Order::NO_REAL_TIME);
}
