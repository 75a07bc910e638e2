//! A run with a liar: who lied, what was said and what was true, and what is not there without one.

use std::fs;
use std::io::Write as _;

use perjury_history::seal::{Form, Seals};
use perjury_history::{
    Accounting, Accusation, Anomaly, AnomalyKind, Call, Class, Confidence, CorruptionMade, Counter,
    Deceived, Event, Fate, Fault, FaultId, Framing, Index, Injection, Instead, Judgement, Lie,
    LieFate, LieTold, Lying, Nanos, Outcome, Phase, Reply, Tell, Testimony, Token, Untold, Value,
    Verdict,
};

use crate::run::{MS, Run, environment, hostile, judgement, usual};

/// The parts that a run without liars does not have.
pub(crate) const PARTS: [&str; 6] =
    ["conviction", "lies", "fates", "violations", "answers", "probes"];

/// What the run is about: a true value, a newer one, and what the liar made of that.
pub(crate) struct Values {
    old: Value,
    new: Value,
    forged: Value,
}

pub(crate) fn values() -> Values {
    let seals = seals();
    let forged = Seals::of_run("liars", "another", Form::Text).seal(&"x".into(), 2, 4);
    Values { old: seals.seal(&"x".into(), 1, 1), new: seals.seal(&"x".into(), 2, 4), forged }
}

fn seals() -> Seals {
    Seals::of_run("liars", "1", Form::Text)
}

fn text(value: &Value) -> String {
    value.encode().unwrap()
}

pub(crate) fn told(number: u64, time: Nanos, before: &Value, after: &Value) -> LieTold {
    LieTold {
        fault: FaultId(1),
        node: "n1".into(),
        time,
        within: MS,
        number,
        connection: 3,
        dialler: "10.0.0.2:40000".parse().unwrap(),
        listener: "10.0.0.1:2380".parse().unwrap(),
        outgoing: false,
        request: false,
        lie: "equivocate".into(),
        before: before.clone(),
        after: after.clone(),
        seal_before: before.encode(),
        seal_after: after.encode(),
        detail: String::new(),
    }
}

pub(crate) fn write_lines<T: serde::Serialize>(run: &Run, name: &str, lines: &[T]) {
    let mut file = fs::File::create(run.file(name)).unwrap();
    for line in lines {
        writeln!(file, "{}", serde_json::to_string(line).unwrap()).unwrap();
    }
}

fn lying() -> Fault {
    let tell = Tell::Equivocate(Instead::Forged);
    let lie = Lie {
        tell,
        on: None,
        one_in: Some(10),
        every: None,
        to_one_in: None,
        turns: None,
        words: vec![],
        spare: vec![],
    };
    Fault::Lie(Lying {
        nodes: vec!["n1".into()],
        deceived: Deceived::Nodes(vec!["n2".into()]),
        ports: vec![2380],
        framing: Framing::None,
        lies: vec![lie],
        seed: 7,
        collude: false,
        wire: false,
    })
}

impl Run {
    /// An operation whose answer states a version.
    fn stated(
        &mut self,
        node: &str,
        call: Call,
        (start, end): (Nanos, Nanos),
        reply: Reply,
        version: u64,
    ) -> Index {
        let process = self.next_process();
        let index = self.add(start, Event::Invoke { process, node: node.into(), call });
        let (counter, scope) = (Counter::Revision, "c".to_owned());
        let token = Some(Token { counter, scope, at: version, version: Some(version) });
        let said = Some(Box::new(Testimony { token, ..Testimony::default() }));
        let outcome = Outcome::Ok(reply);
        self.add(end, Event::Complete { process, call: index, outcome, said });
        index
    }

    fn lie_fault(&mut self, from: Nanos) {
        let id = FaultId(1);
        self.add(from, Event::Inject { id, fault: lying() });
        let installed = Injection::Installed("a lie was seen".into());
        self.add(from + MS, Event::Injected { id, injection: installed });
    }

    fn lie_healed(&mut self, from: Nanos) {
        let id = FaultId(1);
        self.add(from, Event::Heal { id });
        let healed = Injection::Installed("2 lies told on 1 connections".into());
        self.add(from + MS, Event::Healed { id, injection: healed });
    }
}

