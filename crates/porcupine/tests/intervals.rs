//! Intervals are closed, an answer that is missing bounds nothing, and the verifier knows both.

use perjury_porcupine::models::{Register, RegisterInput, RegisterOutput, Seen};
use perjury_porcupine::{Budget, Flaw, Linearization, Operation, check, verify};

type Op = Operation<RegisterInput<u8>, RegisterOutput<u8>>;

fn write(value: u8, call: u64, ret: u64) -> Op {
    Operation::completed(0, RegisterInput::Write(value), RegisterOutput::Written, call, ret)
}

fn read(value: u8, call: u64, ret: u64) -> Op {
    let output = RegisterOutput::Read(Seen::Value(value));
    Operation::completed(1, RegisterInput::Read, output, call, ret)
}

fn legal(history: &[Op]) -> bool {
    check(&Register(0), history, &Budget::default()).is_linearizable()
}

#[test]
fn operations_that_touch_are_concurrent() {
    assert!(legal(&[write(1, 1, 2), read(0, 2, 3)]));
    assert!(legal(&[write(1, 1, 2), read(1, 2, 3)]));
    assert!(!legal(&[write(1, 1, 2), read(0, 3, 4)]));
    // The read touches the write from before: it may have seen it.
    assert!(legal(&[write(1, 3, 4), read(1, 2, 3)]));
    assert!(!legal(&[write(1, 4, 5), read(1, 2, 3)]));
}

#[test]
fn an_instant_is_an_interval() {
    assert!(legal(&[write(1, 5, 5), read(0, 5, 5)]));
    assert!(legal(&[write(1, 5, 5), read(1, 5, 5), write(2, 5, 5), read(2, 5, 5), read(0, 5, 5)]));
    assert!(!legal(&[write(1, 5, 5), read(0, 6, 6)]));
}

#[test]
fn a_return_before_its_call_accuses_nobody() {
    assert!(legal(&[write(1, 9, 1), read(0, 3, 4), read(1, 5, 6)]));
    assert!(!legal(&[write(1, 9, 1), read(0, 10, 11)]));
}

#[test]
fn what_was_not_answered_may_happen_late_or_never_but_not_early() {
    let lost = |call| Operation::indeterminate(2, RegisterInput::Write(7), call);
    assert!(legal(&[lost(0), read(0, 10, 11)]));
    assert!(legal(&[lost(0), read(0, 10, 11), read(7, 100, 101)]));
    assert!(!legal(&[lost(0), read(7, 10, 11), read(0, 100, 101)]));
    assert!(!legal(&[lost(20), read(7, 10, 11)]));
    assert!(legal(&[lost(11), read(7, 10, 11)]), "equal times");
}

#[test]
fn the_order_in_the_slice_does_not_matter() {
    let mut history =
        vec![write(1, 0, 1), read(1, 2, 3), write(2, 4, 9), read(1, 5, 6), read(2, 7, 8)];
    for _ in 0..history.len() {
        history.rotate_left(1);
        assert!(legal(&history));
    }
}

#[test]
fn the_verifier_finds_every_flaw() {
    let history = [
        write(1, 0, 1),
        read(1, 2, 3),
        Operation::indeterminate(2, RegisterInput::Write(7), 2),
        read(7, 4, 5),
    ];
    let judge = |order: &[usize]| {
        verify(&Register(0), &history, &Linearization { partitions: vec![order.to_vec()] })
    };
    assert_eq!(judge(&[0, 1, 2, 3]), Ok(()));
    assert_eq!(judge(&[0, 1, 3]), Err(Flaw::Refused(3)));
    assert_eq!(judge(&[0, 2, 1, 3]), Err(Flaw::Refused(1)));
    assert_eq!(judge(&[0, 1, 2]), Err(Flaw::Missing(3)));
    assert_eq!(judge(&[0, 1, 2, 2, 3]), Err(Flaw::Repeated(2)));
    assert_eq!(judge(&[0, 1, 2, 4]), Err(Flaw::Foreign { partition: 0, operation: 4 }));
    assert_eq!(judge(&[2, 0, 1, 3]), Err(Flaw::RealTime { first: 2, second: 0 }));
    let twice = Linearization { partitions: vec![vec![], vec![]] };
    let flaw = verify(&Register(0), &history, &twice).unwrap_err();
    assert_eq!(flaw, Flaw::Partitions { given: 2, expected: 1 });
    assert_eq!(flaw.to_string(), "2 partitions where the model makes 1");
}

#[test]
fn the_verifier_compares_with_the_latest_call_so_far() {
    let history = [write(1, 10, 30), write(2, 0, 20), write(3, 0, 5)];
    let judge = |order: &[usize]| {
        verify(&Register(0), &history, &Linearization { partitions: vec![order.to_vec()] })
    };
    assert_eq!(judge(&[0, 1, 2]), Err(Flaw::RealTime { first: 0, second: 2 }));
    assert_eq!(judge(&[2, 0, 1]), Ok(()));
    assert_eq!(judge(&[1, 2, 0]), Ok(()));
}
