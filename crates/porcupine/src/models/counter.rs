//! A counter: add a number, read the sum.
//!
//! Source: Jepsen's counter workload, as an exact specification (its checker has bounds only).
//! Initially 0, wrapping around at the ends of `i64`. There is no nil; a read whose value is not
//! known is `Seen::Unknown`.

use super::Seen;
use crate::paths::{Tick, decide_counter};
use crate::{Meter, Model, Operation, Shortcut};

/// A counter at 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Counter;

/// What is asked of a [`Counter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CounterInput {
    /// Add this number.
    Add(i64),
    /// What is the sum?
    Read,
}

/// What a [`Counter`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CounterOutput {
    /// To an add.
    Added,
    /// To a read.
    Read(Seen<i64>),
}

impl Model for Counter {
    type State = i64;
    type Input = CounterInput;
    type Output = CounterOutput;

    fn init(&self) -> i64 {
        0
    }

    fn step(&self, sum: &i64, input: &CounterInput, output: Option<&CounterOutput>) -> Option<i64> {
        match (input, output) {
            (CounterInput::Add(number), None | Some(CounterOutput::Added)) => {
                Some(sum.wrapping_add(*number))
            }
            (CounterInput::Read, Some(CounterOutput::Read(seen))) => seen.fits(sum).then_some(*sum),
            _ => None,
        }
    }

    fn is_read_only(&self, input: &Self::Input, _: Option<&Self::Output>) -> bool {
        matches!(input, CounterInput::Read)
    }

    fn shortcut(
        &self,
        history: &[Operation<CounterInput, CounterOutput>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        decide_counter(history, part, tick, meter)
    }
}

fn tick(input: &CounterInput, output: Option<&CounterOutput>) -> Tick {
    match (input, output) {
        (CounterInput::Add(number), None | Some(CounterOutput::Added)) => Tick::Add(*number),
        (CounterInput::Read, Some(CounterOutput::Read(Seen::Value(sum)))) => Tick::Read(*sum),
        (CounterInput::Read, None | Some(CounterOutput::Read(Seen::Unknown))) => Tick::Glance,
        _ => Tick::Never,
    }
}
