//! Parsers of the two log formats of Porcupine's test data, as small as tests can afford.
//!
//! Not importers: anything unexpected panics, with the line.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use perjury_porcupine::Operation;
use perjury_porcupine::models::{CasInput, CasOutput, KvAppendInput, KvAppendOutput, Seen};

/// An etcd register: `None` is etcd's "no such key".
pub type Etcd = Operation<CasInput<Option<u64>>, CasOutput<Option<u64>>>;
/// The store of the 6.824 laboratory.
pub type Lab = Operation<KvAppendInput<String>, KvAppendOutput>;

/// The files of a folder that its `EXPECTED.tsv` names, with whether they are linearizable.
pub fn expected(folder: &Path) -> Vec<(PathBuf, bool)> {
    let table = std::fs::read_to_string(folder.join("EXPECTED.tsv")).unwrap();
    let row = |line: &str| {
        let (file, verdict) = line.split_once('\t').unwrap();
        assert!(verdict == "linearizable" || verdict == "not-linearizable", "{line}");
        (folder.join(file), verdict == "linearizable")
    };
    table.lines().skip(1).filter(|line| !line.is_empty()).map(row).collect()
}

/// A jepsen log of one compare-and-set register.
pub fn jepsen_log(text: &str) -> Vec<Etcd> {
    let mut history: Vec<Etcd> = Vec::new();
    let mut open: HashMap<u64, usize> = HashMap::new();
    let mut dropped = Vec::new();
    for (time, line) in (0..).zip(text.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["INFO", "jepsen.util", "-", process, kind, function, value @ ..] = &words[..] else {
            panic!("not an entry: {line}");
        };
        let Ok(process) = process.parse() else { continue }; // the nemesis
        if *kind == ":invoke" {
            open.insert(process, history.len());
            let input = etcd_input(function, &value.join(" "));
            history.push(Operation::indeterminate(process, input, time));
            continue;
        }
        let index = open.remove(&process).unwrap_or_else(|| panic!("not open: {line}"));
        let output = match (*kind, *function) {
            (":ok", ":read") => CasOutput::Read(Seen::Value(number(value[0]))),
            (":ok", ":write") => CasOutput::Written,
            (":ok", ":cas") => CasOutput::Cas(true),
            (":fail", ":cas") => CasOutput::Cas(false),
            (":fail", ":read") => {
                dropped.push(index);
                continue;
            }
            (":info", _) => continue,
            _ => panic!("unknown completion: {line}"),
        };
        (history[index].output, history[index].ret) = (Some(output), time);
    }
    dropped.sort_unstable();
    for index in dropped.into_iter().rev() {
        history.remove(index);
    }
    history
}

fn etcd_input(function: &str, value: &str) -> CasInput<Option<u64>> {
    match function {
        ":read" => CasInput::Read,
        ":write" => CasInput::Write(number(value)),
        ":cas" => {
            let pair = value.trim_matches(['[', ']']);
            let (from, to) = pair.split_once(' ').unwrap();
            CasInput::Cas { from: number(from), to: number(to) }
        }
        _ => panic!("unknown function: {function}"),
    }
}

fn number(text: &str) -> Option<u64> {
    (text != "nil").then(|| text.parse().unwrap())
}

/// A log of the key-value laboratory.
pub fn kv_log(text: &str) -> Vec<Lab> {
    let mut history: Vec<Lab> = Vec::new();
    let mut open: HashMap<u64, usize> = HashMap::new();
    for (time, line) in (0..).zip(text.lines()) {
        let after = |name: &str| line.split_once(name).unwrap().1;
        let word = |name: &str| after(name).split([',', '}']).next().unwrap();
        let quoted = |name: &str| after(name).split('"').nth(1).unwrap().to_string();
        let process = word(":process ").parse().unwrap();
        let function = word(":f ");
        if word(":type ") == ":invoke" {
            let key = quoted(":key ");
            let input = match function {
                ":get" => KvAppendInput::Get(key),
                ":put" => KvAppendInput::Put(key, quoted(":value ")),
                ":append" => KvAppendInput::Append(key, quoted(":value ")),
                _ => panic!("unknown function: {line}"),
            };
            open.insert(process, history.len());
            history.push(Operation::indeterminate(process, input, time));
            continue;
        }
        assert_eq!(word(":type "), ":ok", "{line}");
        let index = open.remove(&process).unwrap();
        let output = match function {
            ":get" => KvAppendOutput::Got(Seen::Value(quoted(":value "))),
            _ => KvAppendOutput::Done,
        };
        (history[index].output, history[index].ret) = (Some(output), time);
    }
    history
}
