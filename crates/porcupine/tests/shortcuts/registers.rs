//! Registers whose values were written once, with and without compare-and-set.

use perjury_porcupine::models::{
    CasInput, CasOutput, CasRegister, Kv, KvInput, KvOutput, Register, RegisterInput,
    RegisterOutput, Seen,
};
use perjury_porcupine::{Decision, Kind, Operation, Path, Search, check, decide};

use crate::agree::{Tally, brute, judge, one_thread, sample};
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};

type Op = Operation<CasInput<u8>, CasOutput<u8>>;

pub fn written(operation: &Op) -> Option<u8> {
    match operation.input {
        CasInput::Write(value) | CasInput::Cas { to: value, .. } => Some(value),
        CasInput::Read => None,
    }
}

pub fn expected(operation: &Op) -> Option<u8> {
    match (&operation.input, &operation.output) {
        (CasInput::Read, Some(CasOutput::Read(Seen::Value(value)))) => Some(*value),
        (CasInput::Cas { from, .. }, _) => Some(*from),
        _ => None,
    }
}

/// Adds the possible writers of every value that is named, as they were asked and answered.
pub fn add_writers<T>(
    history: &[T],
    core: &mut Vec<usize>,
    written: impl Fn(&T) -> Option<u8>,
    expected: impl Fn(&T) -> Option<u8>,
) {
    let mut done = 0;
    while let Some(&index) = core.get(done) {
        done += 1;
        for value in [written(&history[index]), expected(&history[index])].into_iter().flatten() {
            let writers = (0..history.len()).filter(|&at| written(&history[at]) == Some(value));
            let fresh: Vec<usize> = writers.filter(|at| !core.contains(at)).collect();
            core.extend(fresh);
        }
    }
}

fn add_all_writers(history: &[Op], core: &mut Vec<usize>) {
    add_writers(history, core, written, expected);
}

/// What a brute force needs to know of the answers that a missing one may stand for.
fn answers() -> Vec<(CasInput<u8>, CasOutput<u8>)> {
    let mut answers: Vec<_> = (0..9).map(|v| (CasInput::Write(v), CasOutput::Written)).collect();
    for (from, to) in (0..9).flat_map(|from| (0..9).map(move |to| (from, to))) {
        answers.push((CasInput::Cas { from, to }, CasOutput::Cas(true)));
    }
    answers
}

/// Values are written in this order, so each is new.
fn draw(prng: &mut Prng, most: u64, swaps: bool) -> Vec<Op> {
    let mut next = 0;
    let count = 1 + prng.below(most);
    let question = |prng: &mut Prng| {
        next += 1;
        match prng.below(if swaps { 5 } else { 3 }) {
            0 => CasInput::Write(next),
            1 | 2 => CasInput::Read,
            _ => CasInput::Cas {
                from: next - 1 - prng.below(u64::from(next.min(2))) as u8,
                to: next,
            },
        }
    };
    let answer = |state: &u8, input: &CasInput<u8>| match input {
        CasInput::Read => CasOutput::Read(Seen::Value(*state)),
        CasInput::Write(_) => CasOutput::Written,
        CasInput::Cas { from, .. } => CasOutput::Cas(from == state),
    };
    let mut history = simulate(&CasRegister(0), prng, count, question, answer);
    for operation in &mut history {
        if operation.input == CasInput::Read && operation.output.is_some() && prng.below(9) == 0 {
            operation.output = Some(CasOutput::Read(Seen::Unknown));
        }
    }
    maybe_lie(prng, &mut history, |a, b| {
        std::mem::discriminant(&a.input) == std::mem::discriminant(&b.input)
            && a.output.is_some() == b.output.is_some()
    });
    history
}

#[test]
fn random_registers_agree_with_the_search() {
    let tally = sample(&CasRegister(0), 10_000, |prng| draw(prng, 14, false), add_all_writers);
    tally.assert_telling();
    assert_eq!(tally.searched, 0);
}

#[test]
fn random_swaps_agree_with_the_search() {
    let tally = sample(&CasRegister(0), 20_000, |prng| draw(prng, 12, true), add_all_writers);
    tally.assert_telling();
}

/// The same history, asked of a register and of a store with one key.
#[test]
fn all_three_registers_give_the_same_answer() {
    let mut prng = Prng(31);
    for _ in 0..10_000 {
        let history = draw(&mut prng, 10, false);
        let plain: Vec<_> = history.iter().map(plain).collect();
        let stored: Vec<_> = history.iter().map(stored).collect();
        let cas = decide(&CasRegister(0), &history, &one_thread());
        let register = decide(&Register(0), &plain, &one_thread());
        let kv = decide(&Kv::default(), &stored, &one_thread());
        assert_eq!(cas, register);
        assert_eq!(cas, kv);
    }
}

fn plain(operation: &Op) -> Operation<RegisterInput<u8>, RegisterOutput<u8>> {
    let input = match operation.input {
        CasInput::Write(value) => RegisterInput::Write(value),
        _ => RegisterInput::Read,
    };
    let output = operation.output.map(|output| match output {
        CasOutput::Read(seen) => RegisterOutput::Read(seen),
        _ => RegisterOutput::Written,
    });
    Operation { client: 0, input, output, call: operation.call, ret: operation.ret }
}

fn stored(operation: &Op) -> Operation<KvInput<u8, u8>, KvOutput<u8>> {
    let input = match operation.input {
        CasInput::Write(value) => KvInput::Put(0, value),
        _ => KvInput::Get(0),
    };
    let output = operation.output.map(|output| match output {
        CasOutput::Read(Seen::Value(value)) => {
            KvOutput::Got(Seen::Value((value > 0).then_some(value)))
        }
        CasOutput::Read(Seen::Unknown) => KvOutput::Got(Seen::Unknown),
        _ => KvOutput::Put,
    });
    Operation { client: 0, input, output, call: operation.call, ret: operation.ret }
}

