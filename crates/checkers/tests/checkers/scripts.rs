//! Short histories in `scripts/`, each named for its claim, with what the checkers say of them.
//!
//! Above the `---` stand directives and events, one a line; every event happens one second after
//! the one before it, or at the same instant if the line begins with `&`:
//!
//! ```text
//! model cas-register      initial 0      expect read write      faults planned      truncated
//! p0 write x 1 > ok       a call and its answer, one after the other
//! p1@n3 read x            a call; the node is n2 unless it is named
//! p1 > ok 1               its answer
//! fault installed         a nemesis acts
//! ```
//!
//! `PERJURY_BLESS=1` writes what stands below the `---` anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use perjury_checkers::{
    Expected, ModelName, Options, judge_with_certificate, sentence, verify, worst,
};
use perjury_history::{
    Call, Cause, Event, Fault, FaultId, History, Index, Injection, Key, Micro, Outcome, Reply,
    Truncation, Value, Verdict,
};

use crate::histories::Made;

#[test]
fn every_script_claims_what_it_proves() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkers/scripts");
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 25, "{}", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (script, expected) = text.split_once("---\n").unwrap_or((&text, ""));
        let found = run(script);
        if std::env::var_os("PERJURY_BLESS").is_some() {
            std::fs::write(&file, format!("{script}---\n{found}")).unwrap();
        } else if found != expected {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            wrong.push(format!("{name}\nexpected:\n{expected}\nfound:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}\nPERJURY_BLESS=1 writes them anew", wrong.join("\n"));
}

struct Script {
    made: Made,
    options: Options,
    expected: Option<Expected>,
    open: BTreeMap<u64, Index>,
    time: u64,
}

fn run(text: &str) -> String {
    let mut script = Script {
        made: Made::default(),
        options: Options::new(ModelName::CasRegister),
        expected: None,
        open: BTreeMap::new(),
        time: 0,
    };
    for line in text.lines().map(str::trim) {
        if !line.is_empty() && !line.starts_with('#') {
            script.line(line);
        }
    }
    let options = Options { expected: script.expected, ..script.options };
    show(&script.made.history, &options)
}

impl Script {
    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let expected = self.expected.take();
        match words.as_slice() {
            ["model", name] => self.options.model = name.parse().unwrap(),
            ["initial", value] => self.options.initial = scalar(value),
            ["expect", calls @ ..] => {
                let calls = calls.iter().map(|call| (*call).to_owned()).collect();
                self.expected = Some(Expected { calls, faults: false });
                return;
            }
            ["faults", "planned"] => {
                self.expected = Some(Expected { faults: true, ..expected.unwrap_or_default() });
                return;
            }
            ["truncated"] => {
                let what = "12 bytes without a line end".to_owned();
                let line = self.made.history.entries.len() as u64 + 2;
                self.made.history.truncation = Some(Truncation { line, what });
            }
            ["fault", word] => self.fault(word),
            ["&", rest @ ..] => self.event(rest, true),
            rest => self.event(rest, false),
        }
        self.expected = expected;
    }

    fn tick(&mut self, same: bool) -> u64 {
        self.time += if same { 0 } else { 1_000_000_000 };
        self.time
    }

    fn fault(&mut self, word: &str) {
        // Every fault of a script begins at a time of its own.
        let id = FaultId(u32::try_from(self.time / 1_000_000_000).unwrap());
        let why = "the script says so".to_owned();
        let injection = match word {
            "installed" => Injection::Installed(why),
            "skipped" => Injection::Skipped(why),
            _ => Injection::Indeterminate(why),
        };
        let fault = Fault::Kill { nodes: vec!["n1".into()] };
        let time = self.tick(false);
        self.made.push(time, Event::Inject { id, fault });
        self.made.push(time, Event::Injected { id, injection });
    }

    fn event(&mut self, words: &[&str], same: bool) {
        let (who, node) = words[0].split_once('@').unwrap_or((words[0], ""));
        let process: u64 = who.strip_prefix('p').unwrap().parse().unwrap();
        let mut parts = words[1..].split(|word| *word == ">");
        let (call, answer) = (parts.next().unwrap(), parts.next());
        let mut same = same;
        if !call.is_empty() {
            let node = if node.is_empty() { format!("n{}", process % 5 + 1) } else { node.into() };
            let call = parse_call(call);
            let time = self.tick(same);
            let event = Event::Invoke { process, node: node.into(), call };
            self.open.insert(process, self.made.push(time, event));
            same = false;
        }
        if let Some(answer) = answer {
            let time = self.tick(same);
            let call = self.open.remove(&process).unwrap_or(Index(999));
            self.made.complete(time, process, call, parse_answer(answer));
        }
    }
}

