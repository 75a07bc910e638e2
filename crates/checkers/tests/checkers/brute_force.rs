//! On all small register histories the judgement is the definition's.

use perjury_checkers::{ModelName, Options, judge, worst};
use perjury_history::{Call, Cause, Outcome, Reply, Value, Verdict, pair};

use crate::histories::{Made, cas, read, write};
use crate::naive;
use crate::prng::Prng;

/// What may be asked and answered, with two values.
fn kinds() -> Vec<(Call, Option<Outcome>)> {
    let ok = |reply| Some(Outcome::Ok(reply));
    let fail = || Some(Outcome::Fail(Cause::new("refused", "")));
    let info = || Some(Outcome::Info(Cause::new("timeout", "")));
    vec![
        (read("x"), ok(Reply::Value(Value::Nil))),
        (read("x"), ok(Reply::Value(Value::Int(1)))),
        (read("x"), ok(Reply::Value(Value::Int(2)))),
        (read("x"), ok(Reply::Unknown)),
        (read("x"), info()),
        (write("x", 1), ok(Reply::Done)),
        (write("x", 2), ok(Reply::Done)),
        (write("x", 1), info()),
        (write("x", 2), fail()),
        (write("x", 2), None),
        (cas("x", 1, 2), ok(Reply::Swapped(true))),
        (cas("x", 1, 2), ok(Reply::Swapped(false))),
        (cas("x", 1, 2), info()),
        (cas("x", Value::Nil, 1), ok(Reply::Swapped(true))),
    ]
}

/// Interleavings of up to `operations` operations as events: `true` opens the next operation,
/// `false` closes the operation of that number.
fn interleavings(operations: usize) -> Vec<Vec<(bool, usize)>> {
    fn extend(
        prefix: &mut Vec<(bool, usize)>,
        opened: usize,
        open: &mut Vec<usize>,
        operations: usize,
        all: &mut Vec<Vec<(bool, usize)>>,
    ) {
        if opened == operations && open.is_empty() {
            all.push(prefix.clone());
            return;
        }
        if opened < operations && open.len() < 3 {
            prefix.push((true, opened));
            open.push(opened);
            extend(prefix, opened + 1, open, operations, all);
            open.pop();
            prefix.pop();
        }
        for at in 0..open.len() {
            let number = open.remove(at);
            prefix.push((false, number));
            extend(prefix, opened, open, operations, all);
            prefix.pop();
            open.insert(at, number);
        }
    }
    let mut all = Vec::new();
    extend(&mut Vec::new(), 0, &mut Vec::new(), operations, &mut all);
    all
}

/// Every operation has a process of its own: which process made a call is nothing to a register.
fn compare(shape: &[(bool, usize)], chosen: &[&(Call, Option<Outcome>)], ties: u64) -> bool {
    let mut made = Made::default();
    let mut indices = vec![None; chosen.len()];
    let mut time = 0;
    for (at, (opens, number)) in shape.iter().enumerate() {
        time += u64::from(ties >> at & 1 == 0);
        let (call, outcome) = chosen[*number];
        if *opens {
            indices[*number] = Some(made.invoke(time, *number as u64, call.clone()));
        } else if let Some(outcome) = outcome {
            made.complete(time, *number as u64, indices[*number].unwrap(), outcome.clone());
        }
    }
    let operations = pair(&made.history.entries).unwrap();
    let expected = naive::linearizable(&operations.iter().collect::<Vec<_>>(), &Value::Nil);
    let findings = judge(&made.history, &Options::new(ModelName::CasRegister));
    let wanted = if expected { Verdict::Valid } else { Verdict::Invalid };
    assert_eq!(worst(&findings), wanted, "{:#?}\n{findings:#?}", made.history.entries);
    for anomaly in findings.iter().flat_map(|finding| &finding.anomalies) {
        let core: Vec<_> = operations
            .iter()
            .filter(|operation| anomaly.witnesses.contains(&operation.invoked))
            .collect();
        assert_eq!(core.len(), anomaly.witnesses.len());
        assert!(!naive::linearizable(&core, &Value::Nil), "{:#?}", made.history.entries);
    }
    expected
}

#[test]
fn all_histories_of_up_to_three_operations() {
    let kinds = kinds();
    let (mut legal, mut illegal) = (0_u64, 0_u64);
    for size in 1..=3 {
        for shape in interleavings(size) {
            for code in 0..kinds.len().pow(size as u32) {
                let chosen: Vec<_> = (0..size)
                    .map(|at| &kinds[code / kinds.len().pow(at as u32) % kinds.len()])
                    .collect();
                for ties in [0, u64::MAX] {
                    match compare(&shape, &chosen, ties) {
                        true => legal += 1,
                        false => illegal += 1,
                    }
                }
            }
        }
    }
    assert!(legal > 10_000 && illegal > 10_000, "{legal} {illegal}");
}

#[test]
fn many_histories_of_four_operations_with_any_ties() {
    let kinds = kinds();
    let shapes = interleavings(4);
    let mut prng = Prng(7);
    let mut illegal = 0;
    for _ in 0..60_000 {
        let shape = &shapes[prng.below(shapes.len() as u64) as usize];
        let chosen: Vec<_> =
            (0..4).map(|_| &kinds[prng.below(kinds.len() as u64) as usize]).collect();
        let ties = prng.below(256) & prng.below(256);
        illegal += usize::from(!compare(shape, &chosen, ties));
    }
    assert!(illegal > 10_000, "{illegal}");
}
