//! Cores of simulated histories: legal ones have none, planted lies have small and true ones.

use perjury_checkers::{ModelName, Options, judge, worst};
use perjury_history::{
    Anomaly, AnomalyKind, Call, Cause, Entry, Event, History, Index, NodeName, Operation, Outcome,
    Reply, Value, Verdict, pair,
};

use crate::histories::{Made, cas, read, write};
use crate::naive;
use crate::prng::Prng;

/// What a simulated client is waiting for.
struct Open {
    index: Index,
    call: Call,
    /// When it takes effect, if it has not yet.
    effect: Option<u64>,
    reply: Reply,
    end: u64,
    doubt: bool,
}

/// A register that is linearizable by construction, under a random load of `operations` calls:
/// each takes effect at a random instant between its call and its return; some replies are lost.
fn simulate(prng: &mut Prng, operations: u64, values: u64) -> History {
    let mut made = Made::default();
    let mut state = Value::Nil;
    let mut clients: Vec<(u64, Option<Open>)> = (0..4).map(|process| (process, None)).collect();
    let (mut issued, mut next_process, mut written) = (0, 4, 0_i64);
    for time in 1.. {
        for (process, slot) in &mut clients {
            let Some(open) = slot else {
                if issued < operations && prng.below(3) == 0 {
                    issued += 1;
                    written += 1;
                    // With no limit, every value is written once.
                    let (first, second) = match values {
                        0 => (written, prng.below(written as u64) as i64),
                        _ => (prng.below(values) as i64, prng.below(values) as i64),
                    };
                    let call = match prng.below(10) {
                        0..5 => read("x"),
                        5..8 => write("x", first),
                        _ => cas("x", second, first),
                    };
                    let effect = time + 1 + prng.below(6);
                    let index = made.invoke(time, *process, call.clone());
                    *slot = Some(Open {
                        index,
                        call,
                        effect: Some(effect),
                        reply: Reply::Done,
                        end: effect + prng.below(6),
                        doubt: prng.below(25) == 0,
                    });
                }
                continue;
            };
            if open.effect == Some(time) {
                open.effect = None;
                open.reply = take_effect(&open.call, &mut state);
            }
            if open.end == time && open.effect.is_none() {
                let doubt = open.doubt;
                let outcome = match doubt {
                    true => Outcome::Info(Cause::new("timeout", "")),
                    false => Outcome::Ok(open.reply.clone()),
                };
                made.complete(time, *process, open.index, outcome);
                *slot = None;
                if doubt {
                    (*process, next_process) = (next_process, next_process + 1);
                }
            }
        }
        if issued == operations && clients.iter().all(|(_, slot)| slot.is_none()) {
            return made.history;
        }
    }
    unreachable!("time does not end")
}

fn take_effect(call: &Call, state: &mut Value) -> Reply {
    match call {
        Call::Read { .. } => Reply::Value(state.clone()),
        Call::Write { value, .. } => {
            *state = value.clone();
            Reply::Done
        }
        Call::Cas { from, to, .. } => {
            let swapped = state == from;
            if swapped {
                *state = to.clone();
            }
            Reply::Swapped(swapped)
        }
        other => panic!("{other}"),
    }
}

fn judged(history: &History) -> (Verdict, Vec<Anomaly>) {
    let findings = judge(history, &Options::new(ModelName::CasRegister));
    (worst(&findings), findings.into_iter().flat_map(|finding| finding.anomalies).collect())
}

/// Makes one answered read from the second half return what another read returned in the first.
fn plant(history: &mut History, prng: &mut Prng) -> Option<u64> {
    let reads: Vec<usize> = (0..history.entries.len())
        .filter(|at| {
            let event = &history.entries[*at].event;
            matches!(event, Event::Complete { outcome: Outcome::Ok(Reply::Value(_)), .. })
        })
        .collect();
    let half = reads.len() / 2;
    let early = reads[prng.below(half as u64) as usize];
    let late = reads[half + prng.below(half as u64) as usize];
    let Event::Complete { outcome: old, .. } = history.entries[early].event.clone() else {
        return None;
    };
    let Event::Complete { process, outcome, .. } = &mut history.entries[late].event else {
        return None;
    };
    let changed = *outcome != old;
    *outcome = old;
    changed.then_some(*process)
}

/// The witnesses exist, and by themselves are illegal by the definition.
fn assert_proof(anomaly: &Anomaly, operations: &[Operation], history: &History) {
    let core: Vec<&Operation> = operations
        .iter()
        .filter(|operation| anomaly.witnesses.contains(&operation.invoked))
        .collect();
    assert_eq!(core.len(), anomaly.witnesses.len(), "{anomaly:?}");
    if core.len() <= 9 {
        assert!(!naive::linearizable(&core, &Value::Nil), "{anomaly:?}");
    }
    assert_sentence(anomaly, operations, history);
}

