use std::time::Duration;

use super::*;
use crate::seed::Seed;
use crate::{clusters, databases, nemeses};

fn refusal<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
    parse::<T>("x.toml", text).unwrap_err().to_string()
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_nearest_word() {
    let text = "rate = 10\nconcurency = 5\n[load.register]\n";
    let message = refusal::<WorkloadSpec>(text);
    assert!(message.starts_with("x.toml:2:1: unknown field `concurency`"), "{message}");
    assert!(message.contains("did you mean `concurrency`?"), "{message}");
    assert!(message.contains("2 | concurency = 5\n   | ^"), "{message}");
}

#[test]
fn an_unknown_word_deep_inside_is_refused_with_its_place() {
    let text = "[[fault]]\nevery = \"5s\"\ninject = { partition = { shape = \"havles\" } }\n";
    let message = refusal::<nemeses::Spec>(text);
    assert!(message.starts_with("x.toml:3:34: unknown variant `havles`"), "{message}");
    assert!(message.contains("did you mean `halves`?"), "{message}");
    let message = refusal::<nemeses::Spec>("[[fault]]\ninject = { kil = { targets = \"one\" } }\n");
    assert!(message.contains("did you mean `kill`?"), "{message}");
    let message = refusal::<WorkloadSpec>("[load.register]\nraeds = 1\n");
    assert!(message.starts_with("x.toml:2:1:") && message.contains("`reads`"), "{message}");
}

#[test]
fn two_words_in_one_place_and_none_at_all_are_refused() {
    refusal::<databases::Spec>("[toy]\n[other]\n");
    refusal::<databases::Spec>("");
    refusal::<WorkloadSpec>("rate = 5\n");
    refusal::<clusters::Spec>("[processes]\nnodes = -1\n");
}

#[test]
fn a_length_of_time_without_unit_is_refused_with_its_place() {
    let message = refusal::<WorkloadSpec>("time-limit = \"30\"\n[load.set]\n");
    assert!(message.starts_with("x.toml:1:14: \"30\" has no unit"), "{message}");
}

#[test]
fn an_unknown_name_lists_those_that_there_are() {
    let error = load::<WorkloadSpec>(Kind::Workload, "regster").unwrap_err().to_string();
    assert!(error.contains("no workload named \"regster\"; did you mean `register`?"), "{error}");
    assert!(error.contains("there are: bank, pairs, register, register-deletes, set"), "{error}");
}

#[test]
fn a_resolved_run_survives_its_file() {
    let names = Names {
        cluster: "processes".into(),
        database: "toy-stale-reads".into(),
        workload: "register".into(),
        nemesis: "all".into(),
    };
    let spec = RunSpec::resolve(names, Expect::Invalid, Seed(77)).unwrap();
    let spec = spec.lasting(Some(Duration::from_millis(1500)));
    let text = write(&spec).unwrap();
    assert_eq!(parse::<RunSpec>("run.toml", &text).unwrap(), spec, "{text}");
}
