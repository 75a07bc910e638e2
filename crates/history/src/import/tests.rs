use std::path::PathBuf;

use super::*;
use crate::export;
use crate::{Call, Event, Key, Micro, Outcome, Reply, Value};

fn import(text: &str) -> Result<Imported, FileError> {
    let dialect = Dialect::default();
    read_text(Path::new("h"), text.as_bytes(), None, None, &dialect)
}

fn imported(text: &str) -> Imported {
    import(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn calls(imported: &Imported) -> Vec<Call> {
    let call = |event: &Event| match event {
        Event::Invoke { call, .. } => Some(call.clone()),
        _ => None,
    };
    imported.history.entries.iter().filter_map(|entry| call(&entry.event)).collect()
}

fn outcomes(imported: &Imported) -> Vec<Outcome> {
    let outcome = |event: &Event| match event {
        Event::Complete { outcome, .. } => Some(outcome.clone()),
        _ => None,
    };
    imported.history.entries.iter().filter_map(|entry| outcome(&entry.event)).collect()
}

fn key(name: &str) -> Key {
    Key::from(name)
}

#[test]
fn words_and_formats() {
    assert_eq!(Format::parse("auto"), Ok(None));
    for format in Format::ALL {
        assert_eq!(Format::parse(format.name()), Ok(Some(format)));
    }
    let error = Format::parse("csv").unwrap_err();
    assert!(error.contains("\"csv\"; expected auto, perjury, jepsen-edn"), "{error}");
    assert_eq!("unknown".parse(), Ok(NilRead::Unknown));
}

#[test]
fn edn_in_all_its_forms_is_read() {
    let text = "; a comment\n#jepsen.history.History [\n\
        #jepsen.history.Op{:process 0, :type :invoke, :f :write, :value 7N, :time 5 :index 0}\n\
        #_{:process #_ 1 1 :type :invoke} {:process :nemesis :type :info :f :start :value #{:n1}}\n\
        (:process)]";
    let text = text.strip_suffix("(:process)]").unwrap().to_owned()
        + "\
        {:type :ok, :f :write, :process 0, :value 7, :time 9 :exception #object[a \"\\u0041\"]}\n\
        ,,{:process 1 :type :invoke :f :cas :value (1.5 \\newline) :time 9}\n\
        {:process 1 :type :info :f :cas :value [3/4 x] :time 10 :error [:timeout \"5 s\"]}]";
    // A tag in front of the outermost vector makes it the only element: that is no map.
    let error = import(&text).unwrap_err().to_string();
    assert!(error.starts_with("h:2: expected a map"), "{error}");
    let read = imported(&text.replace("#jepsen.history.History ", ""));
    assert_eq!((read.format, read.skipped, read.timed), (Format::JepsenEdn, 1, true));
    assert_eq!(read.model.as_deref(), Some("cas-register"));
    let register = || key("register");
    let expected = [
        Call::Write { key: register(), value: Value::Int(7) },
        Call::Cas { key: register(), from: "1.5".into(), to: "\\newline".into() },
    ];
    assert_eq!(calls(&read), expected);
    let info = Outcome::Info(crate::Cause::new("timeout", "5 s"));
    assert_eq!(outcomes(&read), [Outcome::Ok(Reply::Done), info]);
    assert_eq!(read.history.entries.iter().map(|e| e.time).collect::<Vec<_>>(), [5, 9, 9, 10]);
}

#[test]
fn json_is_the_same_with_strings() {
    let text = "[{\"process\":0,\"type\":\"invoke\",\"f\":\"txn\",\"value\":[[\"r\",\"x\",null]]},\n\n\
                {\"process\":0,\"type\":\"ok\",\"f\":\"txn\",\"value\":[[\"r\",\"x\",3]]}]";
    let read = imported(text);
    assert_eq!((read.format, read.timed), (Format::JepsenJson, false));
    assert_eq!(read.model.as_deref(), Some("multi-register"));
    let answer = Reply::Txn(vec![Micro::Read(key("x"), Some(Value::Int(3)))]);
    assert_eq!(outcomes(&read), [Outcome::Ok(answer)]);
    let lines = text.trim_matches(['[', ']']).replace("},", "}");
    assert_eq!(imported(&lines).history, read.history);
    let error = import(&text.replace(",3]]", ",3]")).unwrap_err().to_string();
    assert!(error.starts_with("h:3: "), "{error}");
    let error = import(&text.replace("\"ok\"", "\"okay\"")).unwrap_err().to_string();
    assert!(error.starts_with("h:3: unknown entry type \":okay\""), "{error}");
}

#[test]
fn a_log_line_says_what_a_failure_means() {
    let text = "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\n\
        INFO  jepsen.util - 0\t:fail\t:cas\t[1 2]\n\
        INFO  jepsen.util - 1   :invoke :read  nil\nINFO  jepsen.util - 1 :fail :read :timed-out\n\
        INFO  jepsen.util - :nemesis :info :start \"Cut off {:n1 #[\"\n\n\
        2 :invoke :write 3\n2 :info :write :timed-out\n3 :invoke :read nil\n3 :ok :read nil\n";
    let read = imported(text);
    assert_eq!((read.format, read.skipped), (Format::JepsenLog, 1));
    let said: Vec<String> = outcomes(&read).iter().map(|outcome| format!("{outcome:?}")).collect();
    let expected = ["Swapped(false)", "Fail(Cause { code: \"timed-out\"", "Info(", "Value(Nil)"];
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.contains(expected), "{said}");
    }
    let unknown = Dialect { nil_read: NilRead::Unknown };
    let read = read_text(Path::new("h"), text.as_bytes(), None, None, &unknown).unwrap();
    assert_eq!(outcomes(&read)[3], Outcome::Ok(Reply::Unknown));
}

