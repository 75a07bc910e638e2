//! Lies about whole messages, for each framing: bytes in, bytes out, ground truth. No sockets.
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

#[path = "support/tape.rs"]
mod tape;

use perjury_agent::proxy::Way;
use perjury_agent::proxy::spec::{FramingName, Instead, Lie, Omit, Part, Rate, Tell};
use tape::{MS, Tape, seal};

const FRAMINGS: [FramingName; 3] = [FramingName::Resp, FramingName::Http, FramingName::Postgres];

/// Messages of one protocol.
struct Words {
    framing: FramingName,
    /// A write and its acknowledgement.
    write: fn(&str) -> String,
    done: String,
    /// A read, its answer, and the answer of a missing key, honest and not.
    read: fn(&str) -> String,
    value: fn(&str) -> String,
    none: String,
    zero: String,
    /// The error "no more".
    refusal: String,
    /// The word of reads.
    word: &'static str,
}

fn resp_array(words: &[&str]) -> String {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text += &format!("${}\r\n{word}\r\n", word.len());
    }
    text
}

fn http(first: &str, body: &str) -> String {
    format!("{first}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn pg(kind: char, content: &str) -> String {
    let length = u32::try_from(content.len() + 4).unwrap().to_be_bytes();
    assert!(length[3] < 128, "not ASCII: {content}");
    let length: String = length.iter().map(|byte| char::from(*byte)).collect();
    format!("{kind}{length}{content}")
}

fn pg_reply(parts: &[(char, &str)]) -> String {
    parts.iter().map(|(kind, content)| pg(*kind, content)).chain([pg('Z', "I")]).collect()
}

const COLUMN: &str = "\0\x01v\0\0\0\0\0\0\0\0\0\0\0\0\x7f\0\0\0\0\0\0";

fn pg_row(value: &str) -> String {
    let length = char::from(u8::try_from(value.len()).unwrap());
    let row = format!("\0\x01\0\0\0{length}{value}");
    pg_reply(&[('T', COLUMN), ('D', &row), ('C', "SELECT 1\0")])
}

fn words(framing: FramingName) -> Words {
    match framing {
        FramingName::Resp => Words {
            framing,
            write: |value| resp_array(&["SET", "k", value]),
            done: "+OK\r\n".into(),
            read: |key| resp_array(&["GET", key]),
            value: |value| format!("${}\r\n{value}\r\n", value.len()),
            none: "$-1\r\n".into(),
            zero: "$1\r\n0\r\n".into(),
            refusal: "-no more\r\n".into(),
            word: "GET",
        },
        FramingName::Http => Words {
            framing,
            write: |value| http("PUT /k HTTP/1.1", value),
            done: http("HTTP/1.1 204 No Content", ""),
            read: |key| format!("GET /{key} HTTP/1.1\r\nHost: x\r\n\r\n"),
            value: |value| http("HTTP/1.1 200 OK", value),
            none: http("HTTP/1.1 404 Not Found", "nothing"),
            zero: http("HTTP/1.1 200 OK\r\nContent-Type: text/plain", "0"),
            refusal: http(
                "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain",
                "no more",
            ),
            word: "GET",
        },
        _ => Words {
            framing,
            write: |value| pg('Q', &format!("UPDATE t SET v = '{value}'\0")),
            done: pg_reply(&[('C', "UPDATE 1\0")]),
            read: |key| pg('Q', &format!("SELECT v FROM t WHERE k = '{key}'\0")),
            value: pg_row,
            none: pg_reply(&[('T', COLUMN), ('C', "SELECT 0\0")]),
            zero: pg_row("0"),
            refusal: pg_reply(&[('E', "SERROR\0VERROR\0C57014\0Mno more\0\0")]),
            word: "SELECT",
        },
    }
}

/// A connection after its startup, for the protocol that has one.
fn tape(words: &Words, lies: Vec<Lie>) -> Tape {
    let mut tape = Tape::new(words.framing, lies);
    if words.framing == FramingName::Postgres {
        tape.ask("\0\0\0\x0b\0\x03\0\0u\0\0");
        tape.answer(pg_reply(&[('R', "\0\0\0\0")]));
        assert_eq!((tape.server().len(), tape.client().len()), (11, 15));
    }
    tape
}

fn tell(words: &Words, what: Tell) -> Tape {
    tape(words, vec![Lie::always(what)])
}

/// The server answers what it has been asked.
fn serve(tape: &mut Tape, answer: &str) -> String {
    let asked = tape.server();
    tape.answer(answer);
    asked
}

#[test]
fn an_omitted_request_is_never_done_and_silence_follows() {
    for w in FRAMINGS.map(words) {
        let mut tape =
            tape(&w, vec![Lie { rate: Rate::Every(2), ..Lie::always(Tell::Omit(Omit::Requests)) }]);
        tape.ask((w.write)("1"));
        assert_eq!(serve(&mut tape, &w.done), (w.write)("1"));
        assert_eq!(tape.client(), w.done);
        tape.ask((w.write)("2"));
        tape.ask((w.write)("3"));
        assert_eq!(serve(&mut tape, &w.done), (w.write)("3"), "{:?}", w.framing);
        // Its reply would be taken for that of the lost one.
        assert_eq!(tape.client(), "");
        let told = tape.told();
        assert_eq!(tape.words(), ["omit-request"; 2]);
        assert_eq!((told[0].way, told[0].before.text()), (Way::Requests, (w.write)("2")));
        assert_eq!((told[1].way, told[1].before.text()), (Way::Replies, w.done));
    }
}

#[test]
fn an_omitted_reply_is_of_something_done() {
    for w in FRAMINGS.map(words) {
        let mut tape = tell(&w, Tell::Omit(Omit::Acknowledgements));
        tape.ask((w.read)("k"));
        serve(&mut tape, &(w.value)("old"));
        assert_eq!(tape.client(), (w.value)("old"));
        tape.ask((w.write)("1"));
        assert_eq!(serve(&mut tape, &w.done), (w.write)("1"));
        assert_eq!((tape.client().as_str(), tape.words().len()), ("", 1), "{:?}", w.framing);
        let mut tape = tell(&w, Tell::Omit(Omit::Replies));
        tape.ask((w.read)("k"));
        assert_eq!(serve(&mut tape, &(w.value)("old")), (w.read)("k"));
        assert_eq!(tape.client(), "");
        assert_eq!(tape.told()[0].before.text(), (w.value)("old"));
    }
}

#[test]
fn a_duplicate_is_done_twice_and_answered_once() {
    for w in FRAMINGS.map(words) {
        let lie = Lie { words: vec![write_word(&w).into()], ..Lie::always(Tell::Duplicate) };
        let mut tape = tape(&w, vec![lie]);
        tape.ask((w.write)("1"));
        assert_eq!(tape.server(), (w.write)("1").repeat(2), "{:?}", w.framing);
        tape.ask((w.read)("k"));
        assert_eq!(tape.server(), (w.read)("k"));
        tape.answer([w.done.clone(), w.done.clone(), (w.value)("1")].concat());
        assert_eq!(tape.client(), [w.done.clone(), (w.value)("1")].concat());
        assert_eq!(tape.words(), ["duplicate"]);
        assert_eq!(tape.told()[0].after.text(), (w.write)("1").repeat(2));
    }
}

fn write_word(w: &Words) -> &'static str {
    match w.framing {
        FramingName::Resp => "SET",
        FramingName::Http => "PUT /k",
        _ => "UPDATE",
    }
}

