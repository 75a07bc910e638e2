//! How old the data was that each read was given.
//!
//! The age of an answer is for how long it was out of date when it was asked for: the time from the
//! first acknowledgement of a newer write to the call; 0 if there was none. *Newer* needs no word
//! of the database: a write is newer than a value if it was asked for after that value was in
//! place, which is known from the acknowledgement of the value's own write, or from the first read
//! that had seen it. So an age is never too great, and may be too small.
//!
//! Of a set, the age is that of the oldest acknowledged element that is missing. A value that
//! nobody wrote, or that was written twice, has no age.
//!
//! Source: t-visibility in Bailis and others, "Probabilistically bounded staleness for practical
//! partial quorums" (VLDB 2012), measured at the client.

use std::collections::HashMap;

use perjury_history::{Call, Key, Nanos, Operation, Outcome, Reply, Value};

/// What is known of one register.
#[derive(Default)]
struct Register<'a> {
    /// When each value was surely in place; `None` if two wrote it.
    settled: HashMap<&'a Value, Option<Nanos>>,
    /// Of each acknowledged write its call and its end, by call; then the end is the earliest of
    /// this and all later calls.
    writes: Vec<(Nanos, Nanos)>,
}

/// What is known of one set.
#[derive(Default)]
struct Set<'a> {
    /// When each element was acknowledged, in that order.
    acknowledged: Vec<(Nanos, &'a Value)>,
    /// The place of each in that order.
    places: HashMap<&'a Value, usize>,
}

/// The age of what each operation was given; `None` of what is no read, or has none.
pub fn ages(operations: &[Operation]) -> Vec<Option<Nanos>> {
    let (registers, sets) = (registers(operations), sets(operations));
    operations.iter().map(|operation| age(operation, &registers, &sets)).collect()
}

fn age(
    operation: &Operation,
    registers: &HashMap<&Key, Register<'_>>,
    sets: &HashMap<&Key, Set<'_>>,
) -> Option<Nanos> {
    match (&operation.call, operation.outcome()) {
        (Call::Read { key }, Some(Outcome::Ok(Reply::Value(value)))) => {
            registers.get(key)?.age(value, operation.start)
        }
        (Call::ReadAll { key }, Some(Outcome::Ok(Reply::Elements(elements)))) => {
            Some(sets.get(key).map_or(0, |set| set.age(elements, operation.start)))
        }
        _ => None,
    }
}

impl Register<'_> {
    fn age(&self, value: &Value, asked: Nanos) -> Option<Nanos> {
        // What was there at first is older than everything.
        let since = if value.is_nil() { None } else { Some((*self.settled.get(value)?)?) };
        let newer = match since {
            None => 0,
            Some(settled) => self.writes.partition_point(|(start, _)| *start <= settled),
        };
        let acknowledged = self.writes.get(newer).map_or(Nanos::MAX, |(_, end)| *end);
        Some(asked.saturating_sub(acknowledged))
    }
}

impl Set<'_> {
    fn age(&self, elements: &[Value], asked: Nanos) -> Nanos {
        let mut there = vec![false; self.acknowledged.len()];
        for place in elements.iter().filter_map(|element| self.places.get(element)) {
            there[*place] = true;
        }
        let before = self.acknowledged.iter().take_while(|(end, _)| *end < asked).zip(there);
        let missing = before.into_iter().find(|(_, there)| !there);
        missing.map_or(0, |((end, _), _)| asked - end)
    }
}

/// What a call puts into a register, and whether it is known to have done so, and when.
fn put(operation: &Operation) -> Option<(&Key, &Value, Option<Nanos>)> {
    let (key, value) = match &operation.call {
        Call::Write { key, value } => (key, value),
        Call::Cas { key, to, .. } => (key, to),
        _ => return None,
    };
    match operation.outcome() {
        Some(Outcome::Fail(_) | Outcome::Ok(Reply::Swapped(false))) => None,
        Some(Outcome::Ok(_)) => Some((key, value, operation.end())),
        Some(Outcome::Info(_)) | None => Some((key, value, None)),
    }
}

fn registers(operations: &[Operation]) -> HashMap<&Key, Register<'_>> {
    let mut registers: HashMap<&Key, Register<'_>> = HashMap::new();
    for operation in operations {
        let Some((key, value, end)) = put(operation) else { continue };
        let register = registers.entry(key).or_default();
        let twice = register.settled.contains_key(value);
        let settled = end.unwrap_or(Nanos::MAX);
        register.settled.insert(value, (!twice).then_some(settled));
        register.writes.extend(end.map(|end| (operation.start, end)));
    }
    for operation in operations {
        // Whoever reads it proves that it is in place.
        if let (Call::Read { key }, Some(Outcome::Ok(Reply::Value(value)))) =
            (&operation.call, operation.outcome())
            && let Some(register) = registers.get_mut(key)
            && let Some(Some(settled)) = register.settled.get_mut(value)
        {
            *settled = (*settled).min(operation.end().unwrap_or(Nanos::MAX));
        }
    }
    for register in registers.values_mut() {
        register.writes.sort_unstable();
        let mut earliest = Nanos::MAX;
        for (_, end) in register.writes.iter_mut().rev() {
            earliest = earliest.min(*end);
            *end = earliest;
        }
    }
    registers
}

