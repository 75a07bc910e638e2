//! The folder of a run as the tests want it, and what every page of ours has to be.

use std::path::PathBuf;

use perjury::config::{Expect, Names, RunSpec};
use perjury::report::render;
use perjury::seed::Seed;
use perjury::store::{Ended, Environment, NodeInfo, RunFolder};
use perjury_history::seal::Seals;
use perjury_history::{
    Anomaly, AnomalyKind, Call, Cause, Cut, Event, Fault, FaultId, Finding, Header, Index,
    Injection, Judgement, Nanos, Node, Outcome, Phase, Process, Reply, Topology, Value, Verdict,
    Writer, close,
};
use tempfile::TempDir;

/// What a hostile database or node might say. Whoever lets one through changes the page's title.
pub(crate) const HOSTILE: [&str; 8] = [
    "<script>document.title='pwned'</script>",
    "\"><img src=x onerror=\"document.title='pwned'\">",
    "'><svg onload=document.title='pwned'>",
    "</pre></style></title></svg><script>document.title='pwned'</script>",
    "<!-- {{ title }} {% raw %} ]]> &lt;script&gt;",
    "\u{0}\u{1}\u{8}\u{1b}[31mred\u{1b}[0m\r\u{7f}\u{85}",
    "\u{202e}gnp.exe\u{202c} \u{200b}\u{feff}שלום مرحبا",
    "javascript:document.title='pwned'//http://evil.example/x.png",
];

pub(crate) const MS: Nanos = 1_000_000;

pub(crate) fn hostile() -> String {
    HOSTILE.join(" ")
}

/// Writes the parts of a run's folder, each only if the test wants it.
pub(crate) struct Run {
    pub(crate) results: TempDir,
    pub(crate) folder: RunFolder,
    pub(crate) writer: Option<Writer>,
    processes: Process,
}

impl Run {
    pub(crate) fn new() -> Run {
        Run::sealed(None)
    }

    /// A run whose values certify themselves by these.
    pub(crate) fn sealed(seals: Option<Seals>) -> Run {
        let results = TempDir::new().unwrap();
        let names = Names {
            cluster: "processes".into(),
            database: "toy".into(),
            workload: "register".into(),
            nemesis: "partitions".into(),
        };
        let spec = RunSpec::resolve(names, Expect::Valid, Seed(0x5eed)).unwrap();
        let folder = RunFolder::create(results.path(), &spec).unwrap();
        let node = |n: u8| Node {
            name: format!("n{n}").into(),
            address: format!("10.0.0.{n}").parse().unwrap(),
        };
        let nodes = Topology { nodes: (1..=3).map(node).collect() };
        let header = Header { seals, ..Header::new(folder.id(), "cas-register", nodes) };
        let writer = Writer::create(&folder.open_history_path(), &header).unwrap();
        Run { results, folder, writer: Some(writer), processes: 0 }
    }

    pub(crate) fn add(&mut self, time: Nanos, event: Event) -> Index {
        self.writer.as_mut().unwrap().append(time, &event)
    }

    pub(crate) fn op(
        &mut self,
        process: Process,
        node: &str,
        call: Call,
        (start, end): (Nanos, Nanos),
        outcome: Outcome,
    ) -> Index {
        let call = self.add(start, Event::Invoke { process, node: node.into(), call });
        self.add(end, Event::Complete { process, call, outcome, said: None });
        call
    }

    /// A process that never spoke before.
    pub(crate) fn next_process(&mut self) -> Process {
        self.processes += 1;
        self.processes
    }

    /// A stale read between two partitions and a fault that was skipped.
    pub(crate) fn load(&mut self) -> Vec<Index> {
        self.add(0, Event::Phase(Phase::Load));
        let ok = || Outcome::Ok(Reply::Done);
        let read = |value| Outcome::Ok(Reply::Value(Value::Int(value)));
        let first = self.op(1, "n1", write(3), (10 * MS, 12 * MS), ok());
        let cuts = vec![Cut { node: "n1".into(), from: vec!["n2".into(), "n3".into()] }];
        let partition = Fault::Partition { shape: "isolate-one".into(), cuts };
        self.add(20 * MS, Event::Inject { id: FaultId(1), fault: partition });
        let installed = Injection::Installed("6 of 6 probes were lost".into());
        self.add(25 * MS, Event::Injected { id: FaultId(1), injection: installed.clone() });
        let second = self.op(2, "n2", write(7), (30 * MS, 33 * MS), ok());
        let timeout = Outcome::Info(Cause::new("timeout", "5 s"));
        self.op(3, "n1", write(9), (34 * MS, 900 * MS), timeout);
        let refused = Outcome::Fail(Cause::new("connection-refused", "errno 111"));
        self.op(4, "n3", write(11), (901 * MS, 902 * MS), refused);
        let stale = self.op(5, "n1", Call::Read { key: "x".into() }, (950 * MS, 951 * MS), read(3));
        self.add(960 * MS, Event::Heal { id: FaultId(1) });
        self.add(970 * MS, Event::Healed { id: FaultId(1), injection: installed });
        let kill = Fault::Kill { nodes: vec!["n2".into()] };
        self.add(980 * MS, Event::Inject { id: FaultId(2), fault: kill });
        let skipped = Injection::Skipped("a majority would be down".into());
        self.add(981 * MS, Event::Injected { id: FaultId(2), injection: skipped });
        self.add(990 * MS, Event::Note("n2: the database exited with 1, by itself".into()));
        self.add(1000 * MS, Event::Phase(Phase::End));
        vec![first, second, stale]
    }

