//! Locks that know their holders, and semaphores.

use std::collections::BTreeMap;

use perjury_porcupine::models::{
    FencedLockOutput, Mutex, MutexInput, MutexOutput, OwnedFencedLock, OwnedInput, OwnedMutex,
    Semaphore,
};
use perjury_porcupine::{Model, Operation, Search, check, decide};

use crate::agree::{Tally, one_thread, sample};
use crate::everything::everything;
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};
use crate::words::{Alphabet, Letter, Renaming, letter, often};

const RELEASE: u8 = 0;
const NOT_HELD: u8 = 1;
const REFUSED: u8 = 2;
/// And the token, if there are any.
const ACQUIRE: u8 = 10;

fn input(letter: Letter) -> OwnedInput<u8> {
    match letter.kind {
        RELEASE | NOT_HELD => OwnedInput::Release(letter.values[0]),
        _ => OwnedInput::Acquire(letter.values[0]),
    }
}

fn write(letter: Letter) -> (OwnedInput<u8>, MutexOutput) {
    let refused = matches!(letter.kind, NOT_HELD | REFUSED);
    let output = if refused { MutexOutput::Refused } else { MutexOutput::Done };
    (input(letter), output)
}

fn write_fenced(letter: Letter) -> (OwnedInput<u8>, FencedLockOutput) {
    let output = match letter.kind {
        RELEASE => FencedLockOutput::Released,
        NOT_HELD | REFUSED => FencedLockOutput::Refused,
        kind => FencedLockOutput::Granted(u64::from(kind - ACQUIRE)),
    };
    (input(letter), output)
}

/// All operations of the clients that are named.
fn add_clients<O>(history: &[Operation<OwnedInput<u8>, O>], core: &mut Vec<usize>) {
    let clients: Vec<u8> = core.iter().map(|&index| *history[index].input.client()).collect();
    let is_named = |at: &usize| clients.contains(history[*at].input.client());
    core.extend((0..history.len()).filter(is_named));
}

/// Of three clients.
fn all<M, O>(
    model: &M,
    write: fn(Letter) -> (OwnedInput<u8>, O),
    (most, refusals): (usize, bool),
    tokens: &[u8],
) -> Tally
where
    M: Model<Input = OwnedInput<u8>, Output = O> + Sync,
    M::State: Send + Sync,
    O: Clone + Sync + std::fmt::Debug,
{
    let one_each = |kind: u8| (1..=3).map(move |client| letter(kind, client));
    let acquires = |tokens: &[u8]| -> Vec<Letter> {
        tokens.iter().flat_map(|token| one_each(ACQUIRE + token)).collect()
    };
    let mut answered: Vec<Letter> = acquires(tokens).into_iter().chain(one_each(RELEASE)).collect();
    if refusals {
        answered.extend(one_each(NOT_HELD).chain(one_each(REFUSED)));
    }
    let unanswered = one_each(ACQUIRE).chain(one_each(RELEASE)).collect();
    let alphabet = Alphabet { renaming: Renaming::Any, answered, unanswered, once: often, write };
    // One that is not known may lie between any two that are, and after all.
    let unknown: Vec<u8> = if tokens.len() > 1 { (0..10).collect() } else { tokens.to_vec() };
    let answers: Vec<Letter> = acquires(&unknown).into_iter().chain(one_each(RELEASE)).collect();
    everything(model, &alphabet, most, &answers, |_| true, add_clients)
}

#[test]
fn all_owned_locks_of_four_operations() {
    for most in [1, 2] {
        all(&OwnedMutex::reentrant(most), write, (4, true), &[0]).assert_decided();
        all(&Semaphore::new(most), write, (4, true), &[0]).assert_decided();
    }
}

#[test]
fn all_owned_fenced_locks_of_three_operations() {
    for most in [1, 2] {
        let model = OwnedFencedLock::reentrant(most);
        let tally = all(&model, write_fenced, (3, true), &[1, 2, 3]);
        assert!(tally.legal > 0 && tally.illegal > 0);
    }
}

