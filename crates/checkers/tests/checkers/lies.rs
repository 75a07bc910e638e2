//! Short histories in `lies/`, each named for its claim: what is found, and who is blamed.
//!
//! As in `scripts.rs` every event happens one second after the one before it, or at the same
//! instant if the line begins with `&`. The values are seals of one run:
//!
//! ```text
//! model cas-register           values integer           plain
//! p0@n1 write x w1 > ok @5     write 1 of the run, acknowledged as change 5
//! p1@n2 read x > ok w1 @9/5    taken from change 9, when x was last written at 5
//! p1@n2 read x > ok y:w2       the seal of write 2, which is of y
//! p1@n2 read x > ok w1~3,90    with bits 3 and 90 flipped      w1/30   cut off after 30 bytes
//! p1@n2 read x > ok forged     in the form of a seal      foreign   of another run
//! ... by n1      ... local     who says that it answered; from its own copy
//! kill n1      heal      scrub      final      note ...      probe n1 yes
//! ```
//!
//! `PERJURY_BLESS=1` writes what stands below the `---` anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use perjury_checkers::{ModelName, Options, judge, sentence, worst};
use perjury_history::seal::{Form, Seals};
use perjury_history::{
    Call, Cause, Counter, Event, Fault, FaultId, Finding, Header, History, Index, Injection, Key,
    Micro, Node, Outcome, Phase, Reply, Testimony, Token, Topology, Value, Verdict,
};

use crate::histories::Made;