#[test]
fn a_reordered_request_is_overtaken_and_the_answers_are_not_mixed_up() {
    for w in FRAMINGS.map(words) {
        let mut tape = tell(&w, Tell::Reorder { hold_ms: 100 });
        tape.ask((w.write)("1"));
        assert_eq!(tape.server(), "");
        tape.ask((w.read)("k"));
        assert_eq!(tape.server(), [(w.read)("k"), (w.write)("1")].concat(), "{:?}", w.framing);
        tape.answer((w.value)("0"));
        assert_eq!(tape.client(), "");
        tape.answer(&w.done);
        assert_eq!(tape.client(), [w.done.clone(), (w.value)("0")].concat());
        assert_eq!(tape.words(), ["reorder"]);
        // Nobody comes: it goes on, and that is no lie.
        tape.ask((w.write)("2"));
        tape.wait(99 * MS);
        assert_eq!(tape.server(), "");
        tape.wait(MS);
        assert_eq!((tape.server(), tape.words().len()), ((w.write)("2"), 1));
    }
}

#[test]
fn an_acknowledged_write_is_never_forwarded() {
    for w in FRAMINGS.map(words) {
        let mut tape =
            tape(&w, vec![Lie { rate: Rate::Every(1), ..Lie::always(Tell::Acknowledge) }]);
        if w.framing == FramingName::Http {
            // How this server says so has to be seen first.
            tape.ask((w.write)("0"));
            assert_eq!(serve(&mut tape, &w.done), (w.write)("0"));
            assert_eq!(tape.client(), w.done);
        }
        tape.ask([(w.read)("k"), (w.write)("1"), (w.read)("k")].concat());
        assert_eq!(tape.server(), (w.read)("k").repeat(2), "{:?}", w.framing);
        // In its place in the order.
        assert_eq!(tape.client(), "");
        tape.answer((w.value)("old"));
        assert_eq!(tape.client(), [(w.value)("old"), w.done.clone()].concat());
        tape.answer((w.value)("old"));
        assert_eq!(tape.client(), (w.value)("old"));
        let told = tape.told();
        assert_eq!(tape.words(), ["acknowledge"]);
        assert_eq!((told[0].before.text(), told[0].after.text()), ((w.write)("1"), w.done));
    }
}

