//! A certificate survives its file, and whatever is changed in it is noticed.

use perjury_checkers::{Certificate, ModelName, Options, Refusal, judge_with_certificate, verify};
use perjury_history::{Cause, History, Index, Outcome, Reply, Value};

use crate::histories::{Made, read, write};
use crate::prng::Prng;

/// Write 1, read 1, write 2, read 2 on x, one after the other, a write on y, one that failed and
/// one in doubt.
fn made() -> History {
    let mut made = Made::default();
    let done = || Outcome::Ok(Reply::Done);
    let value = |value: i64| Outcome::Ok(Reply::Value(value.into()));
    let calls = [
        (write("x", 1), done()),
        (read("x"), value(1)),
        (write("x", 2), done()),
        (read("x"), value(2)),
        (write("y", 3), done()),
        (write("x", 4), Outcome::Fail(Cause::new("refused", ""))),
        (write("x", 5), Outcome::Info(Cause::new("timeout", ""))),
    ];
    for (at, (call, outcome)) in calls.into_iter().enumerate() {
        let at = at as u64;
        let index = made.invoke(2 * at, at, call);
        made.complete(2 * at + 1, at, index, outcome);
    }
    made.history
}

fn certified() -> (History, Certificate) {
    let history = made();
    let (_, certificate) = judge_with_certificate(&history, &Options::new(ModelName::Register));
    (history, certificate.unwrap())
}

fn refusal(change: impl FnOnce(&mut Certificate)) -> Refusal {
    let (history, mut certificate) = certified();
    change(&mut certificate);
    verify(&history, ModelName::Register, &Value::Nil, &certificate).unwrap_err()
}

#[test]
fn a_certificate_survives_its_file() {
    let (history, certificate) = certified();
    let mut file = Vec::new();
    certificate.write(&mut file).unwrap();
    let text = String::from_utf8(file.clone()).unwrap();
    assert_eq!(
        text,
        "{\"perjury-certificate\":1,\"model\":\"register\",\"initial\":null,\"objects\":2}\n\
         {\"key\":\"x\",\"order\":[0,2,4,6]}\n{\"key\":\"y\",\"order\":[8]}\n"
    );
    let read = Certificate::read(file.as_slice()).unwrap();
    assert_eq!(read, certificate);
    assert_eq!(verify(&history, ModelName::Register, &Value::Nil, &read), Ok(()));
    for end in 0..file.len() - 1 {
        assert!(Certificate::read(&file[..end]).is_err(), "{end}");
    }
    let newer = text.replace("certificate\":1", "certificate\":2");
    let error = Certificate::read(newer.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "line 1 of the certificate: version 2 is not known");
}

#[test]
fn whatever_is_changed_in_a_certificate_is_noticed() {
    let x = |certificate: &mut Certificate, order: &[u64]| {
        certificate.objects[0].operations = order.iter().copied().map(Index).collect();
    };
    assert_eq!(refusal(|it| x(it, &[0, 2, 4])), Refusal::Missing(Index(6)));
    assert_eq!(refusal(|it| x(it, &[0, 2, 4, 6, 6])), Refusal::Repeated(Index(6)));
    assert_eq!(refusal(|it| x(it, &[0, 2, 4, 6, 8])), Refusal::Misplaced(Index(8)));
    assert_eq!(refusal(|it| x(it, &[0, 2, 4, 6, 5])), Refusal::Foreign(Index(5)));
    assert_eq!(refusal(|it| x(it, &[0, 2, 4, 6, 10])), Refusal::Failed(Index(10)));
    assert_eq!(refusal(|it| x(it, &[12, 0, 2, 4, 6])), {
        // In doubt from the end on: nothing that ended before may follow.
        Refusal::RealTime { first: Index(12), second: Index(0) }
    });
    let swapped = Refusal::RealTime { first: Index(4), second: Index(2) };
    assert_eq!(refusal(|it| x(it, &[0, 4, 2, 6])), swapped);
    assert_eq!(refusal(|it| x(it, &[2, 0, 4, 6])), Refusal::Answer(Index(2)));
    assert!(matches!(refusal(|it| it.initial = Value::Int(0)), Refusal::Other { .. }));
    assert!(matches!(refusal(|it| it.model = ModelName::Kv), Refusal::Other { .. }));
    assert_eq!(refusal(|it| drop(it.objects.pop())), Refusal::Missing(Index(8)));
    let doubled = refusal(|it| it.objects.push(it.objects[0].clone()));
    assert_eq!(doubled, Refusal::Doubled("x".into()));
    let (history, mut certificate) = certified();
    // What is in doubt may have taken effect.
    certificate.objects[0].operations.push(Index(12));
    assert_eq!(verify(&history, ModelName::Register, &Value::Nil, &certificate), Ok(()));
}

