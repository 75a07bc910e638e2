use std::path::Path;

use super::*;
use crate::{Call, Entry, Event, Key, Micro, Order, Outcome, Reply, Value, export, write_history};

const AWDIT: &str =
    "w 0 1\r\nr 7 0\n-----\n\nw 1 -3\n=====\nr 0 1\nr 1 0\n-----\n=====\n---\nw 7 2";
const PLUME: &str = "r(7,0,3,1)\nw(0,5,9,1)\nw(0,1,3,1)\nw( 0, 2, 3, -1)\nr(0,5,3,4)\n\n";

/// One session with a committed transaction of three events and an aborted one.
fn dbcop() -> Vec<u8> {
    let mut bytes = Vec::new();
    let number = |bytes: &mut Vec<u8>, number: u64| bytes.extend(number.to_le_bytes());
    for planned in [1, 2, 300, 4, 5] {
        number(&mut bytes, planned);
    }
    for text in ["PostgreSQL", "2022", ""] {
        number(&mut bytes, text.len() as u64);
        bytes.extend(text.as_bytes());
    }
    let event = |bytes: &mut Vec<u8>, [write, key, value, success]: [u64; 4]| {
        bytes.push(u8::from(write == 1));
        number(bytes, key);
        number(bytes, value);
        bytes.push(u8::from(success == 1));
    };
    let number = |bytes: &mut Vec<u8>, number: u64| bytes.extend(number.to_le_bytes());
    number(&mut bytes, 1);
    number(&mut bytes, 2);
    number(&mut bytes, 3);
    event(&mut bytes, [1, 299, 8, 1]);
    event(&mut bytes, [0, 5, 0, 1]);
    event(&mut bytes, [0, 299, 0, 0]);
    bytes.push(1);
    number(&mut bytes, 2);
    event(&mut bytes, [0, 299, 8, 1]);
    event(&mut bytes, [1, 6, 1, 0]);
    bytes.push(0);
    bytes
}

/// A file of each format, for tests that damage them.
pub(super) fn samples() -> [Vec<u8>; 3] {
    [AWDIT.into(), PLUME.into(), dbcop()]
}

fn import(bytes: &[u8]) -> Result<Imported, String> {
    read_text(Path::new("h"), bytes, None, None, &Dialect::default())
        .map_err(|error| error.to_string())
}

fn read(key: &str, value: impl Into<Option<i64>>) -> Micro {
    Micro::Read(Key::from(key), Some(value.into().map_or(Value::Nil, Value::Int)))
}

fn write(key: &str, value: i64) -> Micro {
    Micro::Write(Key::from(key), Value::Int(value))
}

/// What a committed transaction was answered, or what an aborted one had asked.
type Came = Result<Vec<Micro>, Vec<Micro>>;

/// Each transaction with its session.
fn told(imported: &Imported) -> Vec<(u64, Came)> {
    let pairs = imported.history.entries.chunks(2).map(|pair| match pair {
        [
            Entry {
                event: Event::Invoke { process, call: Call::Txn { steps }, .. }, index, ..
            },
            Entry { event: Event::Complete { process: same, call, outcome, .. }, .. },
        ] => {
            assert_eq!((process, index), (same, call));
            match outcome {
                Outcome::Ok(Reply::Txn(steps)) => (*process, Ok(steps.clone())),
                Outcome::Fail(cause) if cause.code == "aborted" => (*process, Err(steps.clone())),
                other => panic!("{other:?}"),
            }
        }
        other => panic!("{other:?}"),
    });
    pairs.collect()
}

#[test]
fn awdit_text_is_sessions_of_committed_transactions() {
    let imported = import(AWDIT.as_bytes()).unwrap();
    assert_eq!((imported.format, imported.timed), (Format::Awdit, false));
    assert_eq!(imported.model.as_deref(), Some("multi-register"));
    assert_eq!(imported.history.order, Order::Sessions);
    let wanted = [
        // 0 is read and nobody writes it to 7 or 1: the initial value.
        (0, Ok(vec![write("0", 1), read("7", None)])),
        (0, Ok(vec![write("1", -3)])),
        (1, Ok(vec![read("0", 1), read("1", None)])),
        (2, Ok(vec![write("7", 2)])),
    ];
    assert_eq!(told(&imported), wanted);
    // Now somebody does.
    let imported = import(format!("{AWDIT}\nw 7 0").as_bytes()).unwrap();
    assert_eq!(told(&imported)[0], (0, Ok(vec![write("0", 1), read("7", 0)])));
}

#[test]
fn plume_text_may_mix_its_sessions_and_names_the_aborted() {
    let imported = import(PLUME.as_bytes()).unwrap();
    assert_eq!(imported.format, Format::Plume);
    let wanted = [
        (3, Ok(vec![read("7", None), write("0", 1)])),
        (3, Err(vec![write("0", 2)])),
        (3, Ok(vec![read("0", 5)])),
        (9, Ok(vec![write("0", 5)])),
    ];
    assert_eq!(told(&imported), wanted);
}