fn scalar(word: &str) -> Value {
    match (word, word.parse()) {
        ("nil", _) => Value::Nil,
        (_, Ok(number)) => Value::Int(number),
        ("empty", _) => Value::from(""),
        _ => Value::from(word),
    }
}

fn parse_call(words: &[&str]) -> Call {
    let key = Key::from(*words.get(1).unwrap_or(&""));
    let value = |at: usize| scalar(words[at]);
    match words[0] {
        "read" => Call::Read { key },
        "write" => Call::Write { key, value: value(2) },
        "cas" => Call::Cas { key, from: value(2), to: value(3) },
        "append" => Call::Append { key, value: value(2) },
        "add" => Call::Add { key, element: value(2) },
        "remove" => Call::Remove { key, element: value(2) },
        "contains" => Call::Contains { key, element: value(2) },
        "read-all" => Call::ReadAll { key },
        "read-at" => Call::ReadAt { key, position: words[2].parse().unwrap() },
        "enqueue" => Call::Enqueue { key, element: value(2) },
        "dequeue" => Call::Dequeue { key },
        "acquire" => Call::Acquire { key },
        "release" => Call::Release { key },
        "txn" => Call::Txn { steps: words[1..].iter().map(|word| step(word)).collect() },
        other => panic!("{other}"),
    }
}

/// `x?` reads, `x?1` has read 1, `x=1` writes, `x+1` appends.
fn step(word: &str) -> Micro {
    let (key, rest) = word.split_at(word.find(['?', '=', '+']).unwrap());
    let (key, value) = (Key::from(key), &rest[1..]);
    match &rest[..1] {
        "?" if value.is_empty() => Micro::Read(key, None),
        "?" => Micro::Read(key, Some(scalar(value))),
        "=" => Micro::Write(key, scalar(value)),
        _ => Micro::Append(key, scalar(value)),
    }
}

fn parse_answer(words: &[&str]) -> Outcome {
    Outcome::Ok(match words {
        ["ok"] => Reply::Done,
        ["ok", "unknown"] => Reply::Unknown,
        ["ok", "nothing"] => Reply::Empty,
        ["ok", "changed"] => Reply::Changed(true),
        ["ok", "unchanged"] => Reply::Changed(false),
        ["ok", "there"] => Reply::Contains(true),
        ["ok", "not-there"] => Reply::Contains(false),
        ["ok", "swapped"] => Reply::Swapped(true),
        ["ok", "not-swapped"] => Reply::Swapped(false),
        ["ok", "elements", elements @ ..] => {
            Reply::Elements(elements.iter().map(|word| scalar(word)).collect())
        }
        ["ok", "txn", steps @ ..] => Reply::Txn(steps.iter().map(|word| step(word)).collect()),
        ["ok", value] => Reply::Value(scalar(value)),
        ["fail"] => return Outcome::Fail(Cause::new("refused", "")),
        ["info"] => return Outcome::Info(Cause::new("timeout", "")),
        ["fail", "unmodelled"] => return Outcome::Fail(Cause::new(Cause::UNMODELLED, "err: 7")),
        ["unmodelled"] => return Outcome::Info(Cause::new(Cause::UNMODELLED, "err: 7")),
        other => panic!("{other:?}"),
    })
}

fn show(history: &History, options: &Options) -> String {
    let (findings, certificate) = judge_with_certificate(history, options);
    // A set's order is only a proposal.
    if worst(&findings) == Verdict::Valid && options.model != ModelName::Set {
        let proof = certificate.expect("what is valid has a proof");
        assert_eq!(verify(history, options.model, &options.initial, &proof), Ok(()), "{proof:?}");
    }
    let mut text = format!("{}: {}\n", worst(&findings), sentence(&findings, "toydb", true));
    for finding in &findings {
        writeln!(text, "{}: {}: {}", finding.checker, finding.verdict, finding.summary).unwrap();
        for anomaly in &finding.anomalies {
            let nodes: Vec<&str> = anomaly.nodes.iter().map(|node| node.as_str()).collect();
            let witnesses: Vec<String> = anomaly.witnesses.iter().map(Index::to_string).collect();
            writeln!(
                text,
                "  {} of {} at {} by {}\n  {}",
                anomaly.kind,
                anomaly.key.as_ref().map_or("all", |key| key.as_str()),
                nodes.join(" "),
                witnesses.join(" "),
                anomaly.detail
            )
            .unwrap();
        }
    }
    text
}
