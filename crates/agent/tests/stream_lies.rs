//! Lies about seals and about the stream, byte by byte, without messages and without sockets.
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

#[path = "support/tape.rs"]
mod tape;

use std::sync::Arc;

use perjury_agent::proxy::spec::{FramingName, Instead, Lie, On, Part, Rate, Tell, Who, Window};
use perjury_agent::proxy::{Running, Way};
use tape::{MS, Tape, liar, link, seal};

const NONE: FramingName = FramingName::None;

fn stream(tell: Tell) -> Tape {
    Tape::tell(NONE, tell)
}

fn forge() -> Tell {
    Tell::Substitute(Instead::Forged)
}

#[test]
fn an_honest_proxy_changes_nothing_and_tells_nothing() {
    let mut tape = Tape::new(NONE, Vec::new());
    assert!(tape.session.is_honest(Way::Requests) && tape.session.is_honest(Way::Replies));
    let text = seal("keyaaa", "writeone");
    tape.ask(&text);
    tape.answer(&text);
    assert_eq!((tape.server(), tape.client()), (text.clone(), text));
    assert_eq!(tape.words(), [""; 0]);
}

#[test]
fn a_forged_seal_has_the_same_key_and_nobody_wrote_it() {
    let mut tape = stream(forge());
    let true_one = seal("keyaaa", "writeone");
    tape.answer(format!("<{true_one}>"));
    let said = tape.client();
    let told = tape.told();
    assert_eq!(told.len(), 1);
    let (before, after) = (&told[0].seal_before, told[0].seal_after.clone().unwrap());
    assert_eq!(before.as_ref(), Some(&true_one));
    assert_eq!(said, format!("<{after}>"));
    assert_eq!((after.len(), &after[..17]), (43, &true_one[..17]));
    assert_ne!(after[17..], true_one[17..]);
    assert_eq!((told[0].lie.as_str(), told[0].way), ("forge", Way::Replies));
    // What the node says, and not what it hears.
    tape.ask(&true_one);
    assert_eq!(tape.server(), true_one);
    // The lie comes back as a request: it is not taken for the truth, and told no second time.
    tape.ask(&after);
    tape.answer(&after);
    assert_eq!((tape.server(), tape.client()), (after.clone(), after));
    assert_eq!(tape.words(), ["forge"]);
}

#[test]
fn an_equivocator_knows_its_listeners_by_address_or_by_connection() {
    for by_connection in [false, true] {
        let mut spec = liar(NONE, vec![Lie::always(Tell::Equivocate(Instead::Forged))]);
        spec.by_connection = by_connection;
        let running = Arc::new(Running::new(spec));
        let truth = seal("keyaaa", "writeone");
        let heard = |connection, dialler: &str| {
            let mut tape = Tape::on(&running, link(connection, dialler));
            tape.answer(&truth);
            let first = tape.client();
            tape.answer(&truth);
            assert_eq!(tape.client(), first, "one listener hears one story");
            first
        };
        let (one, same) = (heard(0, "10.0.0.9:5000"), heard(1, "10.0.0.9:5001"));
        assert_eq!(one == same, !by_connection);
        assert_ne!(one, heard(2, "10.0.0.8:5000"));
        assert!(one != truth && same != truth);
    }
}

#[test]
fn an_insider_says_what_it_was_given_and_only_for_that_key() {
    let pool = vec![seal("keyaaa", "nobody22"), seal("keyaaa", "nobody33")];
    let mut tape = stream(Tell::Substitute(Instead::Insider(pool.clone())));
    let other = seal("keybbb", "writeone");
    tape.answer(format!("{} {other}", seal("keyaaa", "writeone")));
    let said = tape.client();
    assert!(pool.contains(&said[..43].to_string()), "{said}");
    assert!(said.ends_with(&other));
    assert_eq!(tape.words(), ["forge-insider"]);
}