#[test]
fn keys_are_told_from_values() {
    let keyed = "{:process 0 :type :invoke :f :read :value [:x nil]}\n\
        {:process 0 :type :ok :f :read :value [:x 5]}\n\
        {:process 0 :type :invoke :f :cas :value [1 [2 3]]}";
    let read = imported(keyed);
    assert_eq!(calls(&read)[0], Call::Read { key: key("x") });
    assert_eq!(outcomes(&read)[0], Outcome::Ok(Reply::Value(Value::Int(5))));
    let cas = Call::Cas { key: key("1"), from: Value::Int(2), to: Value::Int(3) };
    assert_eq!(calls(&read)[1], cas);
    let set = "{:process 0 :type :invoke :f :add :value [7 1]}{:process 0 :type :ok :f :add}\n\
        {:process 1 :type :invoke :f :read :value [7 nil]}\n\
        {:process 1 :type :ok :f :read :value [7 #{1}]}";
    let read = imported(set);
    assert_eq!(read.model.as_deref(), Some("set"));
    assert_eq!(calls(&read)[0], Call::Add { key: key("7"), element: Value::Int(1) });
    assert_eq!(outcomes(&read)[1], Outcome::Ok(Reply::Elements(vec![Value::Int(1)])));
    // The answer is no [key elements]: the pairs themselves are the elements.
    let read = imported(&set.replace("[7 #{1}]", "[[7 1]]"));
    assert_eq!(calls(&read)[0], Call::Add { key: key("set"), element: "[7 1]".into() });
    // The answer is a number behind a key: a counter of that key.
    let read = imported(&set.replace("[7 #{1}]", "[7 1]"));
    assert_eq!(read.model.as_deref(), Some("counter"));
    assert_eq!(calls(&read)[0], Call::Increment { key: key("7"), by: 1 });
    assert_eq!(outcomes(&read)[1], Outcome::Ok(Reply::Value(Value::Int(1))));
}

