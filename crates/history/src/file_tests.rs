use super::*;
use crate::{
    Call, Cause, Cut, Deceived, Fault, FaultId, Framing, Injection, Instead, Key, Lie, Lying,
    Micro, NodeName, Outcome, Part, Phase, Reply, Tell, Turns, Value,
};

fn header() -> Header {
    Header::new("r1", "register", Topology::default())
}

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("perjury-history-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn every_event() -> Vec<Event> {
    let (key, node) = (|| Key::from("k"), || NodeName::from("n1"));
    let calls = [
        Call::Read { key: key() },
        Call::Write { key: key(), value: Value::Nil },
        Call::Cas { key: key(), from: 1.into(), to: Value::Raw([9].as_slice().into()) },
        Call::Append { key: key(), value: "x".into() },
        Call::Add { key: key(), element: 3.into() },
        Call::ReadAll { key: key() },
        Call::Increment { key: key(), by: i64::MIN },
        Call::Enqueue { key: key(), element: Value::Nil },
        Call::Dequeue { key: key() },
        Call::Acquire { key: key() },
        Call::Release { key: key() },
        Call::Txn {
            steps: vec![
                Micro::Read(key(), None),
                Micro::Write(key(), 1.into()),
                Micro::Read(key(), Some(Value::Nil)),
            ],
        },
        Call::Transfer { from: key(), to: "b".into(), amount: i64::MIN },
        Call::ReadAccounts,
        Call::Delete { key: key() },
        Call::Remove { key: key(), element: "x".into() },
        Call::Contains { key: key(), element: Value::Nil },
        Call::ReadAt { key: key(), position: u64::MAX },
    ];
    let outcomes = [
        Outcome::Ok(Reply::Done),
        Outcome::Ok(Reply::Value(Value::Nil)),
        Outcome::Ok(Reply::Empty),
        Outcome::Ok(Reply::Unknown),
        Outcome::Ok(Reply::Swapped(false)),
        Outcome::Ok(Reply::Changed(true)),
        Outcome::Ok(Reply::Contains(false)),
        Outcome::Ok(Reply::Elements(vec![])),
        Outcome::Ok(Reply::Txn(vec![
            Micro::Append(key(), "a\nb".into()),
            Micro::ReadList(key(), vec![]),
            Micro::ReadList(key(), vec![Value::Nil, 2.into()]),
        ])),
        Outcome::Ok(Reply::Accounts(vec![(key(), 3.into()), ("b".into(), Value::Nil)])),
        Outcome::Fail(Cause::new("refused", "")),
        Outcome::Info(Cause::new("timeout", "no answer in 5 s <script>")),
    ];
    let cuts = vec![Cut { node: node(), from: vec!["n2".into()] }];
    let mut events: Vec<Event> =
        calls.into_iter().map(|call| Event::Invoke { process: 1, node: node(), call }).collect();
    events.extend(outcomes.into_iter().map(|outcome| Event::Complete {
        process: 1,
        call: Index(0),
        outcome,
        said: None,
    }));
    events.extend([
        Event::Inject { id: FaultId(1), fault: Fault::Partition { shape: "halves".into(), cuts } },
        Event::Inject { id: FaultId(2), fault: Fault::Kill { nodes: vec![node()] } },
        Event::Injected { id: FaultId(1), injection: Injection::Installed("12 dropped".into()) },
        Event::Heal { id: FaultId(1) },
        Event::Healed { id: FaultId(1), injection: Injection::Skipped("none".into()) },
        Event::Inject { id: FaultId(3), fault: Fault::Lie(lying()) },
        Event::Injected { id: FaultId(3), injection: Injection::Indeterminate("none yet".into()) },
        Event::Injected { id: FaultId(3), injection: Injection::Installed("7 told".into()) },
        Event::Phase(Phase::Settle),
        Event::Probe { node: node(), healthy: true, detail: "ok".into() },
        Event::Note("n2 is primary".into()),
    ]);
    events
}

fn lying() -> Lying {
    let lie = |tell| Lie {
        tell,
        on: None,
        one_in: Some(10),
        every: None,
        to_one_in: None,
        turns: Some(Turns { lie_ms: 100, honest_ms: 50 }),
        words: vec!["GET".into()],
        spare: Vec::new(),
    };
    let tells = [
        Tell::BlackHole,
        Tell::Delay { ms: 5, jitter_ms: 1 },
        Tell::Corrupt(Part::Stream { block: 64 }),
        Tell::Substitute(Instead::Replayed),
        Tell::Default { value: "0".into() },
        Tell::Refuse { text: "no".into(), done: true },
    ];
    Lying {
        nodes: vec!["n1".into()],
        deceived: Deceived::Nodes(vec!["n3".into()]),
        ports: vec![2380],
        framing: Framing::Http,
        lies: tells.into_iter().map(lie).collect(),
        seed: (1 << 53) - 1,
        collude: true,
        wire: true,
    }
}