#[test]
fn a_refused_request_is_never_done_or_done_all_the_same() {
    for w in FRAMINGS.map(words) {
        for done in [false, true] {
            let refuse = Tell::Refuse { text: "no more".into(), done };
            let spare = vec![w.word.into()];
            let mut tape = tape(&w, vec![Lie { spare, ..Lie::always(refuse) }]);
            tape.ask([(w.read)("k"), (w.write)("1"), (w.read)("k")].concat());
            let writes = tape.server().matches(&(w.write)("1")).count();
            assert_eq!(writes, usize::from(done), "{:?}", w.framing);
            tape.answer((w.value)("old"));
            if done {
                tape.answer(&w.done);
            }
            tape.answer((w.value)("old"));
            let said = tape.client();
            let error = said.strip_prefix(&(w.value)("old")).unwrap();
            let error = error.strip_suffix(&(w.value)("old")).unwrap();
            assert_eq!(error, w.refusal, "{:?}", w.framing);
            let told = tape.told();
            assert_eq!(tape.words(), ["refuse"]);
            assert_eq!(told[0].after.text(), error);
            let before = if done { w.done.clone() } else { (w.write)("1") };
            assert_eq!(told[0].before.text(), before);
        }
    }
}

/// The reverse of the partisan node: sick by its own word, and honest about data.
#[test]
fn only_the_health_check_is_lied_about() {
    let health = "GET /health HTTP/1.1\r\n\r\n";
    let well = http("HTTP/1.1 200 OK", "{\"health\":\"true\"}");
    let (sick, garbage) = (
        Tell::Refuse { text: "{\"health\":\"false\"}".into(), done: false },
        Tell::Corrupt(Part::Stream { block: 8 }),
    );
    for tell in [sick, garbage] {
        let w = words(FramingName::Http);
        let is_refused = matches!(tell, Tell::Refuse { .. });
        let lie = Lie { words: vec!["GET /health".into()], ..Lie::always(tell) };
        let mut tape = tape(&w, vec![lie]);
        for _ in 0..3 {
            tape.ask((w.read)("k"));
            assert_eq!(serve(&mut tape, &(w.value)("7")), (w.read)("k"));
            assert_eq!(tape.client(), (w.value)("7"), "data are the truth");
        }
        assert_eq!(tape.words().len(), 0);
        tape.ask(health);
        if is_refused {
            assert_eq!(tape.server(), "");
        } else {
            assert_eq!(serve(&mut tape, &well), health);
        }
        let said = tape.client();
        assert!(said != well && !said.is_empty(), "{said}");
        assert_eq!(said.contains("{\"health\":\"false\"}"), is_refused, "{said}");
        assert!(!tape.words().is_empty());
    }
}

#[test]
fn a_missing_key_has_a_value() {
    for w in FRAMINGS.map(words) {
        let mut tape = tell(&w, Tell::Default { value: "0".into() });
        tape.ask((w.read)("k"));
        serve(&mut tape, &(w.value)("7"));
        assert_eq!((tape.client(), tape.words().len()), ((w.value)("7"), 0));
        tape.ask((w.read)("k"));
        serve(&mut tape, &w.none);
        assert_eq!(tape.client(), w.zero, "{:?}", w.framing);
        let told = tape.told();
        assert_eq!((told[0].before.text(), told[0].after.text()), (w.none, w.zero));
        assert_eq!((told[0].lie.as_str(), told[0].way), ("default", Way::Replies));
    }
}

#[test]
fn seals_in_messages_and_lies_by_word() {
    for w in FRAMINGS.map(words) {
        let lie = Lie {
            words: vec![w.word.into()],
            spare: vec!["GET /health".into()],
            ..Lie::always(Tell::Substitute(Instead::Forged))
        };
        let mut tape = tape(&w, vec![lie]);
        let true_one = seal("keyaaa", "writeone");
        tape.ask((w.read)("k"));
        serve(&mut tape, &(w.value)(&true_one));
        let said = tape.client();
        assert_eq!(said.len(), (w.value)(&true_one).len(), "{:?}", w.framing);
        assert!(!said.contains(&true_one) && tape.words() == ["forge"]);
        assert!(tape.told()[0].detail.starts_with(w.word));
        // A partisan: honest where its health is asked for, and about writes.
        tape.ask((w.write)("1"));
        serve(&mut tape, &(w.value)(&true_one));
        assert_eq!(tape.client(), (w.value)(&true_one));
        if w.framing == FramingName::Http {
            tape.ask((w.read)("health"));
            serve(&mut tape, &(w.value)(&true_one));
            assert_eq!(tape.client(), (w.value)(&true_one));
        }
    }
}