/// n1 tells n2 another value than it tells n3, n2 gives it to a client, and n2 is convicted; all
/// say that they are healthy. One answer of n3 is 360 ms old.
pub(crate) fn lying_run() -> Run {
    let mut run = Run::sealed(Some(seals()));
    let Values { old, new, forged } = values();
    let write = |value: &Value| Call::Write { key: "x".into(), value: value.clone() };
    let read = || Call::Read { key: "x".into() };
    let shown = |value: &Value| Reply::Value(value.clone());
    run.add(0, Event::Phase(Phase::Load));
    run.stated("n1", write(&old), (10 * MS, 12 * MS), Reply::Done, 2);
    run.lie_fault(20 * MS);
    run.stated("n1", write(&new), (100 * MS, 140 * MS), Reply::Done, 3);
    for time in [150, 250, 350] {
        for node in ["n1", "n2", "n3"] {
            let (node, detail) = (node.into(), String::new());
            let healthy = time != 350 || node != "n3".into();
            run.add(time * MS, Event::Probe { node, healthy, detail });
        }
        if time == 150 {
            let time = (160 * MS, 170 * MS);
            run.stated("n3", read(), time, shown(&new), 3);
        }
    }
    let stale = run.stated("n3", read(), (500 * MS, 510 * MS), shown(&old), 2);
    let seen = run.stated("n2", read(), (520 * MS, 530 * MS), shown(&forged), 3);
    run.lie_healed(800 * MS);
    run.add(1000 * MS, Event::Phase(Phase::End));
    let lies = [told(0, 130 * MS, &new, &forged), told(1, 400 * MS, &new, &forged)];
    write_lines(&run, "lies.jsonl", &lies);
    let anomaly = Anomaly {
        kind: AnomalyKind::FabricatedValue,
        key: Some("x".into()),
        witnesses: vec![stale, seen],
        nodes: vec!["n2".into()],
        accused: vec![
            Accusation { node: "n2".into(), confidence: Confidence::Proved },
            Accusation { node: "n3".into(), confidence: Confidence::Unknown },
        ],
        detail: "Process 5 at n2 read what nobody wrote.".into(),
    };
    let mut judged: Judgement = judgement(Verdict::Invalid, vec![]);
    judged.findings[0].anomalies = vec![anomaly];
    judged.findings[0].anomaly_count = 1;
    judged.accounting = Some(accounting());
    run.end(&environment(), &judged);
    run
}

fn accounting() -> Accounting {
    let fate = LieFate {
        fault: FaultId(1),
        node: "n1".into(),
        lie: "equivocate".into(),
        told: 2,
        accepted: 1,
        masked: 1,
        not_reached: 0,
        fate: Fate::Accepted,
        class: Some(Class::BeyondTheBound),
        first_told: 130 * MS,
        first_seen: Some(530 * MS),
        noticed: vec![],
    };
    Accounting {
        nodes: 3,
        claimed: 0,
        charged: vec!["n1".into()],
        first_told: Some(130 * MS),
        first_seen: Some(530 * MS),
        lies: vec![fate],
        untold: vec![Untold {
            fault: FaultId(2),
            nodes: vec!["n3".into()],
            reason: "0 lies told: not tested".into(),
        }],
        ..Accounting::default()
    }
}

#[test]
fn a_stranger_reads_who_lied_and_how_that_is_known() {
    let page = lying_run().page();
    for text in [
        "<bdi>n1</bdi> lied.",
        "It told n2 2 times another value than it told the others, between 0.130 s and 0.401 s.",
        "No answer of its own gives it away. n2 passed on what it had said, and is convicted in \
         its place:",
        "Process 5 at n2 read what nobody wrote.",
        "href=\"#anomaly-1\"",
        "It told no lie of its own: it passed on what n1 had told it.",
        "n3 told no lie, and nothing that is known makes a liar of it.",
        "Ground truth: n1 false. Held to have lied: n2.",
        "Nobody was missed, and nobody is accused wrongly.",
        "2 equivocate → n2",
        "lied; found at n2",
        "convicted: passed a lie on",
        "honest; in question only",
        // Between the first and the last lie there were three probes of n1.
        "it said “healthy” 3 of 3 times",
    ] {
        assert!(page.contains(text), "{text:?} is missing");
    }
    assert!(page.contains("id=\"anomaly-1\""), "the link leads nowhere");
}