fn accused(history: &[Op]) -> (Kind, Vec<usize>) {
    let Decision { answer: Search::Illegal(evidence), paths } =
        decide(&CasRegister(0), history, &one_thread())
    else {
        panic!("illegal");
    };
    assert_eq!(paths, [Path::Shortcut("zones")]);
    let witness = evidence.witnesses().next().unwrap();
    (witness.kind, witness.operations.clone())
}

fn op(input: CasInput<u8>, output: CasOutput<u8>, call: u64, ret: u64) -> Op {
    Operation::completed(0, input, output, call, ret)
}

fn read(value: u8, call: u64, ret: u64) -> Op {
    op(CasInput::Read, CasOutput::Read(Seen::Value(value)), call, ret)
}

fn write(value: u8, call: u64, ret: u64) -> Op {
    op(CasInput::Write(value), CasOutput::Written, call, ret)
}

fn swap(from: u8, to: u8, done: bool, call: u64, ret: u64) -> Op {
    op(CasInput::Cas { from, to }, CasOutput::Cas(done), call, ret)
}

#[test]
fn each_kind_of_contradiction_has_its_name() {
    assert_eq!(accused(&[read(7, 0, 1)]), (Kind::NobodyWrote, vec![0]));
    assert_eq!(accused(&[read(7, 0, 1), write(7, 2, 3)]), (Kind::ReadBeforeWrite, vec![1, 0]));
    let overlap = [write(1, 0, 1), write(2, 0, 1), read(1, 2, 3), read(2, 4, 5), read(1, 6, 7)];
    assert_eq!(accused(&overlap), (Kind::Overlap, vec![0, 4, 1, 3]));
    let inside = [write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)];
    assert_eq!(accused(&inside), (Kind::Inside, vec![0, 2, 1]));
    let stale = [write(1, 0, 1), read(0, 4, 5)];
    assert_eq!(accused(&stale), (Kind::Inside, vec![1, 0]));
    let twice = [swap(0, 1, true, 0, 9), swap(0, 2, true, 0, 9)];
    assert_eq!(accused(&twice), (Kind::TwoSwaps, vec![0, 1]));
    let ring = [swap(1, 2, true, 0, 9), swap(2, 1, true, 0, 9)];
    assert_eq!(accused(&ring).0, Kind::SwapRing);
    let order = [swap(0, 1, true, 0, 9), read(1, 0, 1), read(0, 2, 3)];
    assert_eq!(accused(&order), (Kind::SwapOrder, vec![2, 0, 1]));
    let refused = [write(1, 0, 1), swap(1, 2, false, 2, 3), read(1, 4, 5)];
    assert_eq!(accused(&refused), (Kind::RefusedInside, vec![0, 1, 2]));
    let wrong = [op(CasInput::Read, CasOutput::Written, 0, 1)];
    assert_eq!(accused(&wrong), (Kind::Misanswered, vec![0]));
}

#[test]
fn a_refused_swap_without_a_place_is_found_in_a_long_history() {
    let mut history = Vec::new();
    for number in 0..5_000 {
        let (value, at) = (number + 1, 20 * number);
        let op = |input, output, call, ret| Operation::completed(0, input, output, call, ret);
        history.push(op(CasInput::Write(value), CasOutput::Written, at, at + 10));
        if number == 2_500 {
            // Nothing but this value can be there: the next write comes later.
            let swap = CasInput::Cas { from: value, to: 9_999 };
            history.push(op(swap, CasOutput::Cas(false), at + 12, at + 15));
            continue;
        }
        for (call, ret) in [(at + 5, at + 15), (at + 12, at + 18)] {
            let seen = CasOutput::Read(Seen::Value(value));
            history.push(op(CasInput::Read, seen, call, ret));
        }
        // Refused as the value before is gone.
        let swap = CasInput::Cas { from: number, to: 9_999 };
        history.push(op(swap, CasOutput::Cas(false), at + 3, at + 12));
    }
    let decision = decide(&CasRegister(0), &history, &one_thread());
    assert_eq!(decision.paths, [Path::Shortcut("zones")]);
    let Search::Illegal(evidence) = decision.answer else { panic!("illegal") };
    let witness = evidence.witnesses().next().unwrap();
    assert_eq!((witness.kind, witness.operations.len()), (Kind::Together, 8));
    let core: Vec<_> = witness.operations.iter().map(|&at| history[at]).collect();
    assert!(check(&CasRegister(0), &core, &one_thread()).is_illegal());
}

#[test]
fn a_value_that_was_seen_and_written_twice_goes_to_the_search() {
    let history = [write(1, 0, 1), write(1, 2, 3), read(1, 4, 5)];
    let decision = decide(&CasRegister(0), &history, &one_thread());
    assert!(decision.answer.is_linearizable());
    assert_eq!(decision.paths, [Path::Search]);
    // Nobody saw it: then it does not matter.
    let decision = decide(&CasRegister(0), &history[..2], &one_thread());
    assert!(decision.answer.is_linearizable());
    assert_eq!(decision.paths, [Path::Shortcut("zones")]);
}

#[test]
fn the_end_of_time_is_an_instant_like_any_other() {
    let end = u64::MAX;
    for history in [
        vec![write(1, end, end), read(0, end, end)],
        vec![write(1, 0, end), read(0, end, end)],
        vec![write(1, 0, end - 1), read(0, end, end)],
        vec![write(1, 0, end), read(1, 0, end - 1), read(0, 3, end)],
    ] {
        let expected = brute(&CasRegister(0), &answers(), &history);
        judge(&CasRegister(0), &history, expected, &mut Tally::default(), add_all_writers);
    }
}