#[test]
fn what_is_not_understood_is_said_with_its_line() {
    let invoke = |rest: &str| format!("\n{{:process 0 :type :invoke {rest}}}");
    let cases = [
        (invoke(":f :frobnicate"), "unknown operation :frobnicate; known are :read, :write"),
        (invoke(":f :transfer :value {:from 1}"), "a :transfer needs {:from A, :to B, :amount N}"),
        (invoke(":f :drain"), "queue with drain workload is not supported yet"),
        (invoke(":f :txn :value [[:r 1 [[2] 3]]]"), "a step of a transaction is"),
        (invoke(":f :txn :value [[:w 1 [2 3]]]"), "a step of a transaction is"),
        (invoke(":f :txn :value [[:q 1]]"), "a step of a transaction is"),
        (invoke(":f :cas :value 4"), "a :cas needs the value [FROM TO], not 4"),
        (invoke(":f :write :value [1]"), "the value of a :write has to be"),
        (invoke(""), "an entry without :f needs a list of steps"),
        ("\n{:process 0 :f :read}".into(), "this entry has no :type"),
        ("\n{:process 0 :type :ok :f :read}".into(), "no open :invoke before it"),
        ("\n{:process -1 :type :ok :f :read}".into(), "process -1 is negative"),
        (invoke(":f :read"), ""),
        ("\n[{:process 0 :type".into(), "the file ends in the middle of an element"),
        ("\n{:process 0 :type}".into(), "has a key without a value"),
        ("\n[{} {}] {}".into(), "follows the end of the history"),
        ("\n\"abc".into(), "this string is not closed"),
        ("\n]".into(), "closes nothing that is open"),
        (format!("\n{}", "[".repeat(1_000_000)), "nested more than 100 deep"),
        (format!("\n{}", "#_".repeat(1_000_000)), "nested more than 100 deep"),
        (format!("\n{}", "#a ".repeat(1_000_000)), "nested more than 100 deep"),
        (
            format!("\n[{{\"a\":{}{}}}]", "[".repeat(1_000), "]".repeat(1_000)),
            "recursion limit exceeded",
        ),
    ];
    for (text, expected) in cases {
        match import(&text) {
            Ok(_) => assert_eq!(expected, "", "{text}"),
            Err(error) => {
                let message = error.to_string();
                assert!(message.starts_with("h:2: "), "{message}");
                assert!(!expected.is_empty() && message.contains(expected), "{message}");
                assert!(message.len() < 400, "{message}");
            }
        }
    }
}

#[test]
fn a_process_does_one_thing_at_a_time_and_is_silent_after_info() {
    let invoke = "{:process 0 :type :invoke :f :write :value 1}\n";
    let error = import(&format!("{invoke}{invoke}")).unwrap_err().to_string();
    assert!(error.starts_with("h:2: process 0 invokes while its call of line 1"), "{error}");
    let text = format!("{invoke}{{:process 0 :type :info :f :write}}\n{invoke}");
    let error = import(&text).unwrap_err().to_string();
    assert!(error.starts_with("h:3: process 0 speaks again after its call of line 1"), "{error}");
    let text = format!("{invoke}{{:process 0 :type :ok :f :read}}\n");
    let error = import(&text).unwrap_err().to_string();
    assert!(error.contains("of another function than the call of line 1, \"write\""), "{error}");
}

#[test]
fn a_read_of_a_counter_or_of_a_bank_is_not_taken_for_something_else() {
    // What is added decides nothing, what is read does.
    let counter = "{:process 0 :type :invoke :f :add :value 1}{:process 0 :type :ok :f :add}\n\
        {:process 0 :type :invoke :f :read}{:process 0 :type :ok :f :read :value 1}";
    let read = imported(counter);
    assert_eq!(read.model.as_deref(), Some("counter"));
    assert_eq!(calls(&read)[0], Call::Increment { key: key("counter"), by: 1 });
    let set = imported(&counter.replace(":read :value 1", ":read :value [1]"));
    assert_eq!(calls(&set)[0].name(), "add");
    let error = import(&counter.replace(":add :value 1", ":add :value x")).unwrap_err();
    assert!(error.to_string().contains("has to be a whole number, not :x"), "{error}");
    let bank = "{:process 0 :type :invoke :f :read}{:process 0 :type :ok :f :read :value {0 1}}";
    let read = imported(bank);
    assert_eq!((read.model.as_deref(), calls(&read)), (Some("bank"), vec![Call::ReadAccounts]));
    let accounts = Reply::Accounts(vec![(key("0"), Value::Int(1))]);
    assert_eq!(outcomes(&read), [Outcome::Ok(accounts)]);
    let error = import(&bank.replace("{0 1}", "{0 [1]}")).unwrap_err().to_string();
    assert!(error.contains("a bank was read as {0 [1]}"), "{error}");
    // Once it is known for a bank, another answer is none of a register.
    let more = "{:process 1 :type :invoke :f :read}{:process 1 :type :ok :f :read :value 7}";
    let error = import(&format!("{bank}\n{more}")).unwrap_err().to_string();
    assert!(error.contains("a bank was read as 7"), "{error}");
}