#[test]
fn a_lie_stands_beside_the_truth_with_the_operation_that_saw_it() {
    let page = lying_run().page();
    let Values { new, forged, .. } = values();
    for text in [
        "2 lies were told; 1 answer to a client shows one.",
        "w2·p4 → ✗w2·p4",
        "w2·p4: process 2 wrote it to x (#5)",
        "w2·p4: nobody wrote it",
        "connection 3, 10.0.0.1:2380 to 10.0.0.2:40000",
        "read x by process 5 at n2, 0.520 s (ok)",
        "anomaly 1 (fabricated-value)",
        // The other record says the same.
        "1 more of these, some of them the same again, are in lies.jsonl.",
    ] {
        assert!(page.contains(text), "{text:?} is missing");
    }
    // Both texts are there, whole but for the marks at what differs.
    let plain = page.replace("<mark>", "").replace("</mark>", "");
    assert!(plain.contains(&text(&new)) && plain.contains(&text(&forged)));
    assert!(plain.contains("70 6a 31"), "there is no hex of a seal");
    assert!(page.contains("<mark>"), "nothing is marked");
    // The table of the counterexample does not take the forged seal for the write.
    assert!(page.contains("<bdi>w2·p4 ✗ false: nobody wrote it</bdi>"));
    assert!(page.contains("read → ✗w2·p4"));
}

#[test]
fn what_was_not_tested_is_not_like_a_pass() {
    let page = lying_run().page();
    let at = page.find("<tr class=\"untold\">").unwrap();
    let row = &page[at..at + page[at..].find("</tr>").unwrap()];
    assert!(row.contains("fault 2 told nothing") && row.contains("not tested"), "{row}");
    assert!(!row.contains("v-valid") && !row.contains('✓'), "{row}");
    for text in
        ["beyond the bound", "400 ms later an answer first gave a lie", "claims to withstand none"]
    {
        assert!(page.contains(text), "{text:?} is missing");
    }
}

#[test]
fn only_what_was_withstood_or_refused_is_like_a_pass() {
    for (class, fate, tone) in [
        (None, Fate::Masked, "v-valid\">withstood"),
        (None, Fate::NotReached, "v-unknown\">not reached"),
        (Some(Class::Refused), Fate::Rejected, "v-valid\">refused"),
        (Some(Class::NotTested), Fate::NotReached, "v-unknown\">not tested"),
        (Some(Class::Metric), Fate::Accepted, "v-none\">metric"),
        (
            Some(Class::ViolationInsideTheClaim),
            Fate::Accepted,
            "v-invalid\">violation inside the claim",
        ),
    ] {
        let run = lying_run();
        let mut judged = run.folder.judgement().unwrap();
        let mut all = accounting();
        all.lies[0].class = class;
        all.lies[0].fate = fate;
        judged.accounting = Some(all);
        run.folder.write_judgement(&judged).unwrap();
        assert!(run.page().contains(tone), "{tone} is missing");
    }
}

#[test]
fn age_agreement_and_health_are_drawn_by_node() {
    let page = lying_run().page();
    for text in [
        // The newer write was acknowledged at 140 ms, the old value asked for at 500 ms.
        "1 of 2 answers were out of date (50.0 %), the oldest by 360 ms.",
        "n3, 0.500 s to 0.510 s: 1 answer, 1 out of date, the oldest by 360 ms",
        "class=\"heat h3\"",
        "1 with what nobody wrote",
        "With what was written: 66.7 % (2 of 3).",
        // Two nodes said two things of version 3: neither has more than half.
        "With the other nodes, where several answered for one version: 0.0 % (0 of 2).",
        "n1 said 3 times that it was healthy while it lied",
        "class=\"probe sick\"",
        "class=\"probe false\"",
        "class=\"mark-proved\"",
        "class=\"mark-unknown\"",
        "n1, fault 1: from 0.130 s to 0.401 s",
    ] {
        assert!(page.contains(text), "{text:?} is missing");
    }
}

#[test]
fn a_run_without_liars_has_none_of_these_parts() {
    let page = usual(Verdict::Valid).page();
    for id in ["conviction", "lies", "fates", "violations", "probes"] {
        assert!(!page.contains(&format!("id=\"{id}\"")), "{id} is there");
        assert!(!page.contains(&format!("href=\"#{id}\"")), "something leads to {id}");
    }
}