fn written(folder: &Path, events: &[Event]) -> PathBuf {
    let path = folder.join("history.jsonl");
    let mut writer = Writer::create(&path, &header()).unwrap();
    for (time, event) in events.iter().enumerate() {
        writer.append(time as u64, event);
    }
    writer.flush().unwrap();
    path
}

#[test]
fn every_event_survives_the_file_and_its_compression() {
    let folder = folder("all");
    let events = every_event();
    let path = written(&folder, &events);
    let read = read_file(&path).unwrap();
    assert_eq!(read.header, Some(header()));
    assert_eq!(read.truncation, None);
    assert_eq!(read.entries.iter().map(|entry| entry.event.clone()).collect::<Vec<_>>(), events);
    let (closed, sum) = close(&path).unwrap();
    assert!(!path.exists());
    assert_eq!(read_file(&closed).unwrap(), read);
    std::fs::write(folder.join("SHA256SUMS"), format!("{sum}  history.jsonl.zst\n")).unwrap();
    verify_sum(&closed).unwrap();
    std::fs::write(&closed, b"changed").unwrap();
    assert!(matches!(read_file(&closed), Err(FileError::Sum { .. })));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_cut_off_at_any_byte_is_read_up_to_its_last_whole_line() {
    let folder = folder("cut");
    let path = written(&folder, &every_event());
    let bytes = std::fs::read(&path).unwrap();
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    for end in first + 1..bytes.len() {
        let read = read_lines(&path, &bytes[..end], None).unwrap();
        let lines = bytes[..end].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(read.entries.len(), lines - 1);
        assert_eq!(read.truncation.is_some(), bytes[end - 1] != b'\n');
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_compressed_file_that_breaks_off_loses_its_last_block_only() {
    let folder = folder("zst");
    let note = |n: usize| Event::Note(format!("note {n} {}", n * 7919 % 104_729));
    let path = written(&folder, &(0..20_000).map(note).collect::<Vec<_>>());
    let (closed, _) = close(&path).unwrap();
    let whole = std::fs::read(&closed).unwrap();
    std::fs::write(&closed, &whole[..whole.len() - 5]).unwrap();
    let read = read_file(&closed).unwrap();
    assert!(read.truncation.is_some());
    assert!(read.entries.len() > 15_000, "{}", read.entries.len());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn damage_in_the_middle_names_the_line_and_what_is_wrong() {
    let cases = [
        (
            "{\"index\":0,\"time\":1,\"type\":\"invoke\",\"process\":1,\"node\":\"n\",\"f\":\"jump\"}",
            "unknown operation \"jump\"",
        ),
        ("{\"index\":0,\"time\":1,\"type\":\"dance\"}", "unknown entry type \"dance\""),
        (
            "{\"index\":0,\"time\":1,\"type\":\"ok\",\"process\":1,\"call\":0}",
            "needs the field \"f\"",
        ),
        ("{\"index\":0,\"tyme\":1}", "unknown field `tyme`"),
        ("{\"index\":4,\"time\":1,\"type\":\"heal\",\"id\":1}", "lines are missing"),
        ("\u{0}garbage", "expected value"),
        (
            "{\"index\":0,\"time\":1,\"type\":\"invoke\",\"process\":1,\"node\":\"n\",\
             \"f\":\"transfer\",\"value\":{\"from\":\"a\",\"to\":\"b\"}}",
            "the \"value\" of a \"transfer\": missing field `amount`",
        ),
    ];
    let top = serde_json::to_string(&header()).unwrap();
    for (line, expected) in cases {
        let text = format!("{top}\n{line}\n");
        let error = read_lines(Path::new("h.jsonl"), text.as_bytes(), None).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("h.jsonl:2: "), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    let newer = "{\"perjury-history\":99,\"surprise\":1}\n";
    let error = read_lines(Path::new("h"), newer.as_bytes(), None).unwrap_err();
    assert!(matches!(error, FileError::Newer { found: 99, .. }));
    assert!(read_lines(Path::new("h"), b"", None).is_err());
    let odd = top.replace('}', ",\"order\":\"none\"}\n");
    let error = read_lines(Path::new("h"), odd.as_bytes(), None).unwrap_err().to_string();
    assert!(error.starts_with("h:1: unknown variant `none`"), "{error}");
}
