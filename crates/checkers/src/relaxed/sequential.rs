//! Sequential consistency: one order of everything that keeps each process's own order.
//!
//! Source: Lamport, "How to make a multiprocessor computer that correctly executes multiprocess
//! programs" (1979). Real time plays no part, and registers cannot be judged one by one: the
//! property is not local. Deciding it is NP-complete (Gibbons and Korach 1997), also for distinct
//! values, so the search is bounded and may end in *unknown*.
//!
//! The search is that for linearizations: every operation is open from the beginning to the end of
//! time, and the state counts how many operations of each process took effect, so that a process's
//! next operation is the only one of its own that fits. That is its definition, word for word.

use std::collections::HashMap;

use perjury_history::{Index, Process};
use perjury_porcupine::{Meter, Model, Operation, Search, check_within};

use super::registers::{Register, Source};
use super::{Answer, Proof};

/// More than this is not even tried: every step copies a number for each process and register.
const MOST_OPERATIONS: usize = 2_000;

struct Program {
    processes: usize,
    registers: usize,
}

/// Which operation of which process: its number among those of the process, and what it does.
struct Input {
    process: usize,
    number: u32,
    register: usize,
    /// What it writes, or `None` for a read.
    writes: Option<usize>,
}

impl Model for Program {
    /// How far each process has come, and what each register holds (0: the initial value).
    type State = (Vec<u32>, Vec<usize>);
    type Input = Input;
    type Output = usize;

    fn init(&self) -> Self::State {
        (vec![0; self.processes], vec![0; self.registers])
    }

    fn step(
        &self,
        state: &Self::State,
        input: &Input,
        seen: Option<&usize>,
    ) -> Option<Self::State> {
        let (done, values) = state;
        if done[input.process] != input.number {
            return None;
        }
        let mut next = (done.clone(), values.clone());
        next.0[input.process] += 1;
        match input.writes {
            Some(value) => next.1[input.register] = value,
            None if values[input.register] != *seen? => return None,
            None => {}
        }
        Some(next)
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        state.0.capacity() * size_of::<u32>() + state.1.capacity() * size_of::<usize>()
    }
}

/// One operation, before it is known which of its process it is.
struct Step {
    when: (u64, Index),
    process: Process,
    register: usize,
    /// What it writes, or `None` for a read.
    writes: Option<usize>,
    /// What a read saw.
    seen: usize,
    answered: bool,
}

/// Is there such an order?
pub(super) fn holds(registers: &[Register], meter: &Meter) -> Answer {
    let count: usize =
        registers.iter().map(|register| register.writes.len() + register.reads.len()).sum();
    if count > MOST_OPERATIONS {
        return Answer::Unknown(format!("{count} operations are too many for a search"));
    }
    let mut steps: Vec<Step> = Vec::new();
    for (place, register) in registers.iter().enumerate() {
        for (at, write) in register.writes.iter().enumerate() {
            steps.push(Step {
                when: (write.start, write.invoked),
                process: write.process,
                register: place,
                writes: Some(at + 1),
                seen: 0,
                answered: write.end.is_some(),
            });
        }
        for read in &register.reads {
            let seen = match read.source {
                Source::Initial => 0,
                Source::Write(at) => at + 1,
                Source::Nobody => {
                    let why = format!("a read of {} returned what nobody wrote", register.key);
                    return Answer::Broken(Proof { witnesses: vec![read.invoked], why });
                }
            };
            steps.push(Step {
                when: (read.start, read.invoked),
                process: read.process,
                register: place,
                writes: None,
                seen,
                answered: true,
            });
        }
    }
    steps.sort_by_key(|step| step.when);
    let mut processes: HashMap<Process, (usize, u32)> = HashMap::new();
    let mut history = Vec::with_capacity(steps.len());
    for Step { process, register, writes, seen, answered, .. } in steps {
        let fresh = processes.len();
        let (place, next) = processes.entry(process).or_insert((fresh, 0));
        let input = Input { process: *place, number: *next, register, writes };
        *next += 1;
        history.push(if answered {
            Operation::completed(process, input, seen, 0, u64::MAX)
        } else {
            Operation::indeterminate(process, input, 0)
        });
    }
    let model = Program { processes: processes.len(), registers: registers.len() };
    match check_within(&model, &history, meter) {
        Search::Linearizable(_) => Answer::Holds,
        Search::Illegal(_) => {
            let why = "no order of all operations keeps the order of each process".to_owned();
            Answer::Broken(Proof { witnesses: Vec::new(), why })
        }
        Search::Exhausted { reason, .. } => {
            Answer::Unknown(crate::explain::reason(reason).to_owned())
        }
    }
}