#[test]
fn a_corrupt_bit_is_one_bit_in_the_part_that_was_asked_for() {
    for (part, range) in [(Part::Body, 3..30), (Part::Code, 30..43)] {
        let mut tape = stream(Tell::Corrupt(part));
        let true_one = seal("keyaaa", "writeone");
        tape.answer(&true_one);
        let said = tape.client();
        let differs = |(a, b): (u8, u8)| (a ^ b).count_ones();
        let bits: u32 = true_one.bytes().zip(said.bytes()).map(differs).sum();
        let at = true_one.bytes().zip(said.bytes()).position(|(a, b)| a != b).unwrap();
        assert!(bits == 1 && range.contains(&at), "{said}");
        assert_eq!(tape.told()[0].seal_after, Some(said));
    }
}

#[test]
fn misdirected_is_of_another_key_and_replayed_is_older_of_the_same() {
    let mut tape = stream(Tell::Substitute(Instead::Misdirected));
    let (a, b) = (seal("keyaaa", "writeone"), seal("keybbb", "writetwo"));
    // Nothing else is known yet, so there is nothing to lie with.
    tape.answer(&a);
    assert_eq!((tape.client(), tape.words()), (a.clone(), vec![]));
    tape.ask(&b);
    tape.answer(&a);
    assert_eq!((tape.client(), tape.words()), (b, vec!["misdirect".to_string()]));
    let mut tape = stream(Tell::Substitute(Instead::Replayed));
    let newer = seal("keyaaa", "writetwo");
    tape.ask(&a);
    tape.ask(&newer);
    tape.answer(&newer);
    assert_eq!((tape.client(), tape.words()), (a.clone(), vec!["replay".to_string()]));
    // The oldest has nothing older.
    tape.answer(&a);
    assert_eq!((tape.client(), tape.words().len()), (a, 1));
}

#[test]
fn an_equivocator_tells_each_listener_one_story_and_the_others_the_truth() {
    let listeners = ["10.0.0.7", "10.0.0.8"].map(|text| text.parse().unwrap());
    let lie =
        Lie { to: Who::Only(listeners.into()), ..Lie::always(Tell::Equivocate(Instead::Forged)) };
    let running = Arc::new(Running::new(liar(NONE, vec![lie.clone()])));
    let colluding = Arc::new(Running::new(liar(NONE, vec![lie])));
    let true_one = seal("keyaaa", "writeone");
    let mut connections = 0;
    let mut hear = |running: &Arc<Running>, who: &str| {
        connections += 1;
        let mut tape = Tape::on(running, link(connections, who));
        tape.answer(&true_one);
        tape.client()
    };
    let seven = hear(&running, "10.0.0.7:1");
    assert_eq!(hear(&running, "10.0.0.9:1"), true_one);
    let eight = hear(&running, "10.0.0.8:1");
    assert!(seven != eight && seven != true_one && eight != true_one);
    for port in 2..5 {
        assert_eq!(hear(&running, &format!("10.0.0.7:{port}")), seven);
        // Another liar with the same seed tells the same, whatever came first.
        assert_eq!(hear(&colluding, &format!("10.0.0.8:{port}")), eight);
    }
    assert_eq!(running.log.fetch(0).len(), 5);
}

#[test]
fn a_probability_of_a_seal_is_the_same_for_all_who_collude() {
    let lie = Lie { rate: Rate::OneIn(4), ..Lie::always(forge()) };
    let seals: Vec<String> = (0..200)
        .map(|at: u32| {
            let letters = at.to_string().replace(['0', '1', '8', '9'], "a");
            seal(&format!("k{at:a>5}", at = letters), &format!("{:b>8}", letters))
        })
        .collect();
    let hear = |order: &mut dyn Iterator<Item = &String>| {
        let mut tape = Tape::new(NONE, vec![lie.clone()]);
        for seal in order {
            tape.answer(seal);
            tape.answer(" ");
        }
        let mut told: Vec<_> =
            tape.told().into_iter().map(|told| (told.seal_before, told.seal_after)).collect();
        told.sort();
        told.dedup();
        told
    };
    let one = hear(&mut seals.iter());
    assert_eq!(one, hear(&mut seals.iter().rev()));
    let different: std::collections::BTreeSet<_> = seals.iter().collect();
    assert!((different.len() / 8..different.len() / 2).contains(&one.len()), "{}", one.len());
}