#[test]
#[ignore = "make exhaustive"]
fn all_owned_locks_of_five_operations() {
    for most in [1, 2, 3] {
        all(&OwnedMutex::reentrant(most), write, (5, true), &[0]).assert_decided();
        all(&Semaphore::new(most), write, (5, true), &[0]).assert_decided();
    }
}

#[test]
#[ignore = "make exhaustive"]
fn all_owned_fenced_locks_of_five_operations() {
    for most in [1, 2, 3] {
        let model = OwnedFencedLock::reentrant(most);
        all(&model, write_fenced, (4, true), &[1, 2, 3, 4]);
        all(&model, write_fenced, (5, false), &[1, 2, 3]);
    }
}

/// One operation after the other, each client's own in order, with none that was refused: what the
/// path knows. Some are lost, after which the client is another one.
fn draw<M, O>(
    model: &M,
    prng: &mut Prng,
    done: impl Fn(&M::State, &OwnedInput<u8>) -> O,
) -> Vec<Operation<OwnedInput<u8>, O>>
where
    M: Model<Input = OwnedInput<u8>, Output = O>,
    O: Clone,
{
    let clients = 2 + prng.below(3);
    let mut free_at = vec![0; clients as usize];
    let mut names: Vec<u8> = (0..clients as u8).collect();
    let (mut state, mut now, mut history) = (model.init(), 0, Vec::new());
    let lost = prng.below(3);
    for _ in 0..1 + prng.below(14) {
        let slot = prng.below(clients) as usize;
        let name = names[slot];
        let wanted = [OwnedInput::Acquire(name), OwnedInput::Release(name)];
        let at = prng.below(2) as usize;
        let fits = |input: &&OwnedInput<u8>| model.step(&state, input, None).is_some();
        let Some(&input) = [wanted[at], wanted[1 - at]].iter().find(fits).copied().as_ref() else {
            continue;
        };
        now += 1 + prng.below(4);
        let output = done(&state, &input);
        let call = u64::max(free_at[slot], now.saturating_sub(prng.below(9)));
        now = now.max(call);
        let ret = now + prng.below(9);
        let is_lost = prng.below(10) < lost;
        if !is_lost || prng.below(2) == 0 {
            state = model.step(&state, &input, Some(&output)).unwrap_or(state);
        }
        if is_lost {
            history.push(Operation::indeterminate(u64::from(name), input, call));
            names[slot] = names.iter().max().map_or(0, |name| name + 1);
        } else {
            history.push(Operation::completed(u64::from(name), input, output, call, ret));
            free_at[slot] = ret + 1;
        }
    }
    // A lie: one begins later or earlier than it did.
    if !history.is_empty() && prng.below(2) == 0 {
        let at = prng.below(history.len() as u64) as usize;
        let length = history[at].ret.saturating_sub(history[at].call);
        history[at].call = prng.below(now + 2);
        history[at].ret = history[at].call.saturating_add(length);
    }
    history
}

#[test]
fn random_owned_locks_agree_with_the_search() {
    for most in [1, 2] {
        let model = OwnedMutex::reentrant(most);
        let answer = |_: &Option<(u8, u32)>, _: &OwnedInput<u8>| MutexOutput::Done;
        let tally = sample(&model, 10_000, |prng| draw(&model, prng, answer), add_clients);
        tally.assert_telling();
    }
}

#[test]
fn random_owned_fenced_locks_agree_with_the_search() {
    for most in [1, 2] {
        let model = OwnedFencedLock::reentrant(most);
        // The least token that the model allows.
        let answer = |state: &_, input: &OwnedInput<u8>| match input {
            OwnedInput::Release(_) => FencedLockOutput::Released,
            OwnedInput::Acquire(_) => {
                let granted = (0..100).map(FencedLockOutput::Granted);
                let fits = |it: &FencedLockOutput| model.step(state, input, Some(it)).is_some();
                granted.into_iter().find(fits).unwrap_or(FencedLockOutput::Refused)
            }
        };
        let tally = sample(&model, 10_000, |prng| draw(&model, prng, answer), add_clients);
        tally.assert_telling();
    }
}

