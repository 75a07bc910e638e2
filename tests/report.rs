//! The report of a run, from folders as a run leaves them: hostile text stays text, every state of
//! a folder has a report, a real browser shows it and runs nothing, and the index gives out only
//! what it should.

#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use perjury::config::{Expect, Names, RunSpec};
use perjury::report::render;
use perjury::seed::Seed;
use perjury::store::{Ended, Environment, NodeInfo, RunFolder};
use perjury_history::{
    Anomaly, AnomalyKind, Call, Cause, Cut, Event, Fault, FaultId, Finding, Header, Index,
    Injection, Judgement, Key, Nanos, Node, NodeName, Outcome, Phase, Process, Reply, Topology,
    Value, Verdict, Writer, close,
};
use tempfile::TempDir;

/// What a hostile database or node might say. Whoever lets one through changes the page's title.
const HOSTILE: [&str; 8] = [
    "<script>document.title='pwned'</script>",
    "\"><img src=x onerror=\"document.title='pwned'\">",
    "'><svg onload=document.title='pwned'>",
    "</pre></style></title></svg><script>document.title='pwned'</script>",
    "<!-- {{ title }} {% raw %} ]]> &lt;script&gt;",
    "\u{0}\u{1}\u{8}\u{1b}[31mred\u{1b}[0m\r\u{7f}\u{85}",
    "\u{202e}gnp.exe\u{202c} \u{200b}\u{feff}שלום مرحبا",
    "javascript:document.title='pwned'//http://evil.example/x.png",
];

const MS: Nanos = 1_000_000;

fn hostile() -> String {
    HOSTILE.join(" ")
}

/// Writes the parts of a run's folder, each only if the test wants it.
struct Run {
    results: TempDir,
    folder: RunFolder,
    writer: Option<Writer>,
}

impl Run {
    fn new() -> Run {
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
        let header = Header::new(folder.id(), "cas-register", nodes);
        let writer = Writer::create(&folder.open_history_path(), &header).unwrap();
        Run { results, folder, writer: Some(writer) }
    }

    fn add(&mut self, time: Nanos, event: Event) -> Index {
        self.writer.as_mut().unwrap().append(time, &event)
    }