#[test]
fn every_nth_and_windows_are_kept() {
    let lie = Lie { rate: Rate::Every(3), ..Lie::always(forge()) };
    let mut tape = Tape::new(NONE, vec![lie]);
    let true_one = seal("keyaaa", "writeone");
    let heard: Vec<bool> = (0..6)
        .map(|_| {
            tape.answer(&true_one);
            tape.client() == true_one
        })
        .collect();
    assert_eq!(heard, [true, true, false, true, true, false]);
    let window = Some(Window { lie_ms: 10, honest_ms: 30 });
    let mut tape = Tape::new(NONE, vec![Lie { window, ..Lie::always(forge()) }]);
    for (time, is_honest) in [(0, false), (9, false), (10, true), (39, true), (40, false)] {
        tape.now = time * MS;
        tape.answer(&true_one);
        assert_eq!(tape.client() == true_one, is_honest, "at {time} ms");
    }
}

#[test]
fn both_ways_and_either_way_are_what_they_say() {
    let true_one = seal("keyaaa", "writeone");
    for (on, asked, answered) in [
        (On::Requests, false, true),
        (On::Replies, true, false),
        (On::Says, true, false),
        (On::Hears, false, true),
        (On::Both, false, false),
    ] {
        for outgoing in [false, true] {
            let liar = liar(NONE, vec![Lie { on, ..Lie::always(forge()) }]);
            let link = perjury_agent::proxy::Link { outgoing, ..link(0, "10.0.0.9:1") };
            let mut tape = Tape::of(liar, link);
            tape.ask(&true_one);
            tape.answer(&true_one);
            let turned = outgoing && matches!(on, On::Says | On::Hears);
            let wanted = if turned { (answered, asked) } else { (asked, answered) };
            let got = (tape.server() == true_one, tape.client() == true_one);
            assert_eq!(got, wanted, "{on:?}, outgoing: {outgoing}");
        }
    }
}

#[test]
fn a_black_hole_swallows_and_keeps_the_connection() {
    let mut tape = stream(Tell::BlackHole);
    tape.ask("question");
    tape.answer("answer");
    tape.answer("more");
    assert_eq!((tape.server().as_str(), tape.client().as_str()), ("question", ""));
    assert!(!tape.session.is_broken() && tape.words() == ["black-hole"]);
    assert_eq!(tape.told()[0].before.text(), "answer");
}

#[test]
fn delay_keeps_the_order_and_drip_keeps_the_pace() {
    let mut tape = stream(Tell::Delay { ms: 50, jitter_ms: 0 });
    tape.answer("late");
    tape.wait(49 * MS);
    assert_eq!(tape.client(), "");
    tape.answer("later");
    tape.wait(MS);
    assert_eq!(tape.client(), "late");
    tape.wait(49 * MS);
    assert_eq!((tape.client().as_str(), tape.words().len()), ("later", 2));
    let mut tape = stream(Tell::Drip { bytes: 2, every_ms: 10 });
    tape.answer("slowly");
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(tape.client());
        tape.wait(10 * MS);
    }
    assert_eq!(heard, ["sl", "ow", "ly", ""]);
    assert_eq!(tape.words(), ["drip"]);
}