#[test]
fn every_lie_is_found_and_every_innocent_is_left_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkers/lies");
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 30, "{}", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (script, expected) = text.split_once("---\n").unwrap_or((&text, ""));
        let (verdict, found) = run(script);
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        // The claim of a name is no matter of blessing.
        let innocent = name.contains("is-no-lie");
        assert_eq!(verdict != Verdict::Invalid, innocent, "{name}\n{found}");
        if std::env::var_os("PERJURY_BLESS").is_some() {
            std::fs::write(&file, format!("{script}---\n{found}")).unwrap();
        } else if found != expected {
            wrong.push(format!("{name}\nexpected:\n{expected}\nfound:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}\nPERJURY_BLESS=1 writes them anew", wrong.join("\n"));
}

struct Script {
    made: Made,
    model: ModelName,
    seals: Option<Seals>,
    initial: Value,
    open: BTreeMap<u64, (Index, Key)>,
    time: u64,
    faults: u32,
}

fn run(text: &str) -> (Verdict, String) {
    let mut script = Script {
        made: Made::default(),
        model: ModelName::CasRegister,
        seals: Some(Seals::of_run("golden", "1", Form::Text)),
        initial: Value::Nil,
        open: BTreeMap::new(),
        time: 0,
        faults: 0,
    };
    for line in text.lines().map(str::trim) {
        if !line.is_empty() && !line.starts_with('#') {
            script.line(line);
        }
    }
    let address = |at: u8| std::net::IpAddr::from([10, 0, 0, at]);
    let node = |at: u8| Node { name: format!("n{at}").into(), address: address(at) };
    script.made.history.header = Some(Header {
        seals: script.seals,
        ..Header::new(
            "golden",
            script.model.name(),
            Topology { nodes: (1..=5).map(node).collect() },
        )
    });
    let options = Options { initial: script.initial, ..Options::new(script.model) };
    show(&script.made.history, &options)
}

impl Script {
    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["model", name] => self.model = name.parse().unwrap(),
            ["values", "integer"] => {
                self.seals = Some(Seals::of_run("golden", "1", Form::Integer));
            }
            ["plain"] => self.seals = None,
            ["initial", number] => self.initial = Value::Int(number.parse().unwrap()),
            ["wait", seconds] => self.time += seconds.parse::<u64>().unwrap() * 1_000_000_000,
            ["kill", node] => {
                let id = FaultId(self.faults);
                self.tick(false);
                let fault = Fault::Kill { nodes: vec![(*node).into()] };
                self.made.push(self.time, Event::Inject { id, fault });
                let injection = Injection::Installed("seen".into());
                self.made.push(self.time, Event::Injected { id, injection });
            }
            ["heal", how @ ..] => {
                let id = FaultId(self.faults);
                self.faults += 1;
                self.tick(false);
                self.made.push(self.time, Event::Heal { id });
                let injection = match how {
                    [] => Injection::Installed("seen".into()),
                    _ => Injection::Indeterminate("lost".into()),
                };
                self.made.push(self.time, Event::Healed { id, injection });
            }
            ["scrub"] => {
                self.tick(false);
                self.made.push(self.time, Event::Phase(Phase::Scrub));
            }
            ["probe", node, said] => {
                self.tick(false);
                let (node, healthy) = ((*node).into(), *said == "yes");
                let event = Event::Probe { node, healthy, detail: String::new() };
                self.made.push(self.time, event);
            }
            ["&", rest @ ..] => self.event(rest, true),
            rest => self.event(rest, false),
        }
    }

    fn tick(&mut self, same: bool) -> u64 {
        self.time += if same { 0 } else { 1_000_000_000 };
        self.time
    }

    fn event(&mut self, words: &[&str], same: bool) {
        let (who, node) = words[0].split_once('@').unwrap_or((words[0], "n1"));
        let process: u64 = who.strip_prefix('p').unwrap().parse().unwrap();
        let mut parts = words[1..].split(|word| *word == ">");
        let (call, answer) = (parts.next().unwrap(), parts.next());
        let mut same = same;
        if !call.is_empty() {
            let key = Key::from(*call.get(1).unwrap_or(&""));
            let call = self.call(call, process);
            let time = self.tick(same);
            let event = Event::Invoke { process, node: node.into(), call };
            self.open.insert(process, (self.made.push(time, event), key));
            same = false;
        }
        if let Some(answer) = answer {
            let time = self.tick(same);
            let (call, key) = self.open.remove(&process).unwrap();
            let (outcome, said) = self.answer(answer, &key);
            self.made.push(time, Event::Complete { process, call, outcome, said });
        }
    }

    fn call(&self, words: &[&str], process: u64) -> Call {
        let key = Key::from(*words.get(1).unwrap_or(&""));
        let value = |at: usize| self.sealed(words[at], &key, process);
        match words[0] {
            "read" => Call::Read { key },
            "write" => Call::Write { value: value(2), key },
            "cas" => Call::Cas { from: value(2), to: value(3), key },
            "add" => Call::Add { element: value(2), key },
            "read-all" => Call::ReadAll { key },
            "delete" => Call::Delete { key },
            "transfer" => {
                Call::Transfer { from: key, to: words[2].into(), amount: words[3].parse().unwrap() }
            }
            "read-accounts" => Call::ReadAccounts,
            "txn" => Call::Txn { steps: words[1..].iter().map(|word| self.step(word)).collect() },
            other => panic!("{other}"),
        }
    }

    /// `x?` reads, `x?w1` has read the first write, `x=w1` writes.
    fn step(&self, word: &str) -> Micro {
        let (key, rest) = word.split_at(word.find(['?', '=']).unwrap());
        let (key, write) = (Key::from(key), &rest[1..]);
        match (&rest[..1], write) {
            ("?", "") => Micro::Read(key, None),
            ("?", _) => Micro::Read(key.clone(), Some(self.sealed(write, &key, 0))),
            _ => Micro::Write(key.clone(), self.sealed(write, &key, 0)),
        }
    }

    /// The process of a seal is the number of its write: it does not matter here.
    fn sealed(&self, word: &str, key: &Key, _process: u64) -> Value {
        if word == "nil" {
            return Value::Nil;
        }
        let (key, word) = match word.split_once(':') {
            Some((other, word)) => (Key::from(other), word),
            None => (key.clone(), word),
        };
        let foreign = Seals::of_run("another", "1", Form::Text);
        let (word, change) = match word.find(['~', '/']) {
            Some(at) => word.split_at(at),
            None => (word, ""),
        };
        let value = match (&self.seals, word) {
            (None, number) => Value::Int(number.trim_start_matches('w').parse().unwrap()),
            (Some(_), "foreign") => foreign.seal(&key, 7, 7),
            (Some(seals), "forged") => {
                let text = seals.seal(&key, 77, 7).encode().unwrap();
                Value::Text(format!("{}abcdefghijklm", &text[..30]).as_str().into())
            }
            (Some(seals), write) => {
                let write = write.strip_prefix('w').unwrap().parse().unwrap();
                seals.seal(&key, write, write)
            }
        };
        let mut bytes = value.encode().unwrap().into_bytes();
        if let Some(bits) = change.strip_prefix('~') {
            for bit in bits.split(',').map(|bit| bit.parse::<usize>().unwrap()) {
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        } else if let Some(length) = change.strip_prefix('/') {
            bytes.truncate(length.parse().unwrap());
        }
        Value::parse(&bytes)
    }

    fn answer(&self, words: &[&str], key: &Key) -> (Outcome, Option<Box<Testimony>>) {
        let mut said = Testimony::default();
        let mut rest = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "by" => said.member = Some((*words.next().unwrap()).to_owned()),
                "local" => said.local = true,
                word => match word.strip_prefix('@') {
                    Some(numbers) => said.token = Some(token(numbers)),
                    None => rest.push(word),
                },
            }
        }
        let value = |word: &str| self.sealed(word, key, 0);
        let outcome = Outcome::Ok(match rest.as_slice() {
            ["ok"] => Reply::Done,
            ["ok", "swapped"] => Reply::Swapped(true),
            ["ok", "not-swapped"] => Reply::Swapped(false),
            ["ok", "elements", all @ ..] => {
                Reply::Elements(all.iter().map(|word| value(word)).collect())
            }
            ["ok", "accounts", all @ ..] => {
                let held = |word: &&str| {
                    let (key, held) = word.split_once('=').unwrap();
                    (Key::from(key), Value::parse(held.as_bytes()))
                };
                Reply::Accounts(all.iter().map(held).collect())
            }
            ["ok", "txn", steps @ ..] => {
                Reply::Txn(steps.iter().map(|word| self.step(word)).collect())
            }
            // Of a bank: a balance.
            ["ok", word] if self.model == ModelName::Bank => {
                Reply::Value(Value::parse(word.as_bytes()))
            }
            ["ok", word] => Reply::Value(value(word)),
            ["fail"] => return (Outcome::Fail(Cause::new("refused", "")), None),
            ["info"] => return (Outcome::Info(Cause::new("timeout", "")), None),
            other => panic!("{other:?}"),
        });
        (outcome, (!said.is_empty()).then(|| Box::new(said)))
    }
}