#[test]
fn dbcop_files_are_read_to_the_last_byte() {
    let imported = import(&dbcop()).unwrap();
    assert_eq!(imported.format, Format::Dbcop);
    let unknown = |key: &str| Micro::Read(Key::from(key), None);
    let wanted = [
        (0, Ok(vec![write("299", 8), read("5", None), unknown("299")])),
        (0, Err(vec![unknown("299"), write("6", 1)])),
    ];
    assert_eq!(told(&imported), wanted);
    // What an aborted transaction had read is kept for people.
    let Event::Complete { outcome: Outcome::Fail(cause), .. } = &imported.history.entries[3].event
    else {
        panic!("{:?}", imported.history.entries[3]);
    };
    assert_eq!(cause.detail, "transaction [read 299 = 8] [write 1 to 6]");
}

#[test]
fn a_damaged_line_is_named() {
    let text = |line: &str| import(format!("w 0 1\n{line}").as_bytes()).unwrap_err();
    for line in ["w 0", "w 0 1 2", "x 0 1", "r 0 y", "r 0 99999999999999999999", "w 0 1-----"] {
        let error = text(line);
        assert!(error.starts_with("h:2: expected \"w KEY VALUE\" or"), "{error}");
        assert!(error.contains(line) && error.ends_with("(read as awdit)"), "{error}");
    }
    let text = |line: &str| import(format!("w(0,1,2,3)\n{line}").as_bytes()).unwrap_err();
    for line in ["w(0,1,2", "w(0,1,2)", "w(0,1,2,3,4)", "q(0,1,2,3)", "r(0,1,-1,3)", "r(0,1,2,-2)"]
    {
        let error = text(line);
        assert!(error.starts_with("h:2: expected \"r(KEY,VALUE,SESSION,TRANSACTION)\""), "{error}");
        assert!(error.contains(line) && error.ends_with("(read as plume)"), "{error}");
    }
    let error = text("w(0,2,2,4)\nw(0,3,2,3)");
    assert!(error.starts_with("h:3: transaction 3 of session 2 goes on here"), "{error}");
    // A stream that breaks off may have taken half of a transaction with it.
    for bytes in samples() {
        let cut = Some("the compressed stream breaks off".to_owned());
        let read = read_text(Path::new("h"), &bytes, cut, None, &Dialect::default());
        assert!(read.unwrap_err().to_string().contains("breaks off"));
    }
}

#[test]
fn a_binary_file_cut_off_anywhere_names_the_byte() {
    let whole = dbcop();
    for end in 0..whole.len() {
        // One byte alone does not show its format.
        let format = (end < 2).then_some(Format::Dbcop);
        let read = read_text(Path::new("h"), &whole[..end], None, format, &Dialect::default());
        let error = read.unwrap_err().to_string();
        let byte: usize =
            error.strip_prefix("h: byte ").unwrap().split(':').next().unwrap().parse().unwrap();
        // A count that cannot be right is named before what it counts.
        let counted = error.contains("cannot be in the");
        assert!(byte <= end && (counted || end < byte + 10), "{end}: {error}");
        assert!(error.contains("cut off") && error.ends_with("(read as dbcop)"), "{error}");
    }
    let error = import(&[&whole[..], &[1, 2]].concat()).unwrap_err();
    let wanted = format!("h: byte {}: 2 bytes follow the last session", whole.len());
    assert!(error.starts_with(&wanted), "{error}");
}

#[test]
fn hostile_counts_and_flags_are_refused_before_anything_is_reserved() {
    let whole = dbcop();
    // The first string's length, the sessions, the transactions, the events.
    for (at, what) in [(40, "bytes of the database's name"), (78, "sessions"), (94, "events")] {
        for count in [u64::MAX, 1 << 60, 1000] {
            let mut bytes = whole.clone();
            bytes[at..at + 8].copy_from_slice(&count.to_le_bytes());
            let error = import(&bytes).unwrap_err();
            let wanted = format!("h: byte {at}: {count} {what} cannot be in the ");
            assert!(error.starts_with(&wanted), "{error}");
        }
    }
    let changed = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        import(&bytes).unwrap_err()
    };
    let error = changed(102, 2);
    assert!(error.starts_with("h: byte 102: whether the event is a write is [2]"), "{error}");
    let error = changed(102 + 16, 0xff);
    assert!(error.starts_with("h: byte 102: the value 1837468"), "{error}");
    let error = changed(102 + 17, 0);
    assert!(error.starts_with("h: byte 102: a write without success in a committed"), "{error}");
    let error = changed(48, 0xff);
    assert!(error.starts_with("h: byte 48: the database's name is not UTF-8"), "{error}");
}

/// The order is in our own file, and Jepsen's, which has none but real time, is not written.
#[test]
fn the_order_of_sessions_survives_our_own_format() {
    for bytes in samples() {
        let imported = import(&bytes).unwrap();
        let mut copy = Vec::new();
        write_history(&imported.history, "multi-register", &mut copy).unwrap();
        let head = String::from_utf8(copy.clone()).unwrap();
        let head = head.lines().next().unwrap();
        assert!(head.ends_with(",\"order\":\"sessions\"}"), "{head}");
        let again = import(&copy).unwrap();
        assert_eq!(again.history.entries, imported.history.entries);
        assert_eq!((again.history.order, again.model), (Order::Sessions, imported.model));
        let error = export::edn(&imported.history, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("only the order in each session is known"), "{error}");
    }
}
