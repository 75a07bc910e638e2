//! The words of logs and of sets from which elements are removed come back from our own export.

use super::tests::round_trip;
use crate::{Call, Key, Outcome, Reply};

fn key(name: &str) -> Key {
    Key::from(name)
}

#[test]
fn the_own_export_of_logs_and_mutable_sets_is_read_back() {
    let ok = Outcome::Ok;
    for keys in [["l", "l"], ["l", "m"]] {
        let append = || Call::Append { key: key(keys[0]), value: "x".into() };
        let at = |position| Call::ReadAt { key: key(keys[1]), position };
        let log = vec![
            (append(), ok(Reply::Done)),
            (append(), ok(Reply::Value(1.into()))),
            (at(1), ok(Reply::Value("x".into()))),
            (at(2), ok(Reply::Empty)),
            (at(3), ok(Reply::Unknown)),
            (Call::ReadAll { key: key(keys[0]) }, ok(Reply::Elements(vec!["x".into()]))),
        ];
        round_trip(log, "log");
        let (add, remove) = (
            || Call::Add { key: key(keys[0]), element: 4.into() },
            || Call::Remove { key: key(keys[1]), element: 4.into() },
        );
        let contains = || Call::Contains { key: key(keys[0]), element: 4.into() };
        let set = vec![
            (add(), ok(Reply::Done)),
            (add(), ok(Reply::Changed(false))),
            (remove(), ok(Reply::Changed(true))),
            (contains(), ok(Reply::Contains(true))),
            (contains(), ok(Reply::Unknown)),
        ];
        round_trip(set, "mutable-set");
    }
}