#[test]
fn random_semaphores_and_locks_with_refusals_agree_with_the_search() {
    fn drawn<M>(model: &M, prng: &mut Prng) -> Vec<Operation<OwnedInput<u8>, MutexOutput>>
    where
        M: Model<Input = OwnedInput<u8>, Output = MutexOutput>,
    {
        let count = 1 + prng.below(12);
        let question = |prng: &mut Prng| match prng.below(2) {
            0 => OwnedInput::Acquire(prng.below(3) as u8),
            _ => OwnedInput::Release(prng.below(3) as u8),
        };
        let answer = |state: &M::State, input: &OwnedInput<u8>| match model.step(state, input, None)
        {
            Some(_) => MutexOutput::Done,
            None => MutexOutput::Refused,
        };
        let mut history = simulate(model, prng, count, question, answer);
        maybe_lie(prng, &mut history, |a, b| a.output.is_some() == b.output.is_some());
        history
    }
    let (lock, semaphore) = (OwnedMutex::reentrant(2), Semaphore::new(2));
    sample(&lock, 10_000, |prng| drawn(&lock, prng), add_clients).assert_decided();
    sample(&semaphore, 10_000, |prng| drawn(&semaphore, prng), |_, _| {}).assert_decided();
}

/// A lock without owners, one whose owners are all the same, and a semaphore of one permit.
#[test]
fn three_locks_that_are_the_same_give_the_same_answer() {
    let mut prng = Prng(37);
    for _ in 0..10_000 {
        let question = |prng: &mut Prng| match prng.below(2) {
            0 => MutexInput::Acquire,
            _ => MutexInput::Release,
        };
        let answer = |held: &bool, input: &MutexInput| match Mutex.step(held, input, None) {
            Some(_) => MutexOutput::Done,
            None => MutexOutput::Refused,
        };
        let count = 1 + prng.below(12);
        let mut history = simulate(&Mutex, &mut prng, count, question, answer);
        maybe_lie(&mut prng, &mut history, |a, b| a.output.is_some() == b.output.is_some());
        let owned: Vec<_> = history
            .iter()
            .map(|op| Operation {
                client: 0,
                input: match op.input {
                    MutexInput::Acquire => OwnedInput::Acquire(()),
                    MutexInput::Release => OwnedInput::Release(()),
                },
                output: op.output,
                call: op.call,
                ret: op.ret,
            })
            .collect();
        let expected = decide(&Mutex, &history, &one_thread()).answer.is_linearizable();
        let legal = |answer: Search| answer.is_linearizable();
        assert_eq!(legal(check(&OwnedMutex::default(), &owned, &one_thread())), expected);
        assert_eq!(legal(decide(&OwnedMutex::default(), &owned, &one_thread()).answer), expected);
        assert_eq!(legal(check(&Semaphore::new(1), &owned, &one_thread())), expected);
    }
}

#[test]
fn permits_belong_to_who_took_them() {
    let op = |input, call| Operation::completed(0, input, MutexOutput::Done, call, call + 1);
    let (acquire, release) = (OwnedInput::Acquire, OwnedInput::Release);
    let model = Semaphore::new(2);
    assert_eq!(
        model.step(&BTreeMap::from([(1, 2)]), &acquire(2), Some(&MutexOutput::Refused)),
        Some(BTreeMap::from([(1, 2)]))
    );
    let legal = |history: &[_]| check(&model, history, &one_thread()).is_linearizable();
    assert!(legal(&[op(acquire(1), 0), op(acquire(2), 2), op(release(1), 4), op(acquire(2), 6)]));
    assert!(!legal(&[op(acquire(1), 0), op(acquire(2), 2), op(acquire(3), 4)]));
    assert!(!legal(&[op(acquire(1), 0), op(release(2), 2)]));
}