/// What the sentence claims is so: the process that it names read that value, and a phantom was
/// written by nobody before.
fn assert_sentence(anomaly: &Anomaly, operations: &[Operation], history: &History) {
    if anomaly.kind == AnomalyKind::NonLinearizable {
        return;
    }
    let words: Vec<&str> = anomaly.detail.split_whitespace().collect();
    assert_eq!((words[0], words[2]), ("Process", "at"), "{anomaly:?}");
    let process: u64 = words[1].parse().unwrap();
    assert!(matches!(words[4], "read" | "found"), "{anomaly:?}");
    let found = operations.iter().find(|operation| {
        let seen = match (&operation.call, operation.outcome()) {
            (Call::Read { .. }, Some(Outcome::Ok(Reply::Value(value)))) => value,
            (Call::Cas { from, .. }, Some(Outcome::Ok(Reply::Swapped(true)))) => from,
            _ => return false,
        };
        anomaly.witnesses.contains(&operation.invoked)
            && operation.process == process
            && seen.to_string() == words[5]
    });
    let found = found.unwrap_or_else(|| panic!("{anomaly:?}\n{:#?}", history.entries));
    assert_eq!(anomaly.nodes, std::slice::from_ref(&found.node));
}

#[test]
fn legal_histories_have_no_anomaly() {
    for seed in 0..1000 {
        let mut prng = Prng(seed);
        let (operations, values) = (20 + prng.below(100), [0, 2, 4][seed as usize % 3]);
        let history = simulate(&mut prng, operations, values);
        let (verdict, anomalies) = judged(&history);
        assert_eq!((verdict, anomalies), (Verdict::Valid, vec![]), "seed {seed}");
    }
}

#[test]
fn a_planted_stale_read_among_200_operations_has_a_core_of_four_at_most() {
    let (mut found, mut named) = (0, 0);
    for seed in 0..300 {
        let mut prng = Prng(seed);
        let mut history = simulate(&mut prng, 200, 0);
        let Some(liar) = plant(&mut history, &mut prng) else { continue };
        let (verdict, anomalies) = judged(&history);
        if verdict == Verdict::Valid {
            continue;
        }
        found += 1;
        let operations = pair(&history.entries).unwrap();
        for anomaly in &anomalies {
            assert!(anomaly.witnesses.len() <= 4, "seed {seed}: {anomaly:?}");
            assert_proof(anomaly, &operations, &history);
            if std::env::var_os("PERJURY_SHOW").is_some() {
                println!("{} {}", anomaly.kind, anomaly.detail);
            }
            if anomaly.kind == AnomalyKind::StaleRead {
                named += 1;
                assert!(
                    anomaly.detail.starts_with(&format!("Process {liar} ")),
                    "seed {seed}: {anomaly:?}"
                );
            }
        }
    }
    assert!(found > 200 && named * 10 > found * 9, "{found} {named}");
}

#[test]
fn with_few_values_a_core_is_still_a_proof() {
    let mut sizes = Vec::new();
    for seed in 0..300 {
        let mut prng = Prng(seed);
        let mut history = simulate(&mut prng, 150, 3);
        plant(&mut history, &mut prng);
        let (_, anomalies) = judged(&history);
        let operations = pair(&history.entries).unwrap();
        for anomaly in &anomalies {
            assert_proof(anomaly, &operations, &history);
            sizes.push(anomaly.witnesses.len());
        }
    }
    sizes.sort_unstable();
    assert!(sizes.len() > 50, "{sizes:?}");
    assert!(sizes[sizes.len() / 2] <= 8, "{sizes:?}");
}

/// Puts a write that is acknowledged and has no effect before the first entry from that position
/// on that has a later time than the one before it.
fn lose(history: &mut History, from: usize) {
    let times: Vec<u64> = history.entries.iter().map(|entry| entry.time).collect();
    let at = (from..times.len()).find(|at| times[*at] > times[at - 1]).unwrap();
    for entry in &mut history.entries {
        entry.time *= 10;
        let later = |index: &mut Index| index.0 += if index.0 >= at as u64 { 2 } else { 0 };
        later(&mut entry.index);
        if let Event::Complete { call, .. } = &mut entry.event {
            later(call);
        }
    }
    let time = history.entries[at].time;
    let index = Index(at as u64);
    let node = NodeName::from("n9");
    let invoke = Event::Invoke { process: 9999, node, call: write("x", 1_000_000) };
    let done = Outcome::Ok(Reply::Done);
    let complete = Event::Complete { process: 9999, call: index, outcome: done, said: None };
    let entry = |index, time, event| Entry { index, time, event };
    let added = [entry(index, time - 2, invoke), entry(Index(index.0 + 1), time - 1, complete)];
    history.entries.splice(at..at, added);
}

#[test]
fn a_lost_write_is_found_and_its_core_is_a_proof() {
    let mut found = 0;
    for seed in 0..300 {
        let mut prng = Prng(seed);
        let mut history = simulate(&mut prng, 60, 0);
        lose(&mut history, 10 + prng.below(60) as usize);
        let (verdict, anomalies) = judged(&history);
        found += usize::from(verdict == Verdict::Invalid);
        let operations = pair(&history.entries).unwrap();
        for anomaly in &anomalies {
            assert!(anomaly.witnesses.len() <= 6, "seed {seed}: {anomaly:?}");
            assert_proof(anomaly, &operations, &history);
        }
    }
    assert!(found > 50, "{found}");
}