#[test]
fn a_read_of_a_list_keeps_its_order() {
    let text = "{:type :invoke :value [[:append 1 5] [:r 1 nil] [:r :x nil] [:r 2 nil]]}\n\
        {:type :ok :value [[:append 1 5] [:r 1 [7 5 5]] [:r :x []] [:r 2 nil]]}";
    let read = imported(text);
    assert_eq!(read.model.as_deref(), Some("list-append"));
    let steps = vec![
        Micro::Append(key("1"), 5.into()),
        Micro::ReadList(key("1"), vec![7.into(), 5.into(), 5.into()]),
        Micro::ReadList(key("x"), vec![]),
        Micro::Read(key("2"), Some(Value::Nil)),
    ];
    assert_eq!(outcomes(&read), [Outcome::Ok(Reply::Txn(steps))]);
    let error = import(&text.replace("[:r 2 nil]]}\n", "[:r 3 nil]]}\n")).unwrap_err().to_string();
    assert!(error.contains("answers other steps than those that were asked"), "{error}");
}

#[test]
fn a_queue_is_read_with_its_empty_answers() {
    let queue = "{:process 0 :type :invoke :f :enqueue :value 5}\n\
        {:process 0 :type :ok :f :enqueue}\n\
        {:process 0 :type :invoke :f :dequeue}{:process 0 :type :ok :f :dequeue :value 5}\n\
        {:process 0 :type :invoke :f :dequeue}{:process 0 :type :ok :f :dequeue :value nil}\n\
        {:process 0 :type :invoke :f :dequeue}{:process 0 :type :fail :f :dequeue :error :empty}";
    let read = imported(queue);
    assert_eq!(read.model.as_deref(), Some("queue"));
    assert_eq!(calls(&read)[0], Call::Enqueue { key: key("queue"), element: 5.into() });
    let taken = Outcome::Ok(Reply::Value(5.into()));
    assert_eq!(outcomes(&read)[1..3], [taken, Outcome::Ok(Reply::Empty)]);
    assert!(matches!(outcomes(&read)[3], Outcome::Fail(_)));
    let dialect = Dialect { nil_read: NilRead::Unknown };
    let read = read_text(Path::new("h"), queue.as_bytes(), None, None, &dialect).unwrap();
    assert_eq!(outcomes(&read)[2], Outcome::Ok(Reply::Unknown));
}

