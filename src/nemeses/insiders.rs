//! What an insider says: values with a valid code that the run never writes.
//!
//! A malicious node that knows the run's secret is the hardest liar: no value gives it away, only
//! the history does, which has no such write. Nodes are never told the secret; they get a pool of
//! values made with it, some for each key that the load will use.
//!
//! Invariant: no value here is ever written by the run. Their numbers are counted down from the
//! highest one, and no run has so many writes.

use perjury_history::seal::{Form, MOST_WRITES, Seals};
use perjury_history::{Key, Value};

/// How many values for each key: an insider that has only one tells one story.
const EACH: u64 = 4;

/// A pool for these keys. None for integers: the agents know only texts.
pub fn insiders(seals: &Seals, keys: &[Key]) -> Vec<String> {
    if seals.form != Form::Text {
        return Vec::new();
    }
    let numbers = (0..MOST_WRITES).rev();
    let keys = keys.iter().flat_map(|key| std::iter::repeat_n(key, EACH as usize));
    let made = keys.zip(numbers).map(|(key, write)| seals.seal(key, write, 0));
    made.filter_map(|seal| match seal {
        Value::Text(text) => Some(text.to_string()),
        _ => None,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use perjury_agent::proxy::Pattern;
    use perjury_history::seal::Class;

    use super::*;

    #[test]
    fn all_are_genuine_different_and_beyond_every_write() {
        let seals = Seals::of_run("run", "seed", Form::Text);
        let keys: Vec<Key> = (0..50).map(|at| Key::from(format!("k{at}"))).collect();
        let pool = insiders(&seals, &keys);
        assert_eq!(pool.len(), keys.len() * 4);
        assert_eq!(pool.iter().collect::<BTreeSet<_>>().len(), pool.len());
        let pattern = Pattern::default();
        for (at, seal) in pool.iter().enumerate() {
            assert!(pattern.is_seal(seal.as_bytes()), "{seal}");
            let value = Value::from(seal.as_str());
            match seals.classify(&keys[at / 4], &value) {
                Class::Genuine(write) => assert!(write >= MOST_WRITES - 200, "{write}"),
                other => panic!("{seal}: {other:?}"),
            }
            // The agent finds it by the characters of its key.
            let Value::Text(written) = seals.seal(&keys[at / 4], 3, 1) else { panic!() };
            assert_eq!(pattern.key(seal.as_bytes()), pattern.key(written.as_bytes()));
        }
        let integers = Seals::of_run("run", "seed", Form::Integer);
        assert!(insiders(&integers, &keys).is_empty());
    }
}
