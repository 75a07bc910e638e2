//! The parts about liars have a bound, whatever the length of the run.

use perjury_history::{
    Accusation, Anomaly, Call, Confidence, Event, Index, Outcome, Phase, Reply, Value, Verdict,
};

use crate::liars::{told, write_lines};
use crate::run::{MS, Run, environment, judgement};

/// How many elements with a tooltip, and how many bytes, a page may have.
const MOST_ELEMENTS: usize = 12_000;
const MOST_BYTES: usize = 5 << 20;

#[test]
fn ten_thousand_lies_and_as_many_operations_have_a_short_page() {
    let mut run = Run::new();
    run.add(0, Event::Phase(Phase::Load));
    let mut witnesses: Vec<Index> = Vec::new();
    for at in 0..10_000u64 {
        let node = ["n1", "n2", "n3"][at as usize % 3];
        let value = Value::from(format!("value number {at}").as_str());
        let time = (at * MS, at * MS + MS / 2);
        if at % 2 == 0 {
            let call = Call::Write { key: "x".into(), value };
            run.op(at, node, call, time, Outcome::Ok(Reply::Done));
        } else {
            let seen = Value::from(format!("false number {at}").as_str());
            let read = Call::Read { key: "x".into() };
            witnesses.push(run.op(at, node, read, time, Outcome::Ok(Reply::Value(seen))));
        }
        if at % 10 == 0 {
            let (node, detail, healthy) = (node.into(), String::new(), true);
            run.add(at * MS + MS / 2, Event::Probe { node, healthy, detail });
        }
    }
    let text = |what: &str, at: u64| Value::from(format!("{what} number {at}").as_str());
    let lies: Vec<_> = (0..10_000u64)
        .map(|at| {
            let mut lie = told(at, at * MS, &text("value", at & !1), &text("false", at | 1));
            // Many kinds of lie, and many nodes.
            lie.lie = format!("kind-{}", at % 100);
            lie.node = format!("n{}", at % 7).as_str().into();
            lie.detail = "POST ".repeat(50);
            lie
        })
        .collect();
    write_lines(&run, "lies.jsonl", &lies);
    let accused = |node: &str| Accusation { node: node.into(), confidence: Confidence::Proved };
    let accused = vec![accused("n1"), accused("n2"), accused("n3")];
    let mut judged = judgement(Verdict::Invalid, vec![witnesses[0]]);
    let anomaly = Anomaly { accused, ..judged.findings[0].anomalies[0].clone() };
    judged.findings[0].anomalies = witnesses
        .chunks(8)
        .map(|some| Anomaly { witnesses: some.to_vec(), ..anomaly.clone() })
        .collect();
    run.end(&environment(), &judged);
    let page = run.page();
    let elements = page.matches("<title>").count();
    assert!(elements < MOST_ELEMENTS, "{elements} elements with a tooltip");
    assert!(page.len() < MOST_BYTES, "{} bytes", page.len());
    for text in
        ["more lies, of further kinds, are not shown", "more of these", "marks are not drawn"]
    {
        assert!(page.contains(text), "{text:?} is missing");
    }
}