#[test]
fn truncation_and_black_holes_know_messages() {
    for w in FRAMINGS.map(words) {
        let mut tape = tell(&w, Tell::Truncate { within: 1000 });
        tape.ask((w.read)("k"));
        serve(&mut tape, &(w.value)("a value"));
        let said = tape.client();
        let whole = (w.value)("a value");
        assert!(whole.starts_with(&said) && !said.is_empty() && said.len() < whole.len());
        assert!(tape.session.is_broken(), "{:?}", w.framing);
        let lie = Lie { words: vec![w.word.into()], ..Lie::always(Tell::BlackHole) };
        let mut tape = self::tape(&w, vec![lie]);
        tape.ask((w.write)("1"));
        serve(&mut tape, &w.done);
        assert_eq!(tape.client(), w.done);
        tape.ask((w.read)("k"));
        serve(&mut tape, &(w.value)("7"));
        assert_eq!((tape.client().as_str(), tape.words().len()), ("", 1));
    }
}

#[test]
fn a_seal_across_chunks_is_found_and_an_endless_stream_goes_on() {
    let w = words(FramingName::Http);
    let mut tape = tell(&w, Tell::Substitute(Instead::Forged));
    let true_one = seal("keyaaa", "writeone");
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let (a, b) = true_one.split_at(20);
    tape.ask((w.read)("k"));
    serve(&mut tape, &[head, &chunk(a), &chunk(b), "0\r\n\r\n"].concat());
    let after = tape.told()[0].seal_after.clone().unwrap();
    assert_eq!(tape.client(), [head, &chunk(&after), "0\r\n\r\n"].concat());
    // A watch: it has no end, so after a moment it is a stream, in which seals are still found.
    tape.ask((w.read)("watch"));
    serve(&mut tape, &[head, &chunk("first")].concat());
    assert_eq!(tape.client(), "");
    tape.wait(250 * MS);
    assert_eq!(tape.client(), [head, &chunk("first")].concat());
    tape.answer(chunk(&seal("keybbb", "writetwo")));
    assert_eq!((tape.client().len(), tape.words().len()), (chunk(&true_one).len(), 2));
    assert_eq!(tape.running.opaque.load(std::sync::atomic::Ordering::SeqCst), 1);
}

/// Pipelined messages, cut anywhere: the same bytes and the same ground truth.
#[test]
fn the_pieces_of_the_messages_do_not_matter() {
    let tells = [
        Tell::Omit(Omit::Requests),
        Tell::Omit(Omit::Acknowledgements),
        Tell::Duplicate,
        Tell::Reorder { hold_ms: 1000 },
        Tell::Acknowledge,
        Tell::Default { value: "0".into() },
        Tell::Substitute(Instead::Forged),
        Tell::Truncate { within: 1000 },
    ];
    for w in FRAMINGS.map(words) {
        let value = (w.value)(&seal("keyaaa", "writeone"));
        let asked = [(w.write)("0"), (w.read)("k"), (w.read)("k"), (w.write)("2")].concat();
        for what in &tells {
            let run = |size: usize| {
                let lie = Lie { rate: Rate::Every(2), ..Lie::always(what.clone()) };
                let mut tape = tape(&w, vec![lie]);
                for piece in asked.as_bytes().chunks(size) {
                    tape.ask(piece);
                }
                let forwarded = tape.server();
                // A server that answers as many messages as it got.
                let mut answers = String::new();
                let mut rest = forwarded.as_str();
                while !rest.is_empty() {
                    let all = [
                        ((w.write)("0"), &w.done),
                        ((w.write)("2"), &w.done),
                        ((w.read)("k"), &value),
                    ];
                    let (ask, reply) =
                        all.into_iter().find(|(ask, _)| rest.starts_with(ask)).unwrap();
                    answers += reply;
                    rest = &rest[ask.len()..];
                }
                answers += &w.none;
                for piece in answers.as_bytes().chunks(size) {
                    tape.answer(piece);
                }
                let told = tape.told().into_iter();
                let told = told.map(|told| (told.lie, told.before, told.after));
                (forwarded, tape.client(), told.collect::<Vec<_>>())
            };
            let whole = run(usize::MAX);
            for size in 1..60 {
                assert_eq!(run(size), whole, "{:?}, {what:?}, pieces of {size}", w.framing);
            }
        }
    }
}
