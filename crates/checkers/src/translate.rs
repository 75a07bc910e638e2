//! From operations to the inputs and outputs of a model.
//!
//! What failed for sure is left out: it had no effect. What is in doubt becomes indeterminate, but
//! an unanswered read is left out: it tells nothing and changes nothing. So is a read whose value
//! is not known.

use perjury_history::{Call, Micro, Operation, Outcome, Process, Reply, Value};
use perjury_porcupine::models::{
    Access, CasInput, CasOutput, CounterInput, CounterOutput, FencedLockInput, FencedLockOutput,
    KvAppendInput, KvAppendOutput, LogInput, LogOutput, MutableSetInput, MutableSetOutput,
    MutexInput, MutexOutput, OwnedInput, QueueInput, QueueOutput, Seen, SetInput, SetOutput,
};

/// One operation of a search, and which operation of the history it is.
pub(crate) type Searched<I, O> = (usize, perjury_porcupine::Operation<I, O>);

/// What is known of an operation that counts.
enum Known<'a> {
    Answered(&'a Reply),
    Doubtful,
}

fn known(operation: &Operation) -> Option<Known<'_>> {
    match operation.outcome() {
        // A dequeue took something away, whatever it was.
        Some(Outcome::Ok(Reply::Unknown)) if operation.call.is_read_only() => None,
        Some(Outcome::Ok(reply)) => Some(Known::Answered(reply)),
        Some(Outcome::Fail(_)) => None,
        Some(Outcome::Info(_)) | None => {
            (!operation.call.is_read_only()).then_some(Known::Doubtful)
        }
    }
}

fn timed<I, O>(
    operation: &Operation,
    input: I,
    output: Option<O>,
) -> perjury_porcupine::Operation<I, O> {
    match (output, operation.end()) {
        (Some(output), Some(end)) => perjury_porcupine::Operation::completed(
            operation.process,
            input,
            output,
            operation.start,
            end,
        ),
        _ => perjury_porcupine::Operation::indeterminate(operation.process, input, operation.start),
    }
}

fn all<I, O>(
    operations: &[(usize, &Operation)],
    translate: impl Fn(&Call, Option<&Reply>) -> Option<(I, Option<O>)>,
) -> Vec<Searched<I, O>> {
    asked(operations, |_, call, reply| translate(call, reply))
}

/// The same where it matters who asks.
fn asked<I, O>(
    operations: &[(usize, &Operation)],
    translate: impl Fn(Process, &Call, Option<&Reply>) -> Option<(I, Option<O>)>,
) -> Vec<Searched<I, O>> {
    operations
        .iter()
        .filter_map(|(at, operation)| {
            let reply = match known(operation)? {
                Known::Answered(reply) => Some(reply),
                Known::Doubtful => None,
            };
            let (input, output) = translate(operation.process, &operation.call, reply)?;
            Some((*at, timed(operation, input, output)))
        })
        .collect()
}

/// For registers of every kind.
pub(crate) fn register(
    operations: &[(usize, &Operation)],
) -> Vec<Searched<CasInput<Value>, CasOutput<Value>>> {
    all(operations, |call, reply| match (call, reply) {
        (Call::Read { .. }, Some(Reply::Value(value))) => {
            Some((CasInput::Read, Some(CasOutput::Read(Seen::Value(value.clone())))))
        }
        (Call::Write { value, .. }, reply) => {
            Some((CasInput::Write(value.clone()), reply.map(|_| CasOutput::Written)))
        }
        (Call::Delete { .. }, reply) => {
            Some((CasInput::Write(Value::Nil), reply.map(|_| CasOutput::Written)))
        }
        (Call::Cas { from, to, .. }, reply) => {
            let input = CasInput::Cas { from: from.clone(), to: to.clone() };
            match reply {
                Some(Reply::Swapped(swapped)) => Some((input, Some(CasOutput::Cas(*swapped)))),
                Some(_) => None,
                None => Some((input, None)),
            }
        }
        _ => None,
    })
}

/// For strings that grow. A missing key reads as the empty string.
pub(crate) fn strings(
    operations: &[(usize, &Operation)],
) -> Vec<Searched<KvAppendInput<()>, KvAppendOutput>> {
    let text = |value: &Value| match value {
        Value::Nil => Some(String::new()),
        Value::Int(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.to_string()),
        // Not text: no string that was written, so it must not equal any of them.
        Value::Raw(bytes) => Some(format!("\u{0}{bytes:?}")),
    };
    all(operations, |call, reply| match (call, reply) {
        (Call::Read { .. }, Some(Reply::Value(value))) => {
            Some((KvAppendInput::Get(()), Some(KvAppendOutput::Got(Seen::Value(text(value)?)))))
        }
        (Call::Write { value, .. }, reply) => {
            Some((KvAppendInput::Put((), text(value)?), reply.map(|_| KvAppendOutput::Done)))
        }
        (Call::Append { value, .. }, reply) => {
            Some((KvAppendInput::Append((), text(value)?), reply.map(|_| KvAppendOutput::Done)))
        }
        _ => None,
    })
}