/// `9/5`: at 9, last written at 5; `9/-`: absent; `5`: a write, which is at its own number. Another
/// scope stands before a colon.
fn token(numbers: &str) -> Token {
    let (scope, numbers) = numbers.split_once(':').unwrap_or(("", numbers));
    let (at, version) = numbers.split_once('/').unwrap_or((numbers, numbers));
    Token {
        counter: Counter::Change,
        scope: scope.to_owned(),
        at: at.parse().unwrap(),
        version: version.parse().ok(),
    }
}

fn show(history: &History, options: &Options) -> (Verdict, String) {
    let findings: Vec<Finding> = judge(history, options);
    let verdict = worst(&findings);
    let mut text = format!("{verdict}: {}\n", sentence(&findings, "toydb", true));
    for finding in findings.iter().filter(|finding| finding.verdict != Verdict::Valid) {
        writeln!(text, "{}: {}: {}", finding.checker, finding.verdict, finding.summary).unwrap();
        for anomaly in &finding.anomalies {
            let accused: Vec<String> = anomaly
                .accused
                .iter()
                .map(|accused| format!("{} {}", accused.node, accused.confidence.name()))
                .collect();
            let witnesses: Vec<String> = anomaly.witnesses.iter().map(Index::to_string).collect();
            let key = anomaly.key.as_ref().map_or("all", |key| key.as_str());
            let (kind, witnesses) = (anomaly.kind, witnesses.join(" "));
            writeln!(text, "  {kind} of {key} at {witnesses}").unwrap();
            writeln!(text, "  accused: {}", accused.join(", ")).unwrap();
            writeln!(text, "  {}", anomaly.detail).unwrap();
        }
    }
    (verdict, text)
}