#[test]
fn a_history_that_was_changed_is_noticed() {
    let (mut history, certificate) = certified();
    let perjury_history::Event::Complete { outcome, .. } = &mut history.entries[7].event else {
        panic!("the answer of the second read");
    };
    *outcome = Outcome::Ok(Reply::Value(1.into()));
    let refusal = verify(&history, ModelName::Register, &Value::Nil, &certificate);
    assert_eq!(refusal, Err(Refusal::Answer(Index(6))));
}

/// Changes a few bytes, or leaves some out, or repeats some.
fn mutate(bytes: &mut Vec<u8>, prng: &mut Prng) {
    const PIECES: [&[u8]; 9] =
        [b"[", b"{", b"null", b"\n", b"-1", b"18446744073709551616", b"\"", b"\xff", b"[[[[[[[["];
    for _ in 0..1 + prng.below(3) {
        let at = prng.below(bytes.len() as u64 + 1) as usize;
        let end = (at + prng.below(9) as usize).min(bytes.len());
        match prng.below(4) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            2 if at < bytes.len() => bytes[at] = prng.below(256) as u8,
            _ => {
                let piece = PIECES[prng.below(9) as usize];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}

/// The history with one answer that is wrong.
fn illegal() -> History {
    let mut history = made();
    let perjury_history::Event::Complete { outcome, .. } = &mut history.entries[7].event else {
        panic!("the answer of the second read");
    };
    *outcome = Outcome::Ok(Reply::Value(1.into()));
    history
}

#[test]
fn no_mutation_of_a_certificate_makes_the_reader_panic_or_proves_what_is_wrong() {
    let (history, certificate) = certified();
    let illegal = illegal();
    let mut file = Vec::new();
    certificate.write(&mut file).unwrap();
    let mut prng = Prng(17);
    let (mut understood, mut verified) = (0, 0);
    for _ in 0..30_000 {
        let mut bytes = file.clone();
        mutate(&mut bytes, &mut prng);
        let read = match Certificate::read(bytes.as_slice()) {
            Ok(read) => read,
            Err(error) => {
                assert!(error.to_string().starts_with("line "), "{error}");
                continue;
            }
        };
        understood += 1;
        let holds = |history: &History| verify(history, read.model, &read.initial, &read).is_ok();
        // What it asks of a history is what it claims, so it may still hold where all of that is
        // right, but never of a history that no order explains.
        assert!(!holds(&illegal), "{:?}", String::from_utf8_lossy(&bytes));
        verified += usize::from(holds(&history));
    }
    assert!(understood > 100 && verified > 10, "{understood} {verified}");
}

#[test]
fn a_certificate_that_claims_much_takes_no_memory() {
    let header = |objects: &str| {
        format!(
            "{{\"perjury-certificate\":1,\"model\":\"set\",\"initial\":null,\
             \"objects\":{objects}}}\n"
        )
    };
    for objects in ["18446744073709551615", "4294967296", "1"] {
        assert!(Certificate::read(header(objects).as_bytes()).is_err());
    }
    let deep = format!("{}{}", header("1"), "[".repeat(1 << 20));
    assert!(Certificate::read(deep.as_bytes()).is_err());
}
