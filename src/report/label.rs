//! An operation in a few letters, in a cell of a table, or in a sentence.

use perjury_history::seal::Seal;
use perjury_history::{Call, Micro, Outcome, Reply, Value};

use super::escape::{clip, shorten};
use super::format;
use super::record::Witness;
use super::values::Values;

/// The letters of a value on a bar.
const SHORT: usize = 18;
/// The letters of a call or an answer in a table.
const CELL: usize = 300;

/// What stands on a bar: `write 7`, `read → 3`. A value that nobody wrote there has a cross.
pub fn of(call: &Call, outcome: Option<&Outcome>, values: &Values<'_>) -> String {
    let value = |value: &Value| {
        let marked = call.key().map(|key| values.marked(key, value));
        shorten(&marked.unwrap_or_else(|| value.to_string()), SHORT)
    };
    let asked = match call {
        Call::Write { value: written, .. } => format!("write {}", value(written)),
        Call::Cas { from, to, .. } => format!("cas {}→{}", value(from), value(to)),
        Call::Append { value: appended, .. } => format!("append {}", value(appended)),
        Call::Add { element, .. } => format!("add {}", value(element)),
        Call::Remove { element, .. } => format!("remove {}", value(element)),
        Call::Contains { element, .. } => format!("contains {}", value(element)),
        Call::ReadAt { position, .. } => format!("read at {position}"),
        Call::Transfer { amount, .. } => format!("transfer {amount}"),
        Call::Txn { steps } => format!("txn of {}", steps.len()),
        _ => call.name().to_owned(),
    };
    let answered = match outcome {
        Some(Outcome::Ok(Reply::Done | Reply::Txn(_))) => String::new(),
        Some(Outcome::Ok(Reply::Value(read))) => format!(" → {}", value(read)),
        Some(Outcome::Ok(Reply::Empty)) => " → empty".into(),
        Some(Outcome::Ok(Reply::Unknown)) => " → some value".into(),
        Some(Outcome::Ok(Reply::Swapped(true))) => " ✓".into(),
        Some(Outcome::Ok(Reply::Swapped(false))) => " ✗ not swapped".into(),
        Some(Outcome::Ok(Reply::Changed(true) | Reply::Contains(true))) => " ✓".into(),
        Some(Outcome::Ok(Reply::Changed(false))) => " ✗ changed nothing".into(),
        Some(Outcome::Ok(Reply::Contains(false))) => " ✗ not there".into(),
        Some(Outcome::Ok(Reply::Elements(all))) => format!(" → {} elements", all.len()),
        Some(Outcome::Ok(Reply::Accounts(all))) => format!(" → {} accounts", all.len()),
        Some(Outcome::Fail(_)) => " ✗ failed".into(),
        Some(Outcome::Info(_)) | None => " ?".into(),
    };
    asked + &answered
}

/// What was asked, for a cell.
pub fn call(call: &Call, values: &Values<'_>) -> String {
    // Only what a client had been given before can be false.
    if let Call::Cas { key, from, to } = call {
        let (from, to) = (values.shown(key, from), values.shown(key, to));
        return clip(&format!("compare-and-set {key} from {from} to {to}"), CELL);
    }
    clip(&call.to_string(), CELL)
}

/// What was answered, for a cell.
pub fn answer(call: &Call, end: Option<&Outcome>, values: &Values<'_>) -> String {
    let shown = |value: &Value| match call.key() {
        Some(key) => values.shown(key, value),
        None => value.to_string(),
    };
    match end {
        Some(Outcome::Ok(Reply::Value(value))) => clip(&shown(value), CELL),
        Some(Outcome::Ok(Reply::Elements(all))) if all.len() <= 12 => {
            let all: Vec<String> = all.iter().map(|one| shorten(&shown(one), 40)).collect();
            format!("[{}]", all.join(", "))
        }
        Some(Outcome::Ok(Reply::Txn(steps))) => clip(&transaction(steps), CELL),
        Some(Outcome::Ok(reply)) => clip(&reply.to_string(), CELL),
        Some(Outcome::Fail(cause)) => clip(&format!("failed: {cause}"), CELL),
        Some(Outcome::Info(cause)) => clip(&format!("in doubt: {cause}"), CELL),
        None => "never answered".into(),
    }
}