#[test]
fn truncation_ends_in_the_middle_and_flips_are_one_for_each_block() {
    let mut tape = stream(Tell::Truncate { within: 10 });
    tape.answer("0123456789abcdef");
    let heard = tape.client();
    assert!((1..10).contains(&heard.len()) && "0123456789".starts_with(&heard), "{heard}");
    assert!(tape.session.is_broken() && tape.words() == ["truncate"]);
    let mut tape = stream(Tell::Corrupt(Part::Stream { block: 100 }));
    let zeros = vec![0; 1000];
    tape.answer(&zeros);
    let outlet = tape.session.outlet(Way::Replies);
    let heard = outlet.ready(tape.now).to_vec();
    for block in heard.chunks(100) {
        assert_eq!(block.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    }
    assert_eq!(tape.words().len(), 10);
}

#[test]
fn what_may_be_a_seal_waits_for_its_rest_and_not_for_ever() {
    let mut tape = stream(forge());
    tape.answer("value pj1abc");
    assert_eq!(tape.client(), "value ");
    tape.wait(20 * MS);
    assert_eq!(tape.client(), "pj1abc");
    tape.answer("pj1");
    tape.end();
    assert_eq!(tape.client(), "pj1");
    assert!(tape.session.outlet(Way::Replies).is_done());
}

/// Any way of cutting the stream into pieces gives the same bytes and the same ground truth.
#[test]
fn the_pieces_of_the_stream_do_not_matter() {
    let encode = |text: &str| perjury_agent::Bytes::from(text).to_base64();
    let mut text = String::new();
    for (key, write) in [("keyaaa", "writeone"), ("keybbb", "writetwo"), ("keyaaa", "writesix")] {
        let seal = seal(key, write);
        text += &format!("pj1 {seal} cGox p{}\"{seal}|", encode(&seal));
    }
    let tells = [
        forge(),
        Tell::Corrupt(Part::Body),
        Tell::Corrupt(Part::Stream { block: 64 }),
        Tell::Substitute(Instead::Misdirected),
        Tell::Substitute(Instead::Replayed),
        Tell::Equivocate(Instead::Replayed),
        Tell::Truncate { within: 300 },
        Tell::BlackHole,
    ];
    for tell in tells {
        let run = |pieces: &mut dyn FnMut(usize) -> usize| {
            let mut tape = stream(tell.clone());
            let mut rest = text.as_bytes();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(pieces(rest.len()).clamp(1, rest.len()));
                tape.answer(piece);
                rest = after;
            }
            tape.end();
            let told = tape.told().into_iter();
            let told = told.map(|told| (told.lie, told.seal_before, told.seal_after));
            (tape.client(), told.collect::<Vec<_>>())
        };
        let whole = run(&mut |length| length);
        assert!(!whole.1.is_empty(), "{tell:?} told nothing");
        let mut state = 1_u64;
        for size in (1..100).chain([0; 50]) {
            let pieces = run(&mut |_| match size {
                0 => {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                    (state >> 33) as usize % 90 + 1
                }
                size => size,
            });
            assert_eq!(pieces, whole, "{tell:?} in pieces of {size}");
        }
    }
}

#[test]
fn what_needs_messages_is_refused_without_a_framing() {
    for tell in [
        Tell::Duplicate,
        Tell::Acknowledge,
        Tell::Reorder { hold_ms: 1 },
        Tell::Default { value: "0".into() },
    ] {
        let why = liar(NONE, vec![Lie::always(tell)]).check().unwrap_err();
        assert!(why.contains("set the framing to resp, http or postgres"), "{why}");
    }
    let lie = Lie { words: vec!["GET".into()], ..Lie::always(Tell::BlackHole) };
    assert!(liar(NONE, vec![lie]).check().unwrap_err().contains("words are of messages"));
    let lie = Lie { rate: Rate::OneIn(0), ..Lie::always(Tell::BlackHole) };
    assert!(liar(NONE, vec![lie]).check().unwrap_err().contains("its rate is zero"));
    let pool = Tell::Substitute(Instead::Insider(vec!["pj1short".into()]));
    assert!(liar(NONE, vec![Lie::always(pool)]).check().unwrap_err().contains("no seal"));
}