/// For counters, from 0: what is read is taken relative to `initial`. A counter that is absent
/// reads as its initial value, and what is no number fits no state.
pub(crate) fn counter(
    operations: &[(usize, &Operation)],
    initial: i64,
) -> Vec<Searched<CounterInput, CounterOutput>> {
    let seen = |value: &Value| match value {
        Value::Int(sum) => CounterOutput::Read(Seen::Value(sum.wrapping_sub(initial))),
        Value::Nil => CounterOutput::Read(Seen::Value(0)),
        // No answer to a read, so the model never allows it.
        Value::Text(_) | Value::Raw(_) => CounterOutput::Added,
    };
    all(operations, |call, reply| match (call, reply) {
        (Call::Read { .. }, Some(Reply::Value(value))) => {
            Some((CounterInput::Read, Some(seen(value))))
        }
        (Call::Increment { by, .. }, reply) => {
            Some((CounterInput::Add(*by), reply.map(|_| CounterOutput::Added)))
        }
        _ => None,
    })
}

/// For sets. Doubles are not looked at: they are the business of `set_full`.
pub(crate) fn set(
    operations: &[(usize, &Operation)],
) -> Vec<Searched<SetInput<Value>, SetOutput<Value>>> {
    all(operations, |call, reply| match (call, reply) {
        (Call::Add { element, .. }, reply) => {
            Some((SetInput::Add(element.clone()), reply.map(|_| SetOutput::Added)))
        }
        (Call::ReadAll { .. }, Some(Reply::Elements(elements))) => {
            let seen = Seen::Value(elements.iter().cloned().collect());
            Some((SetInput::Read, Some(SetOutput::Read(seen))))
        }
        _ => None,
    })
}

/// For sets from which elements are removed.
pub(crate) fn mutable_set(
    operations: &[(usize, &Operation)],
) -> Vec<Searched<MutableSetInput<Value>, MutableSetOutput>> {
    let change = |reply: Option<&Reply>| match reply {
        None => None,
        Some(Reply::Changed(changed)) => Some(MutableSetOutput::Changed(*changed)),
        Some(_) => Some(MutableSetOutput::Done),
    };
    all(operations, |call, reply| match (call, reply) {
        (Call::Add { element, .. }, reply) => {
            Some((MutableSetInput::Add(element.clone()), change(reply)))
        }
        (Call::Remove { element, .. }, reply) => {
            Some((MutableSetInput::Remove(element.clone()), change(reply)))
        }
        (Call::Contains { element, .. }, Some(Reply::Contains(there))) => {
            let seen = MutableSetOutput::Contains(*there);
            Some((MutableSetInput::Contains(element.clone()), Some(seen)))
        }
        _ => None,
    })
}

/// For queues of every order.
pub(crate) fn queue(
    operations: &[(usize, &Operation)],
) -> Vec<Searched<QueueInput<Value>, QueueOutput<Value>>> {
    all(operations, |call, reply| match (call, reply) {
        (Call::Enqueue { element, .. }, reply) => {
            Some((QueueInput::Enqueue(element.clone()), reply.map(|_| QueueOutput::Enqueued)))
        }
        (Call::Dequeue { .. }, reply) => {
            let taken = match reply {
                None => None,
                Some(Reply::Value(value)) => Some(Seen::Value(Some(value.clone()))),
                Some(Reply::Empty) => Some(Seen::Value(None)),
                Some(Reply::Unknown) => Some(Seen::Unknown),
                Some(_) => return None,
            };
            Some((QueueInput::Dequeue, taken.map(QueueOutput::Dequeued)))
        }
        _ => None,
    })
}

/// For locks without owners. They answer only what happened: a refused acquire is a `fail`.
pub(crate) fn mutex(operations: &[(usize, &Operation)]) -> Vec<Searched<MutexInput, MutexOutput>> {
    all(operations, |call, reply| {
        let input = match call {
            Call::Acquire { .. } => MutexInput::Acquire,
            Call::Release { .. } => MutexInput::Release,
            _ => return None,
        };
        Some((input, reply.map(|_| MutexOutput::Done)))
    })
}