    fn op(
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

    /// A stale read between two partitions and a fault that was skipped.
    fn load(&mut self) -> Vec<Index> {
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

    fn end(&mut self, environment: &Environment, judgement: &Judgement) {
        self.writer.take().unwrap().flush().unwrap();
        close(&self.folder.open_history_path()).unwrap();
        self.folder.write_environment(environment).unwrap();
        self.folder.write_judgement(judgement).unwrap();
        self.folder.seal().unwrap();
    }

    fn page(&self) -> String {
        let page = render(&self.folder).unwrap();
        harmless(&page);
        page
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn write(value: i64) -> Call {
    Call::Write { key: "x".into(), value: Value::Int(value) }
}

fn environment() -> Environment {
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

fn judgement(verdict: Verdict, witnesses: Vec<Index>) -> Judgement {
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
        findings: vec![finding],
        judged_by: "0.1.0".into(),
    }
}

/// The usual run, ended as usual.
fn usual(verdict: Verdict) -> Run {
    let mut run = Run::new();
    let witnesses = run.load();
    run.end(&environment(), &judgement(verdict, witnesses));
    run
}

/// No markup but that of the templates, nothing loaded, nothing run.
#[track_caller]
fn harmless(page: &str) {
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

#[test]
fn the_report_of_a_run_says_what_happened() {
    let page = usual(Verdict::Invalid).page();
    for text in [
        "This is the sentence.",
        "✗",
        "toy · register · partitions",
        "Every read sees the last acknowledged write.",
        "<a href=\"https://toy.example/guarantees\"",
        "Process 5 saw 3 although 7 was there.",
        "write 7",
        "read → 3",
        "◀ in question",
        "3 not shown here",
        "partition (isolate-one): n1 does not hear n2, n3",
        "6 of 6 probes were lost",
        "a majority would be down",
        "connection-refused",
        "exited with 1, by itself",
        "12\u{2009}345",
        "clock skew",
        "0000000000005eed",
        "perjury check results/",
        "/run.toml",
        "1 of 2 took effect",
    ] {
        assert!(page.contains(text), "{text:?} is missing");
    }
    // The skipped kill has no band; the partition has one in each plot and in the timeline.
    assert_eq!(page.matches("<g class=\"band f0\"").count(), 4);
    assert_eq!(page.matches("<g class=\"band").count(), 4);
    let sums = "SHA-256 of history.jsonl.zst";
    assert!(page.contains(sums));
}

#[test]
fn every_verdict_has_a_report() {
    let rejudge = |run: &Run, change: fn(&mut Judgement)| {
        let mut judgement = run.folder.judgement().unwrap();
        change(&mut judgement);
        run.folder.write_judgement(&judgement).unwrap();
    };
    for verdict in [Verdict::Valid, Verdict::Unknown, Verdict::Invalid] {
        let page = usual(verdict).page();
        assert!(page.contains(&format!("verdict v-{verdict}")), "{verdict}");
        let compromised = usual(verdict);
        rejudge(&compromised, |all| all.compromised = Some("the agent was lost".into()));
        let page = compromised.page();
        assert!(page.contains("the agent was lost"));
        let class = if verdict == Verdict::Invalid { "invalid" } else { "compromised" };
        assert!(page.contains(&format!("verdict v-{class}")), "{verdict}");
    }
    let outside = usual(Verdict::Invalid);
    rejudge(&outside, |all| all.outside_claim = Some("two of three were down".into()));
    assert!(outside.page().contains("two of three were down"));
}

/// What is done to the folder of a usual run, and what its report then says.
type Case = (&'static str, fn(&mut Run), &'static [&'static str]);

const CASES: [Case; 8] = [
    ("no verdict", |run| drop(fs::remove_file(run.file("verdict.json"))), &["not judged"]),
    (
        "no environment",
        |run| drop(fs::remove_file(run.file("environment.json"))),
        &["Environment unknown", "environment.json is missing"],
    ),
    (
        "no declaration",
        |run| fs::remove_file(run.file("run.toml")).unwrap(),
        &["Declaration unknown", "no readable run.toml"],
    ),
    (
        "broken declaration",
        |run| fs::write(run.file("run.toml"), hostile()).unwrap(),
        &["Declaration unknown"],
    ),
    (
        "changed history",
        |run| fs::write(run.file("history.jsonl.zst"), hostile()).unwrap(),
        &["History unreadable", "SHA-256 is"],
    ),
    (
        "cut history",
        |run| {
            fs::remove_file(run.file("SHA256SUMS")).unwrap();
            let path = run.file("history.jsonl.zst");
            let text = perjury_history::read_bytes(&path).unwrap().0;
            fs::remove_file(path).unwrap();
            fs::write(run.file("history.jsonl"), &text[..text.len() - 9]).unwrap();
        },
        &["Truncated history", "the run was not sealed"],
    ),
    (
        "interrupted",
        |run| {
            let mut environment = environment();
            environment.ended.as_mut().unwrap().interrupted = true;
            run.folder.write_environment(&environment).unwrap();
        },
        &["Interrupted"],
    ),
    (
        "killed",
        |run| {
            let environment = Environment { ended: None, ..environment() };
            run.folder.write_environment(&environment).unwrap();
        },
        &["Not finished"],
    ),
];

#[test]
fn every_state_of_a_folder_has_a_report() {
    for (name, change, expected) in CASES {
        let mut run = usual(Verdict::Valid);
        change(&mut run);
        let page = run.page();
        for text in expected {
            assert!(page.contains(text), "{name}: {text:?} is missing");
        }
        // A published report does not tell where it was made.
        assert!(!page.contains(run.results.path().to_str().unwrap()), "{name}");
    }
    let empty = Run::new();
    assert!(empty.page().contains("No operation ended"));
}

/// A run in which everything that can be foreign text is hostile.
fn hostile_run() -> Run {
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

/// Runs the browser on a page and answers what it wrote; `None` without a browser.
fn chromium(page: &Path, arguments: &[&str]) -> Option<(String, String)> {
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|dir| dir.join("chromium")).find(|it| it.is_file())
    });
    let Some(program) = found else {
        eprintln!("SKIPPED: no chromium on PATH; the report was not looked at in a browser");
        return None;
    };
    let home = TempDir::new().unwrap();
    let (out, log) = (home.path().join("out"), home.path().join("log"));
    let mut child = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--hide-scrollbars", "--enable-logging=stderr", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", home.path().join("profile").display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("chromium did not end; it said: {}", fs::read_to_string(&log).unwrap());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let text = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    Some((text(&out), text(&log)))
}

#[test]
fn a_browser_shows_every_section_and_runs_nothing() {
    let run = hostile_run();
    let page = run.folder.write_report(&run.page()).unwrap();
    let Some((dom, log)) = chromium(&page, &["--dump-dom"]) else { return };
    for id in [
        "verdict",
        "claims",
        "counterexample",
        "charts",
        "meaning",
        "faults",
        "notes",
        "logs",
        "environment",
        "repeat",
    ] {
        assert!(dom.contains(&format!("id=\"{id}\"")), "{id} is not in the document");
    }
    assert!(dom.contains("<title>invalid – toy · register · partitions – Perjury</title>"));
    for element in ["<script", "<img", "<link"] {
        assert!(!dom.contains(element), "the document has {element}");
    }
    // The style sheet is taken by its hash, and there is nothing else to refuse.
    assert!(!log.contains("Content Security Policy"), "{log}");
}

#[test]
fn a_browser_draws_it_in_light_and_in_dark() {
    let run = usual(Verdict::Invalid);
    let page = run.folder.write_report(&run.page()).unwrap();
    let mut pictures = Vec::new();
    for (name, scheme) in [("dark", 0), ("light", 1)] {
        let picture = run.file(&format!("{name}.png"));
        let shot = format!("--screenshot={}", picture.display());
        let scheme = format!("--blink-settings=preferredColorScheme={scheme}");
        if chromium(&page, &[&shot, &scheme, "--window-size=1280,2400"]).is_none() {
            return;
        }
        let bytes = fs::read(picture).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 50_000, "{}", bytes.len());
        pictures.push(bytes);
    }
    assert_ne!(pictures[0], pictures[1]);
}

/// A server for the runs of a test, for as long as the value lives.
struct Server {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn of(results: &Path) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(perjury::serve::serve(listener, results.to_owned()));
        Server { address, _runtime: runtime }
    }

    /// The head and the body of the answer, whose path goes out as it is written here.
    fn ask(&self, method: &str, path: &str, host: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        for header in
            ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff"]
        {
            assert!(head.contains(header), "{path}: no {header} in {head}");
        }
        (head.to_owned(), body.to_owned())
    }

    #[track_caller]
    fn get(&self, path: &str, status: u16) -> String {
        let (head, body) = self.ask("GET", path, &format!("localhost:{}", self.address.port()));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
        body
    }
}

#[test]
fn the_index_lists_filters_and_gives_out_what_is_asked_for() {
    let run = hostile_run();
    let id = run.folder.id();
    let server = Server::of(run.results.path());
    let index = server.get("/", 200);
    assert!(index.contains(&format!("href=\"/runs/{id}/report.html\"")), "{index}");
    assert!(index.contains("&lt;script&gt;") && !index.contains("<script"));
    assert!(index.contains("1 of 1 runs"));
    for (query, found) in [
        ("verdict=invalid", true),
        ("verdict=valid", false),
        ("database=toy&workload=register&nemesis=partitions", true),
        ("database=etcd", false),
        ("text=PWNED", true),
        ("text=%3Cscript%3E&verdict=", true),
        ("text=nowhere", false),
        ("unknown=1", true),
    ] {
        let page = server.get(&format!("/?{query}"), 200);
        assert_eq!(page.contains(&format!("/runs/{id}/")), found, "{query}");
        assert!(!page.contains("<script"), "{query}");
    }
    server.get("/?text=a&text=b", 400);
    assert!(!run.file("report.html").exists());
    harmless(&server.get(&format!("/runs/{id}/report.html"), 200));
    assert!(!run.file("report.html").exists(), "the index wrote");
    assert!(server.get("/runs/latest/report.html", 200).contains(&id));
    assert!(server.get(&format!("/runs/{id}/files/"), 200).contains("nodes/n1&lt;i&gt;/"));
    assert!(server.get(&format!("/runs/{id}/files/run.toml"), 200).starts_with("schema = 1"));
    let log = format!("/runs/{id}/files/nodes/n1%3Ci%3E/%3Cb%3E.log");
    let (head, body) = server.ask("GET", &log, "127.0.0.1");
    assert!(head.contains("content-type: application/octet-stream"), "{head}");
    assert!(head.contains("sandbox") && body.contains("<script>"), "{head}");
    let (head, _) = server.ask("GET", &format!("/runs/{id}/files/verdict.json"), "[::1]:80");
    assert!(head.contains("content-type: text/plain"), "{head}");
}

#[test]
fn no_path_leads_out_and_no_foreign_name_leads_in() {
    let run = usual(Verdict::Valid);
    let id = run.folder.id();
    fs::write(run.results.path().join("secret"), "s3cret").unwrap();
    std::os::unix::fs::symlink("../secret", run.file("link")).unwrap();
    std::os::unix::fs::symlink("/", run.file("root")).unwrap();
    let server = Server::of(run.results.path());
    for path in [
        "../secret",
        "..%2fsecret",
        "%2e%2e/secret",
        "%2e%2e%2fsecret",
        "nodes/../../secret",
        "..%5csecret",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "link",
        "root/etc/passwd",
        "run.toml%00",
        ".",
    ] {
        let body = server.get(&format!("/runs/{id}/files/{path}"), 400);
        assert!(!body.contains("s3cret") && !body.contains("root:"), "{path}");
    }
    for path in ["/runs/%2e%2e/files/secret", "/runs/..%2f..%2fetc/files/passwd"] {
        server.get(path, 400);
    }
    for path in
        ["/nowhere", "/runs/none/report.html", "/runs/secret/report.html", "/runs", "/favicon.ico"]
    {
        server.get(path, 404);
    }
    server.get(&format!("/runs/{id}/files/none"), 404);
    server.get(&format!("/runs/{id}/files/nodes"), 404);
    for host in ["evil.example", "localhost.evil.example", "10.0.0.1", ""] {
        let (head, body) = server.ask("GET", "/", host);
        assert!(head.starts_with("HTTP/1.1 400"), "{host}: {head}");
        assert!(!body.contains(&id), "{host}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let (head, _) = server.ask(method, "/", "localhost");
        assert!(head.starts_with("HTTP/1.1 405"), "{method}: {head}");
    }
    let (head, body) = server.ask("HEAD", "/", "localhost");
    assert!(head.starts_with("HTTP/1.1 200") && body.is_empty());
}
