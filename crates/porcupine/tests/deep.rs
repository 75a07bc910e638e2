//! Long histories take memory and time in proportion to their length, and no stack.

#[path = "load/cas.rs"]
mod cas;
mod load;

use std::time::Duration;

use cas::{Mix, cas};
use load::register::{RegisterOp, make_stale, register};
use perjury_porcupine::models::{CasRegister, Register, RegisterInput, RegisterOutput, Seen};
use perjury_porcupine::{Budget, Operation, Search, check, verify};

/// A bound that a quadratic search breaks by orders of magnitude.
fn modest() -> Budget {
    Budget { bytes: Some(1 << 28), ..Budget::time(Duration::from_secs(60)) }
}

fn assert_legal(history: &[RegisterOp]) {
    match check(&Register(0), history, &modest()) {
        Search::Linearizable(proof) => {
            assert_eq!(verify(&Register(0), history, &proof), Ok(()));
        }
        Search::Illegal(evidence) => panic!("blocked {:?}", evidence.blocked().next()),
        Search::Exhausted { reason, .. } => panic!("{reason:?}"),
    }
}

fn sequential(count: u64) -> Vec<RegisterOp> {
    let write = |i| (RegisterInput::Write(i), RegisterOutput::Written);
    let read = |i| (RegisterInput::Read, RegisterOutput::Read(Seen::Value(i - 1)));
    let ask = |i| if i % 2 == 0 { write(i) } else { read(i) };
    let operation = |i| {
        let (input, output) = ask(i);
        Operation::completed(0, input, output, 2 * i, 2 * i + 1)
    };
    (1..=count).map(operation).collect()
}

#[test]
fn a_million_operations_in_sequence() {
    assert_legal(&sequential(1_000_000));
}

#[test]
fn a_million_operations_in_sequence_with_a_lie_at_the_end() {
    let mut history = sequential(1_000_001);
    history[1_000_000].output = Some(RegisterOutput::Read(Seen::Value(7)));
    let Search::Illegal(evidence) = check(&Register(0), &history, &modest()) else {
        panic!("7 was overwritten long ago");
    };
    assert_eq!(evidence.blocked().collect::<Vec<_>>(), [1_000_000]);
    assert_eq!(evidence.partitions[0].partials[0].len(), 1_000_000);
}

#[test]
fn one_operation_that_is_open_all_the_time() {
    let mut history = sequential(200_000);
    history.push(Operation::completed(
        1,
        RegisterInput::Write(200_001),
        RegisterOutput::Written,
        0,
        500_000,
    ));
    history.push(Operation::completed(
        2,
        RegisterInput::Read,
        RegisterOutput::Read(Seen::Value(200_001)),
        500_001,
        500_002,
    ));
    assert_legal(&history);
}

#[test]
fn two_hundred_thousand_operations_of_five_clients() {
    assert_legal(&register(1, 5, 200_000, 0));
}

#[test]
fn a_stale_read_in_the_middle_is_found_and_blamed() {
    for (clients, lost) in [(3, 0), (5, 0), (5, 5)] {
        let mut history = register(1, clients, 5_000, lost);
        let stale = make_stale(&mut history);
        let Search::Illegal(evidence) = check(&Register(0), &history, &modest()) else {
            panic!("the initial value is long gone");
        };
        assert_eq!(evidence.blocked().collect::<Vec<_>>(), [stale]);
    }
}

#[test]
fn a_history_without_any_answer() {
    let history: Vec<RegisterOp> =
        (0..200_000).map(|i| Operation::indeterminate(i, RegisterInput::Write(i), i)).collect();
    assert_legal(&history);
    assert_legal(&[]);
}

#[test]
fn a_stale_read_among_many_lost_writes() {
    for (clients, count, lost) in [(10, 5_000, 10), (5, 5_000, 100), (20, 1_000, 10)] {
        let mut history = register(1, clients, count, lost);
        let stale = make_stale(&mut history);
        let Search::Illegal(evidence) = check(&Register(0), &history, &modest()) else {
            panic!("{clients} clients: the initial value is long gone");
        };
        assert_eq!(evidence.blocked().collect::<Vec<_>>(), [stale]);
    }
}

#[test]
fn twenty_clients_that_compare_and_set() {
    for values in [0, 5] {
        for (seed, count, lost) in [(1, 100, 0), (2, 200, 0), (3, 100, 20)] {
            let mut history = cas(seed, Mix { clients: 20, count, lost, values });
            let Search::Linearizable(proof) = check(&CasRegister(0), &history, &modest()) else {
                panic!("{values} values, seed {seed}: it was simulated");
            };
            assert_eq!(verify(&CasRegister(0), &history, &proof), Ok(()));
            if values == 0 && lost == 0 && count == 100 {
                let stale = cas::make_stale(&mut history, 77_777);
                let Search::Illegal(evidence) = check(&CasRegister(0), &history, &modest()) else {
                    panic!("nobody wrote that");
                };
                assert_eq!(evidence.blocked().collect::<Vec<_>>(), [stale]);
            }
        }
    }
}