/// The values of an operation as they came, for whoever looks closer: in sentences and cells a seal
/// is shown by its number. Empty if there is nothing more to see.
pub fn raw(call: &Call, outcome: Option<&Outcome>) -> String {
    let mut all: Vec<&Value> = match call {
        Call::Write { value, .. } | Call::Append { value, .. } => vec![value],
        Call::Cas { from, to, .. } => vec![from, to],
        Call::Add { element, .. } | Call::Enqueue { element, .. } => vec![element],
        _ => Vec::new(),
    };
    match outcome {
        Some(Outcome::Ok(Reply::Value(value))) => all.push(value),
        Some(Outcome::Ok(Reply::Elements(elements))) if elements.len() <= 12 => {
            all.extend(elements)
        }
        _ => {}
    }
    let text = |value: &&Value| match value {
        Value::Text(text) if Seal::parse(text).is_some() => Some(text.to_string()),
        _ => None,
    };
    clip(&all.iter().filter_map(text).collect::<Vec<_>>().join(" "), CELL)
}

fn transaction(steps: &[Micro]) -> String {
    Call::Txn { steps: steps.to_vec() }.to_string()
}

/// All of it in one line.
pub fn sentence(witness: &Witness, values: &Values<'_>) -> String {
    let outcome = witness.end.as_ref().map(|end| &end.1);
    let until = match &witness.end {
        Some((time, _)) => format!("to {}", format::moment(*time)),
        None => "on".into(),
    };
    format!(
        "{}: process {} on {}: {} = {} (from {} {until})",
        witness.index,
        witness.process,
        witness.node,
        call(&witness.call, values),
        answer(&witness.call, outcome, values),
        format::moment(witness.start)
    )
}

#[cfg(test)]
mod tests {
    use perjury_history::Cause;
    use perjury_history::seal::{Form, Seals};

    use super::*;

    #[test]
    fn labels_are_short_whatever_was_read() {
        let none = Values::of(None, &[]);
        let of = |call: &Call, outcome: Option<&Outcome>| of(call, outcome, &none);
        let read = Call::Read { key: "x".into() };
        let huge = Outcome::Ok(Reply::Value(Value::from("ä".repeat(10_000).as_str())));
        assert!(of(&read, Some(&huge)).chars().count() < 40);
        assert!(answer(&read, Some(&huge), &none).chars().count() < CELL + 60);
        let write = Call::Write { key: "x".into(), value: Value::Int(7) };
        assert_eq!(of(&write, Some(&Outcome::Ok(Reply::Done))), "write 7");
        assert_eq!(of(&read, Some(&Outcome::Ok(Reply::Value(Value::Int(3))))), "read → 3");
        assert_eq!(of(&write, Some(&Outcome::Info(Cause::new("timeout", "")))), "write 7 ?");
        assert_eq!(of(&write, None), "write 7 ?");
        let seals = Seals::of_run("r", "1", Form::Text);
        let sealed = seals.seal(&"x".into(), 17, 3);
        let write = Call::Write { key: "x".into(), value: sealed.clone() };
        assert_eq!(of(&write, None), "write w17·p3 ?");
        assert_eq!(raw(&write, None), sealed.encode().unwrap_or_default());
    }

    #[test]
    fn a_forged_seal_does_not_pass_for_the_write_that_it_names() {
        let seals = Seals::of_run("r", "1", Form::Text);
        let values = Values::of(Some(&seals), &[]);
        let read = Call::Read { key: "x".into() };
        let forged = Seals::of_run("r", "2", Form::Text).seal(&"x".into(), 17, 3);
        let outcome = Outcome::Ok(Reply::Value(forged));
        assert_eq!(of(&read, Some(&outcome), &values), "read → ✗w17·p3");
        let cell = "w17·p3 ✗ false: nobody wrote it";
        assert_eq!(answer(&read, Some(&outcome), &values), cell);
    }
}