/// For locks that give tokens.
pub(crate) fn fenced_lock(
    operations: &[(usize, &Operation)],
) -> Vec<Searched<FencedLockInput, FencedLockOutput>> {
    all(operations, |call, reply| match (call, reply) {
        (Call::Acquire { .. }, Some(reply)) => {
            Some((FencedLockInput::Acquire, Some(FencedLockOutput::Granted(number(reply)?))))
        }
        (Call::Acquire { .. }, None) => Some((FencedLockInput::Acquire, None)),
        (Call::Release { .. }, reply) => {
            Some((FencedLockInput::Release, reply.map(|_| FencedLockOutput::Released)))
        }
        _ => None,
    })
}

/// For locks with owners and for semaphores: who asks is the process.
pub(crate) fn owned(
    operations: &[(usize, &Operation)],
) -> Vec<Searched<OwnedInput<Process>, MutexOutput>> {
    asked(operations, |process, call, reply| {
        Some((turn(process, call)?, reply.map(|_| MutexOutput::Done)))
    })
}

/// For locks with owners that give tokens.
pub(crate) fn owned_fenced_lock(
    operations: &[(usize, &Operation)],
) -> Vec<Searched<OwnedInput<Process>, FencedLockOutput>> {
    asked(operations, |process, call, reply| {
        let told = match (call, reply) {
            (_, None) => None,
            (Call::Acquire { .. }, Some(reply)) => Some(FencedLockOutput::Granted(number(reply)?)),
            _ => Some(FencedLockOutput::Released),
        };
        Some((turn(process, call)?, told))
    })
}

fn turn(process: Process, call: &Call) -> Option<OwnedInput<Process>> {
    match call {
        Call::Acquire { .. } => Some(OwnedInput::Acquire(process)),
        Call::Release { .. } => Some(OwnedInput::Release(process)),
        _ => None,
    }
}

/// A token or a position.
pub(crate) fn number(reply: &Reply) -> Option<u64> {
    match reply {
        Reply::Value(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    }
}

/// For logs.
pub(crate) fn log(
    operations: &[(usize, &Operation)],
) -> Vec<Searched<LogInput<Value>, LogOutput<Value>>> {
    all(operations, |call, reply| match (call, reply) {
        (Call::Append { value, .. }, reply) => {
            let told = reply.map(|reply| match number(reply) {
                Some(position) => LogOutput::Position(position),
                None => LogOutput::Appended,
            });
            Some((LogInput::Append(value.clone()), told))
        }
        (Call::ReadAll { .. }, Some(Reply::Elements(elements))) => {
            Some((LogInput::ReadAll, Some(LogOutput::All(Seen::Value(elements.clone())))))
        }
        (Call::ReadAt { position, .. }, Some(reply)) => {
            let seen = match reply {
                Reply::Value(entry) => Some(entry.clone()),
                Reply::Empty => None,
                _ => return None,
            };
            Some((LogInput::ReadAt(*position), Some(LogOutput::Entry(Seen::Value(seen)))))
        }
        _ => None,
    })
}

/// For transactions over registers. Every register holds a value, which may be nil: one that is
/// missing and one that holds nil read alike, so they must not be two states.
#[expect(clippy::type_complexity, reason = "the model's own types, written out once")]
pub(crate) fn transactions(
    operations: &[(usize, &Operation)],
) -> Vec<Searched<Vec<Access<String, Value>>, Vec<Seen<Option<Value>>>>> {
    let input = |steps: &[Micro]| -> Option<Vec<Access<String, Value>>> {
        steps
            .iter()
            .map(|step| match step {
                Micro::Read(key, _) => Some(Access::Read(key.to_string())),
                Micro::Write(key, value) => Some(Access::Write(key.to_string(), value.clone())),
                Micro::ReadList(..) | Micro::Append(..) => None,
            })
            .collect()
    };
    let output = |steps: &[Micro]| {
        steps
            .iter()
            .filter_map(|step| match step {
                Micro::Read(_, Some(value)) => Some(Seen::Value(Some(value.clone()))),
                Micro::Read(_, None) => Some(Seen::Unknown),
                _ => None,
            })
            .collect()
    };
    all(operations, |call, reply| match (call, reply) {
        (Call::Txn { steps }, Some(Reply::Txn(answered))) => {
            Some((input(steps)?, Some(output(answered))))
        }
        (Call::Txn { steps }, None) => Some((input(steps)?, None)),
        _ => None,
    })
}