fn sets(operations: &[Operation]) -> HashMap<&Key, Set<'_>> {
    let mut sets: HashMap<&Key, Set<'_>> = HashMap::new();
    for operation in operations {
        if let (Call::Add { key, element }, Some(Outcome::Ok(_))) =
            (&operation.call, operation.outcome())
        {
            let set = sets.entry(key).or_default();
            set.acknowledged.extend(operation.end().map(|end| (end, element)));
        }
    }
    for set in sets.values_mut() {
        set.acknowledged.sort_unstable();
        let places = set.acknowledged.iter().enumerate();
        set.places = places.map(|(place, (_, element))| (*element, place)).collect();
    }
    sets
}

#[cfg(test)]
mod tests {
    use perjury_history::{Cause, Index};

    use super::*;

    fn op(call: Call, (start, end): (Nanos, Nanos), outcome: Outcome) -> Operation {
        let completion = Some((Index(start + 1), end, outcome));
        let (node, invoked) = ("n1".into(), Index(start));
        Operation { process: 1, node, call, invoked, start, completion, said: None }
    }

    fn write(value: i64, time: (Nanos, Nanos)) -> Operation {
        let call = Call::Write { key: "x".into(), value: value.into() };
        op(call, time, Outcome::Ok(Reply::Done))
    }

    fn read(value: Value, time: (Nanos, Nanos)) -> Operation {
        op(Call::Read { key: "x".into() }, time, Outcome::Ok(Reply::Value(value)))
    }

    #[test]
    fn an_answer_ages_from_the_first_newer_acknowledgement_on() {
        let operations = [
            write(1, (10, 20)),
            write(2, (30, 40)),
            write(3, (50, 60)),
            read(3.into(), (100, 110)),
            read(2.into(), (100, 110)),
            read(1.into(), (100, 110)),
            read(1.into(), (35, 110)),
            read(Value::Nil, (100, 110)),
            read(9.into(), (100, 110)),
        ];
        let expected = [Some(0), Some(40), Some(60), Some(0), Some(80), None];
        assert_eq!(ages(&operations)[3..], expected);
    }

    #[test]
    fn what_is_not_known_to_be_older_is_fresh() {
        // Two writes at the same time: neither is newer.
        let both = [write(1, (10, 30)), write(2, (20, 40)), read(1.into(), (100, 110))];
        assert_eq!(ages(&both)[2], Some(0));
        // One in doubt may take effect at any time, until somebody has read it.
        let doubt = op(
            Call::Write { key: "x".into(), value: 1.into() },
            (10, 30),
            Outcome::Info(Cause::new("timeout", "")),
        );
        let late = [doubt.clone(), write(2, (40, 50)), read(1.into(), (100, 110))];
        assert_eq!(ages(&late)[2], Some(0));
        let known =
            [doubt, read(1.into(), (31, 35)), write(2, (40, 50)), read(1.into(), (100, 110))];
        assert_eq!(ages(&known)[3], Some(50));
        // A value that was written twice has no age.
        let twice = [write(1, (10, 20)), write(2, (30, 40)), write(1, (50, 60))];
        let all = [twice.as_slice(), &[read(1.into(), (100, 110))]].concat();
        assert_eq!(ages(&all)[3], None);
    }

    #[test]
    fn a_set_is_as_old_as_its_oldest_missing_element() {
        let add = |value: i64, time| {
            let call = Call::Add { key: "s".into(), element: value.into() };
            op(call, time, Outcome::Ok(Reply::Done))
        };
        let all = |values: &[i64], time| {
            let elements = values.iter().map(|value| Value::Int(*value)).collect();
            let call = Call::ReadAll { key: "s".into() };
            op(call, time, Outcome::Ok(Reply::Elements(elements)))
        };
        let operations = [
            add(1, (10, 20)),
            add(2, (30, 40)),
            all(&[1, 2], (100, 110)),
            all(&[2], (100, 110)),
            all(&[1], (100, 110)),
            all(&[1], (35, 110)),
        ];
        assert_eq!(ages(&operations)[2..], [Some(0), Some(80), Some(60), Some(0)]);
    }
}