/// Everything that our own export can say comes back, except faults, phases and notes.
#[test]
fn the_own_export_is_read_back() {
    let events = |keys: [&str; 2]| {
        let cause = || crate::Cause::new("time-out", "5 \"s\" ; {");
        let write = |key: &str, value: Value| Call::Write { key: Key::from(key), value };
        let cas =
            |name: &str| Call::Cas { key: key(name), from: 1.into(), to: "\"\\\n\u{1}".into() };
        let read = |name: &str| Call::Read { key: key(name) };
        let raw = Value::Raw([0, 255].as_slice().into());
        vec![
            (write(keys[0], Value::Nil), Outcome::Ok(Reply::Done)),
            (write(keys[1], raw.clone()), Outcome::Fail(cause())),
            (cas(keys[0]), Outcome::Ok(Reply::Swapped(false))),
            (cas(keys[1]), Outcome::Ok(Reply::Swapped(true))),
            (read(keys[0]), Outcome::Ok(Reply::Value(raw))),
            (read(keys[0]), Outcome::Ok(Reply::Unknown)),
            (read(keys[1]), Outcome::Info(cause())),
        ]
    };
    round_trip(events(["a", "a"]), "cas-register");
    round_trip(events(["a", "b c\"d"]), "cas-register");
    let add = |name: &str| Call::Add { key: key(name), element: 4.into() };
    let all = |name: &str| Call::ReadAll { key: key(name) };
    for keys in [["s", "s"], ["s", "t"]] {
        let elements = || Outcome::Ok(Reply::Elements(vec![4.into(), 4.into()]));
        let calls = vec![
            (add(keys[0]), Outcome::Ok(Reply::Done)),
            (all(keys[1]), elements()),
            (all(keys[1]), Outcome::Ok(Reply::Elements(vec![]))),
        ];
        round_trip(calls, "set");
    }
    round_trip(vec![(all("s"), Outcome::Ok(Reply::Elements(vec![])))], "set");
    let asked = vec![Micro::Read(key("x"), None), Micro::Write(key("y"), 2.into())];
    for value in [None, Some(Value::Nil), Some(Value::Int(1))] {
        let steps = vec![Micro::Read(key("x"), value), asked[1].clone()];
        let answer = Outcome::Ok(Reply::Txn(steps));
        round_trip(vec![(Call::Txn { steps: asked.clone() }, answer)], "multi-register");
    }
    let lock = |name: &str| Call::Acquire { key: key(name) };
    let done = || Outcome::Ok(Reply::Done);
    round_trip(vec![(lock("l"), done())], "mutex");
    round_trip(vec![(lock("l"), done()), (Call::Release { key: key("m") }, done())], "mutex");
    let token = || Outcome::Ok(Reply::Value(7.into()));
    round_trip(vec![(lock("l"), token()), (lock("m"), token())], "fenced-lock");
    round_trip(vec![(lock("l"), token()), (lock("l"), done())], "mutex");
    let append = |name: &str| Call::Append { key: key(name), value: "x".into() };
    round_trip(vec![(append("l"), done())], "kv-append");
    let increment = |name: &str| Call::Increment { key: key(name), by: -3 };
    let sum = |value: Value| Outcome::Ok(Reply::Value(value));
    for keys in [["c", "c"], ["c", "d"]] {
        let read = |name: &str| Call::Read { key: key(name) };
        for seen in [Value::Int(-3), Value::Raw([7].as_slice().into())] {
            let calls = vec![(increment(keys[0]), done()), (read(keys[1]), sum(seen))];
            round_trip(calls, "counter");
        }
        let queue = vec![
            (Call::Enqueue { key: key(keys[0]), element: 3.into() }, done()),
            (Call::Dequeue { key: key(keys[1]) }, sum(3.into())),
            (Call::Dequeue { key: key(keys[0]) }, Outcome::Ok(Reply::Empty)),
            (Call::Dequeue { key: key(keys[1]) }, Outcome::Ok(Reply::Unknown)),
        ];
        round_trip(queue, "queue");
    }
    round_trip(vec![(increment("c"), done())], "counter");
}

#[test]
fn the_own_export_of_lists_and_banks_is_read_back() {
    let list = Micro::ReadList(key("y"), vec![2.into(), "b".into(), Value::Nil]);
    for read in [list, Micro::ReadList(key("y"), vec![]), Micro::Read(key("y"), None)] {
        let steps = vec![Micro::Append(key("y"), 2.into()), read];
        let asked = vec![steps[0].clone(), Micro::Read(key("y"), None)];
        let call = Call::Txn { steps: asked };
        round_trip(vec![(call, Outcome::Ok(Reply::Txn(steps)))], "list-append");
    }
    let transfer = Call::Transfer { from: key("a b"), to: key("1"), amount: -2 };
    let accounts = vec![(key("1"), 5.into()), (key("a b"), Value::Raw([1].as_slice().into()))];
    let bank = vec![
        (transfer.clone(), Outcome::Ok(Reply::Done)),
        (transfer, Outcome::Fail(crate::Cause::new("no", ""))),
        (Call::ReadAccounts, Outcome::Ok(Reply::Accounts(accounts))),
        (Call::ReadAccounts, Outcome::Ok(Reply::Unknown)),
    ];
    round_trip(bank, "bank");
}

pub(super) fn round_trip(operations: Vec<(Call, Outcome)>, model: &str) {
    let mut history = History::default();
    let mut push = |event| {
        let index = crate::Index(history.entries.len() as u64);
        let time = 10 + index.0 * 3;
        history.entries.push(crate::Entry { index, time, event });
        index
    };
    for (process, (call, outcome)) in (0..).zip(operations) {
        let node = if process == 1 { NOWHERE } else { "n1" }.into();
        let call = push(Event::Invoke { process, node, call });
        push(Event::Complete { process, call, outcome, said: None });
    }
    let mut text = Vec::new();
    export::edn(&history, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count(), history.entries.len());
    let read = imported(&text);
    assert_eq!(read.history, history, "{text}");
    assert_eq!(read.model.as_deref(), Some(model), "{text}");
}

