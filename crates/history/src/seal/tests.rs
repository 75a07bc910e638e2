use super::*;

fn seals(form: Form) -> Seals {
    Seals::of_run("20260101T000000Z-toy", "00000000deadbeef", form)
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_seal_of_a_run_is_the_same_for_ever() {
    let sealed = text(&seals(Form::Text).seal(&"k7".into(), 17, 3));
    assert_eq!(sealed.len(), 43);
    assert_eq!(sealed, "pj1abpj7kqy7ocizgaaaaaaaraaaadifpbs6ubkire6");
    assert_eq!(seals(Form::Integer).seal(&"k7".into(), 17, 3), Value::Int(FROZEN));
}

// Made by a second implementation, from the words of `text.rs` and `integer.rs`.
const FROZEN: i64 = 1_270_170_711_269;

#[test]
fn the_fields_stand_at_their_places() {
    let sealed = text(&seals(Form::Text).seal(&"k7".into(), 33, 5));
    assert_eq!(&sealed[..3], "pj1");
    assert_eq!(&sealed[3..11], seals(Form::Text).run);
    assert_eq!(&sealed[17..25], "aaaaaabb", "33 = 1 * 32 + 1");
    assert_eq!(&sealed[25..30], "aaaaf");
    let other = text(&seals(Form::Text).seal(&"k8".into(), 33, 5));
    assert_ne!(sealed[11..17], other[11..17]);
    assert_eq!(sealed[17..30], other[17..30]);
    let seal = Seal::parse(&sealed).unwrap();
    assert_eq!((seal.write, seal.process), (33, 5));
    assert_eq!(Value::from(sealed.as_str()).to_string(), "w33·p5");
}

#[test]
fn what_was_made_is_genuine_where_it_was_made_for() {
    for form in [Form::Text, Form::Integer] {
        let seals = seals(form);
        for write in [0, 1, 17, MOST_WRITES - 2] {
            let sealed = seals.seal(&"k7".into(), write, 40_000_000);
            assert_eq!(seals.classify(&"k7".into(), &sealed), Class::Genuine(write), "{form:?}");
            assert_eq!(Value::parse(sealed.encode().unwrap().as_bytes()), sealed);
        }
        assert_eq!(seals.classify(&"k7".into(), &Value::Nil), Class::Absent);
    }
    let (text, integer) = (seals(Form::Text), seals(Form::Integer));
    let sealed = text.seal(&"k7".into(), 9, 1);
    assert_eq!(text.classify(&"k8".into(), &sealed), Class::Misdirected(9));
    let sealed = integer.seal(&"k7".into(), 9, 1);
    assert_eq!(integer.classify(&"k8".into(), &sealed), Class::Broken);
}

#[test]
fn every_single_flipped_bit_is_found() {
    let seals = seals(Form::Text);
    let key: Key = "k7".into();
    let sealed = seals.seal(&key, 17, 3);
    let bytes = text(&sealed).into_bytes();
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        let read = Value::parse(&flipped);
        let class = seals.classify(&key, &read);
        assert!(matches!(class, Class::Broken | Class::Foreign(_)), "bit {at}: {class:?}");
        let damage = Damage::between(&sealed, &read);
        assert_eq!(damage, Some(Damage::Bits { bits: 1, bytes: 1 }), "bit {at}");
    }
}

#[test]
fn every_flipped_bit_of_an_integer_is_found() {
    let seals = seals(Form::Integer);
    let key: Key = "k7".into();
    let Value::Int(sealed) = seals.seal(&key, 17, 3) else { panic!() };
    for bit in 0..64 {
        let read = Value::Int(sealed ^ 1 << bit);
        assert_eq!(seals.classify(&key, &read), Class::Broken, "bit {bit}");
        assert_eq!(
            Damage::between(&Value::Int(sealed), &read),
            Some(Damage::Bits { bits: 1, bytes: 1 })
        );
    }
    let small = (0..100).map(|small| seals.classify(&key, &Value::Int(small)));
    assert!(small.into_iter().all(|class| class == Class::Broken));
}

#[test]
fn another_run_is_foreign_and_other_seals_are_far_away() {
    let (ours, theirs) = (seals(Form::Text), Seals::of_run("other", "1", Form::Text));
    let key: Key = "k7".into();
    let sealed = theirs.seal(&key, 17, 3);
    assert_eq!(ours.classify(&key, &sealed), Class::Foreign(theirs.run.clone()));
    for (form, seals) in [(Form::Text, ours), (Form::Integer, seals(Form::Integer))] {
        let all: Vec<Value> = (0..200).map(|write| seals.seal(&key, write, write % 5)).collect();
        for (at, left) in all.iter().enumerate() {
            for right in &all[..at] {
                assert_eq!(Damage::between(left, right), None, "{form:?} {left:?} {right:?}");
            }
        }
    }
}

#[test]
fn torn_values_are_damage_and_short_ones_are_not() {
    let sealed = seals(Form::Text).seal(&"k7".into(), 17, 3);
    let whole = text(&sealed);
    let read = Value::parse(&whole.as_bytes()[..30]);
    let damage = Damage::between(&sealed, &read).unwrap();
    assert_eq!(damage.to_string(), "cut off after 30 of 43 bytes");
    assert_eq!(Damage::between(&sealed, &Value::parse(&whole.as_bytes()[..10])), None);
    let zeroed = [&whole.as_bytes()[..35], &[0; 8]].concat();
    assert!(Damage::between(&sealed, &Value::parse(&zeroed)).is_some());
    assert_eq!(Damage::between(&sealed, &Value::Int(0)), None);
}

#[test]
fn the_seals_of_a_run_survive_json() {
    let seals = seals(Form::Integer);
    let json = serde_json::to_string(&seals).unwrap();
    assert!(json.contains("\"sealed-integer\""), "{json}");
    assert_eq!(serde_json::from_str::<Seals>(&json).unwrap(), seals);
    assert!(!format!("{seals:?}").contains(&json[json.len() - 20..json.len() - 3]));
}