    pub(crate) fn end(&mut self, environment: &Environment, judgement: &Judgement) {
        self.writer.take().unwrap().flush().unwrap();
        close(&self.folder.open_history_path()).unwrap();
        self.folder.write_environment(environment).unwrap();
        self.folder.write_judgement(judgement).unwrap();
        self.folder.seal().unwrap();
    }

    pub(crate) fn page(&self) -> String {
        let page = render(&self.folder).unwrap();
        harmless(&page);
        page
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

pub(crate) fn write(value: i64) -> Call {
    Call::Write { key: "x".into(), value: Value::Int(value) }
}

pub(crate) fn environment() -> Environment {
    let mut environment = Environment {
        perjury: "0.1.0".into(),
        started: "2026-11-21T05:00:00Z".into(),
        database_version: "toy 1.0".into(),
        controller: "Linux 6.1".into(),
        ended: Some(Ended { took_ms: 1500, interrupted: false, compromised: None }),
        ..Environment::default()
    };
    environment.claims.promise = "Every read sees the last acknowledged write.".into();
    environment.claims.source = "https://toy.example/guarantees".into();
    environment.nodes.push(NodeInfo {
        name: "n1".into(),
        address: "10.0.0.1".parse().unwrap(),
        kernel: "6.1.0".into(),
        memory_mib: 2048,
        missing: vec!["clock skew".into()],
    });
    environment
}

pub(crate) fn judgement(verdict: Verdict, witnesses: Vec<Index>) -> Judgement {
    let anomaly = Anomaly {
        kind: AnomalyKind::StaleRead,
        key: Some("x".into()),
        witnesses,
        nodes: vec!["n1".into()],
        accused: vec![],
        detail: "Process 5 saw 3 although 7 was there.".into(),
    };
    let invalid = verdict == Verdict::Invalid;
    let finding = Finding {
        checker: "linearizable".into(),
        verdict,
        summary: "1 register was looked at.".into(),
        anomalies: if invalid { vec![anomaly] } else { vec![] },
        anomaly_count: if invalid { 4 } else { 0 },
        stats: [("states-visited".to_owned(), 12_345.into())].into(),
    };
    Judgement {
        schema: 1,
        verdict,
        sentence: "This is the sentence.".into(),
        compromised: None,
        outside_claim: None,
        accounting: None,
        findings: vec![finding],
        judged_by: "perjury 0.1.0".into(),
    }
}

/// The usual run, ended as usual.
pub(crate) fn usual(verdict: Verdict) -> Run {
    let mut run = Run::new();
    let witnesses = run.load();
    run.end(&environment(), &judgement(verdict, witnesses));
    run
}

/// No markup but that of the templates, nothing loaded, nothing run.
#[track_caller]
pub(crate) fn harmless(page: &str) {
    for element in
        ["<script", "<img", "<iframe", "<object", "<embed", "<base", "<link", "<form", "<!--"]
    {
        assert!(!page.contains(element), "the page has {element}");
    }
    for (at, _) in page.match_indices('<') {
        let tag = &page[at..at + page[at..].find('>').unwrap()];
        for word in [" on", " style=", " src=", "javascript:"] {
            assert!(!tag.contains(word), "{word} in {tag}");
        }
        assert!(!tag.contains("http:"), "{tag}");
        assert!(!tag.contains("https:") || tag.starts_with("<a href=\"https://"), "{tag}");
    }
    let hidden = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}' | '\u{feff}')
    };
    assert!(!page.contains(hidden), "a character that cannot be seen is in the page");
    assert!(
        page.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none")
    );
    assert!(page.contains("style-src &#39;sha256-") && !page.contains("unsafe-inline"));
}