#[test]
fn the_answer_in_question_is_that_of_the_node_that_gave_it() {
    let mut run = Run::sealed(Some(seals()));
    run.add(0, Event::Phase(Phase::Load));
    let read = Call::Read { key: "x".into() };
    // The client asked for n2, and was led to n1.
    let invoke = Event::Invoke { process: 1, node: "n2".into(), call: read };
    let call = run.add(10 * MS, invoke);
    let said = Some(Box::new(Testimony { node: Some("n1".into()), ..Testimony::default() }));
    let outcome = Outcome::Ok(Reply::Value(values().forged));
    run.add(20 * MS, Event::Complete { process: 1, call, outcome, said });
    run.add(100 * MS, Event::Phase(Phase::End));
    let mut judged = judgement(Verdict::Invalid, vec![call]);
    let accused = Accusation { node: "n1".into(), confidence: Confidence::Proved };
    judged.findings[0].anomalies[0].accused = vec![accused];
    run.end(&environment(), &judged);
    let page = run.page();
    assert!(page.contains("n2, answered by n1"));
    assert!(page.contains("<tr class=\"accused\">") && page.contains("▼ the answer in question"));
}

#[test]
fn a_corrupted_node_is_a_liar_of_its_own_kind() {
    let mut run = Run::sealed(Some(seals()));
    let Values { new, forged, .. } = values();
    run.add(0, Event::Phase(Phase::Load));
    let write = Call::Write { key: "x".into(), value: new.clone() };
    run.op(1, "n1", write, (10 * MS, 20 * MS), Outcome::Ok(Reply::Done));
    let read = Call::Read { key: "x".into() };
    let seen = Outcome::Ok(Reply::Value(forged.clone()));
    run.op(2, "n1", read, (50 * MS, 60 * MS), seen);
    run.add(100 * MS, Event::Phase(Phase::End));
    let place = CorruptionMade {
        fault: FaultId(1),
        node: "n1".into(),
        time: 40 * MS,
        within: 5 * MS,
        at: "process 7 (redis-server) 0x7f00 anonymous".into(),
        length: 43,
        before: new,
        after: forged,
    };
    write_lines(&run, "corruptions.jsonl", &[place]);
    run.end(&environment(), &judgement(Verdict::Valid, vec![]));
    let page = run.page();
    for text in [
        "<bdi>n1</bdi> was corrupted.",
        "It was corrupted at 1 place, between 0.035 s and 0.040 s.",
        "1 of these was given to a client, and no checker holds it against this node.",
        "What stands there now",
        "process 7 (redis-server) 0x7f00 anonymous",
        "read x by process 2 at n1",
        "corrupted, not convicted",
        "Not found: n1.",
    ] {
        assert!(page.contains(text), "{text:?} is missing");
    }
}

#[test]
fn hostile_lies_stay_text() {
    let run = lying_run();
    let bad = hostile();
    let raw = Value::Raw(b"<script>\xff\x00".as_slice().into());
    let mut lie = told(0, MS, &Value::from(bad.as_str()), &raw);
    lie.lie = bad.clone();
    lie.node = bad.as_str().into();
    lie.detail = bad.clone();
    lie.seal_before = Some(bad.clone());
    lie.seal_after = Some(bad.clone());
    write_lines(&run, "lies.jsonl", &[lie]);
    let place = CorruptionMade {
        fault: FaultId(9),
        node: bad.as_str().into(),
        time: MS,
        within: 0,
        at: bad.clone(),
        length: 9,
        before: raw,
        after: Value::from(bad.as_str()),
    };
    write_lines(&run, "corruptions.jsonl", &[place]);
    let page = run.page();
    assert!(page.contains("&lt;script&gt;document.title=&#39;pwned&#39;"));
}

#[test]
fn a_damaged_record_of_lies_is_said_to_be_damaged_and_no_link_is_followed() {
    let run = lying_run();
    let path = run.file("lies.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{whole}{{\"fault\":1\nnot json\n")).unwrap();
    let page = run.page();
    assert!(page.contains("2 lines of the record of lies cannot be read"));
    assert!(page.contains("2 lies were told"));
    fs::rename(&path, run.file("elsewhere")).unwrap();
    std::os::unix::fs::symlink(run.file("elsewhere"), &path).unwrap();
    assert!(!run.page().contains("2 lies were told"));
}
