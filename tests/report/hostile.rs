//! What a database or a node says is text and stays text, and a page has a bound.

use perjury_history::{
    Anomaly, Call, Cause, Cut, Event, Fault, FaultId, Injection, Key, NodeName, Outcome, Phase,
    Reply, Value, Verdict,
};

use crate::run::{HOSTILE, MS, Run, environment, hostile, judgement};

/// A run in which everything that can be foreign text is hostile.
pub(crate) fn hostile_run() -> Run {
    let mut run = Run::new();
    let bad = hostile();
    let node: NodeName = bad.as_str().into();
    let key: Key = bad.as_str().into();
    let text = || Value::from(bad.as_str());
    run.add(0, Event::Phase(Phase::Load));
    let fault = Fault::Partition {
        shape: bad.clone(),
        cuts: vec![Cut { node: node.clone(), from: vec![node.clone()] }],
    };
    run.add(0, Event::Inject { id: FaultId(1), fault });
    for injection in [Injection::Indeterminate(bad.clone()), Injection::Installed(bad.clone())] {
        run.add(1, Event::Injected { id: FaultId(1), injection });
    }
    let read = Call::Read { key: key.clone() };
    let write = Call::Write { key: key.clone(), value: text() };
    let raw = Value::Raw(b"<script>\xff\x00".as_slice().into());
    let cause = || Cause::new(bad.clone(), bad.repeat(100));
    let mut witnesses = Vec::new();
    for (at, (call, outcome)) in [
        (write.clone(), Outcome::Ok(Reply::Done)),
        (read.clone(), Outcome::Ok(Reply::Value(text()))),
        (read.clone(), Outcome::Ok(Reply::Value(raw.clone()))),
        (read, Outcome::Ok(Reply::Value(Value::from("huge ".repeat(200_000).as_str())))),
        (Call::ReadAll { key }, Outcome::Ok(Reply::Elements(vec![text(), raw]))),
        (write.clone(), Outcome::Fail(cause())),
        (write, Outcome::Info(cause())),
    ]
    .into_iter()
    .enumerate()
    {
        let at = at as u64;
        witnesses.push(run.op(at, &bad, call, (at * 10 * MS, at * 10 * MS + MS), outcome));
    }
    run.add(100 * MS, Event::Note(bad.clone()));
    let mut environment = environment();
    environment.perjury = bad.clone();
    environment.database_version = bad.clone();
    environment.controller = bad.clone();
    environment.started = bad.clone();
    environment.claims.promise = bad.clone();
    environment.claims.source = HOSTILE[7].into();
    environment.claims.exempt = Some(bad.clone());
    environment.nodes[0].name = node.clone();
    environment.nodes[0].kernel = bad.clone();
    environment.nodes[0].missing = vec![bad.clone()];
    let mut judgement = judgement(Verdict::Invalid, witnesses);
    judgement.sentence = bad.clone();
    judgement.compromised = Some(bad.clone());
    judgement.outside_claim = Some(bad.clone());
    judgement.judged_by = bad.clone();
    let finding = &mut judgement.findings[0];
    finding.checker = bad.clone();
    finding.summary = bad.clone();
    finding.stats.insert(bad.clone(), bad.as_str().into());
    finding.anomalies[0].detail = bad.repeat(50);
    finding.anomalies[0].nodes = vec![node];
    finding.anomalies.push(finding.anomalies[0].clone());
    for name in ["<b>.log", "a&\".log"] {
        run.folder.write_node_file("n1<i>", name, bad.repeat(500).as_bytes()).unwrap();
    }
    run.folder.write_node_file("n2", "bytes", &[0xff, 0x00, 0xc3, b'<', 0x1b]).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", run.file("nodes/n2/link")).unwrap();
    run.end(&environment, &judgement);
    run
}

#[test]
fn hostile_text_stays_text() {
    let page = hostile_run().page();
    assert!(page.contains("&lt;script&gt;document.title=&#39;pwned&#39;&lt;/script&gt;"));
    assert!(page.contains("\\x1b[31mred") && page.contains("⟨U+202E⟩gnp.exe"));
    assert!(page.contains("\\xff\\x00\\xc3&lt;\\x1b"));
    assert!(page.contains("not a file: not opened") && !page.contains("root:x:0"));
    assert!(!page.contains("href=\"javascript"));
}

#[test]
fn the_length_of_a_page_has_a_bound() {
    let mut run = Run::new();
    let loud = "\u{200b}\"<".repeat(250);
    let mut witnesses = Vec::new();
    for at in 0..1000u64 {
        let cause = Cause::new(format!("{at}{loud}"), loud.clone());
        let call = Call::Write { key: "x".into(), value: Value::from(loud.as_str()) };
        witnesses.push(run.op(at, "n1", call, (at * MS, at * MS + 5), Outcome::Fail(cause)));
        run.add(at * MS + 6, Event::Note(loud.clone()));
        let id = FaultId(at as u32);
        run.add(at * MS + 7, Event::Inject { id, fault: Fault::Kill { nodes: vec!["n1".into()] } });
        let injection = Injection::Installed(loud.clone());
        run.add(at * MS + 8, Event::Injected { id, injection: injection.clone() });
        run.add(at * MS + 9, Event::Healed { id, injection });
    }
    let mut judgement = judgement(Verdict::Invalid, witnesses);
    let anomaly = Anomaly { detail: loud.repeat(10), ..judgement.findings[0].anomalies[0].clone() };
    judgement.findings[0].anomalies = vec![anomaly; 32];
    for at in 0..100 {
        run.folder.write_node_file("n1", &format!("{at}.log"), loud.repeat(20).as_bytes()).unwrap();
    }
    run.end(&environment(), &judgement);
    let page = run.page();
    assert!(page.len() < 5 << 20, "{} bytes", page.len());
    for text in ["more characters]", "later faults are not listed", "later notes", "not drawn"] {
        assert!(page.contains(text), "{text:?} is missing");
    }
}