#[test]
fn faults_become_the_words_of_a_nemesis() {
    let fault = crate::Fault::Kill { nodes: vec!["n1".into()] };
    let id = crate::FaultId(4);
    let injection = || crate::Injection::Installed("gone".into());
    let events = [
        Event::Inject { id, fault },
        Event::Injected { id, injection: injection() },
        Event::Phase(crate::Phase::Heal),
        Event::Heal { id },
        Event::Healed { id, injection: injection() },
        Event::Note("n2 leads\n".into()),
    ];
    let entry = |(at, event)| crate::Entry { index: crate::Index(at), time: at, event };
    let entries: Vec<_> = (0..).zip(events).map(entry).collect();
    let mut text = Vec::new();
    export::edn(&History { entries, ..History::default() }, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let last = "{:index 4, :time 4, :type :info, :process :nemesis, :f :stop-kill, \
                :value [:installed \"gone\"]}\n\
                {:index 5, :time 5, :type :info, :process :nemesis, :f :note, \
                :value \"n2 leads\\n\"}\n";
    assert!(text.starts_with("{:index 0, :time 0, :type :info, :process :nemesis, :f :start-kill"));
    assert!(text.ends_with(last), "{text}");
    assert_eq!(imported(&text).skipped, 6);
}

/// A tiny random generator (splitmix64, Steele, Lea and Flood 2014).
struct Prng(u64);

impl Prng {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }
}

/// Cuts, doubles, swaps and overwrites pieces.
fn mutate(bytes: &mut Vec<u8>, prng: &mut Prng) {
    const SALT: &[&[u8]] = &[b"\"", b"[", b"]", b"{", b"#_", b"nil", b":ok", b"\xff", b"\n", b"99"];
    for _ in 0..1 + prng.below(4) {
        let at = prng.below(bytes.len() + 1);
        let end = (at + prng.below(30)).min(bytes.len());
        match prng.below(4) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..end, SALT[prng.below(SALT.len())].iter().copied())),
            2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            _ => bytes.truncate(at.max(1)),
        }
    }
}

const EDN: &str = include_str!("tests/mutated.edn");
const JSON: &str = include_str!("tests/mutated.json");
const LOG: &str = include_str!("tests/mutated.log");
const KV: &str = include_str!("tests/mutated-kv.txt");
const OWN: &str = include_str!("tests/mutated.jsonl");

#[test]
fn no_mutation_of_a_file_makes_a_reader_panic() {
    let texts = [EDN, JSON, LOG, KV, OWN].map(|text| text.as_bytes().to_vec());
    let own = texts.into_iter().chain(session_tests::samples());
    let mut files: Vec<_> = own.map(|bytes| (PathBuf::from("own"), bytes)).collect();
    for (path, bytes) in &files {
        read_text(path, bytes, None, None, &Dialect::default()).unwrap();
    }
    files.extend(corpus());
    let mut prng = Prng(1);
    let mut understood = 0;
    for (path, bytes) in &files {
        for _ in 0..if path.as_os_str() == "own" { 3000 } else { 60 } {
            let mut bytes = bytes.clone();
            mutate(&mut bytes, &mut prng);
            for format in [None, Some(Format::ALL[prng.below(Format::ALL.len())])] {
                let damage = (prng.below(5) == 0).then(|| "cut".to_owned());
                let read = read_text(path, &bytes, damage, format, &Dialect::default());
                understood += usize::from(read.is_ok());
            }
        }
    }
    assert!(understood > 100, "{understood}");
}

/// Some real files, where they are: every tenth of the shared corpus.
fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/histories");
    let root = std::env::var_os("PERJURY_HISTORIES").map_or_else(beside, PathBuf::from);
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = ["knossos", "elle", "elle-cli", "porcupine", "awdit", "polysi"]
        .map(|name| root.join(name))
        .into();
    while let Some(folder) = folders.pop() {
        let Ok(list) = std::fs::read_dir(&folder) else {
            eprintln!("SKIPPED {}: no such corpus (set PERJURY_HISTORIES)", folder.display());
            continue;
        };
        for path in list.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    let read = |path: PathBuf| crate::read_bytes(&path).map(|(bytes, _)| (path, bytes)).ok();
    files
        .into_iter()
        .step_by(10)
        .filter_map(read)
        .filter(|(_, bytes)| bytes.len() < 99_999)
        .collect()
}
