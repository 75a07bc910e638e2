//! Bad input: each ends in one clear message that says what to do, and in the right exit code.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::Bench;

#[test]
fn no_words_and_wrong_words_are_usage_errors() {
    let bench = Bench::new();
    bench.perjury(&[]).expect(64, &["Usage"]);
    bench.perjury(&["tset"]).expect(64, &["test"]);
    bench.perjury(&["test", "--seed", "xyz"]).expect(64, &["expected 1 to 16 hex digits"]);
    bench.perjury(&["test", "--time-limit", "30"]).expect(64, &["no unit"]);
    bench.perjury(&["check", "--model", "registre", "x"]).expect(64, &["cas-register"]);
    bench.perjury(&["--version"]).expect(0, &["perjury"]);
    bench.perjury(&["--help"]).expect(0, &["Exit codes"]);
}

#[test]
fn a_typo_in_a_declaration_is_shown_in_its_place() {
    let bench = Bench::new();
    let path = bench.declare("typo", "rate = 10\n[load.register]\nraeds = 5\n");
    let ended = bench.perjury(&["test", "--cluster", "processes", "--workload", &path]);
    ended.expect(64, &["typo.toml:3:1: unknown field `raeds`", "did you mean `reads`?", "^"]);
    let ended = bench.perjury(&["test", "--nemesis", "partition"]);
    ended.expect(64, &["no nemesis named \"partition\"; did you mean `partitions`?"]);
    let ended = bench.perjury(&["test", "nigthly"]);
    ended.expect(64, &["no suite named \"nigthly\"", "there are: demo"]);
}

#[test]
fn an_unreachable_node_is_named_with_its_port() {
    let bench = Bench::new();
    let known = bench.declare("known_hosts", "");
    let cluster = bench.declare(
        "dead",
        &format!(
            "[ssh]\nname = \"dead\"\nnodes = [{{ name = \"n1\", host = \"127.0.0.1\", port = 1, \
             user = \"root\", known-hosts = {known:?} }}]\n"
        ),
    );
    let results = bench.results();
    let ended = bench.perjury(&[
        "test",
        "--cluster",
        &cluster,
        "--database",
        "etcd",
        "--results",
        results.to_str().unwrap(),
    ]);
    ended.expect(3, &["127.0.0.1"]);
    bench.failed_before_its_load(&["127.0.0.1 port 1"]);
}

#[test]
fn a_history_that_is_none_says_so() {
    let bench = Bench::new();
    let file = |name: &str, text: &str| {
        let path = bench.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    bench.perjury(&["check", "/nowhere/at/all"]).expect(3, &["/nowhere/at/all"]);
    bench.perjury(&["check", bench.path().to_str().unwrap()]).expect(64, &["no run"]);
    let damaged = file(
        "damaged.jsonl",
        "{\"perjury-history\":1,\"run\":\"r\",\"model\":\"register\",\"nodes\":[]}\n\
         {\"index\":0,\"time\":1,\"type\":\"invoke\",\"process\":1,\"node\":\"n1\",\"f\":\"jump\"}\n",
    );
    let ended = bench.perjury(&["check", &damaged]);
    ended.expect(3, &["damaged.jsonl:2: unknown operation \"jump\"", "expected read, write"]);
    let newer = file("newer.jsonl", "{\"perjury-history\":99}\n");
    bench.perjury(&["check", &newer]).expect(3, &["newer"]);
    let log = file("odd.log", "INFO  jepsen.util - 0\t:invoke\t:jump\tnil\n");
    bench.perjury(&["check", "--format", "jepsen-log", &log]).expect(3, &["odd.log:1", "jump"]);
    bench.perjury(&["check", "--format", "yaml", &log]).expect(64, &["yaml", "jepsen-edn"]);
}

#[test]
fn a_truncated_history_is_judged_up_to_its_last_whole_line() {
    let bench = Bench::new();
    let path = bench.path().join("cut.jsonl");
    let mut text =
        String::from("{\"perjury-history\":1,\"run\":\"r\",\"model\":\"register\",\"nodes\":[]}\n");
    text.push_str(
        "{\"index\":0,\"time\":1,\"type\":\"invoke\",\"process\":1,\"node\":\"n1\",\"f\":\"read\",\
         \"key\":\"k\"}\n{\"index\":1,\"time\":2,\"type\":\"ok\",\"process\":1,\"call\":0,\
         \"f\":\"value\",\"value\":7}\n{\"index\":2,\"ti",
    );
    std::fs::write(&path, text).unwrap();
    // Even the part that is left proves that 7 was never written.
    let ended = bench.perjury(&["check", "--json", path.to_str().unwrap()]);
    ended.expect(1, &["phantom-value", "nobody ever wrote it"]);
    assert_eq!(ended.json()["findings"][0]["stats"]["truncated-at-line"], 4);
}

#[test]
fn a_history_survives_its_export() {
    let bench = Bench::new();
    let path = bench.path().join("whole.jsonl");
    let text = "{\"perjury-history\":1,\"run\":\"r\",\"model\":\"register\",\"nodes\":[]}\n\
        {\"index\":0,\"time\":1,\"type\":\"invoke\",\"process\":1,\"node\":\"n1\",\"f\":\"write\",\
        \"key\":\"k\",\"value\":7}\n\
        {\"index\":1,\"time\":2,\"type\":\"ok\",\"process\":1,\"call\":0,\"f\":\"done\"}\n";
    std::fs::write(&path, text).unwrap();
    let out = bench.path().join("out.edn");
    let arguments = ["export", path.to_str().unwrap(), "-o", out.to_str().unwrap()];
    bench.perjury(&arguments).expect(0, &[]);
    assert!(std::fs::read_to_string(&out).unwrap().contains(":f :write"));
    let check = ["check", "--model", "register", out.to_str().unwrap()];
    bench.perjury(&check).expect(0, &["valid"]);
}

/// A real sshd on loopback that shows another key than the one that is known.
#[test]
fn a_wrong_host_key_is_refused_and_explained() {
    if !std::path::Path::new("/usr/sbin/sshd").is_file() {
        eprintln!("SKIPPED: there is no sshd");
        return;
    }
    let bench = Bench::new();
    let key = |name: &str| {
        let path = bench.path().join(name);
        let arguments = ["-q", "-t", "ed25519", "-N", "", "-f", path.to_str().unwrap()];
        assert!(
            std::process::Command::new("ssh-keygen").args(arguments).status().unwrap().success()
        );
        let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        (path.to_str().unwrap().to_owned(), public)
    };
    let (host_key, _) = key("host");
    let (_, other) = key("other");
    let (identity, _) = key("identity");
    let port = {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        probe.local_addr().unwrap().port()
    };
    // Root's sshd wants its separation folder.
    let _ = std::fs::create_dir_all("/run/sshd");
    let mut sshd = std::process::Command::new("/usr/sbin/sshd")
        .args(["-D", "-f", "/dev/null", "-h", &host_key, "-o", "PidFile=none"])
        .args(["-o", &format!("ListenAddress=127.0.0.1:{port}")])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let known = bench.declare("known", &format!("[127.0.0.1]:{port} {other}"));
    let cluster = bench.declare(
        "wrong",
        &format!(
            "[ssh]\nname = \"wrong\"\nnodes = [{{ name = \"n1\", host = \"127.0.0.1\", port = \
             {port}, user = \"root\", identity = {identity:?}, known-hosts = {known:?} }}]\n"
        ),
    );
    let ended = bench.perjury(&["test", "--cluster", &cluster, "--results", "results"]);
    sshd.kill().unwrap();
    sshd.wait().unwrap();
    ended.expect(3, &["host key", "127.0.0.1", "known"]);
}

#[test]
fn reports_are_served_on_loopback_only() {
    let bench = Bench::new();
    let ended = bench.perjury(&["serve", "--listen", "0.0.0.0:8077"]);
    ended.expect(64, &["no loopback address"]);
}

#[test]
fn what_there_is_can_be_listed() {
    let bench = Bench::new();
    bench.perjury(&["list"]).expect(0, &["etcd-serializable", "partitions", "register", "demo"]);
    bench.perjury(&["list", "databases"]).expect(0, &["toy-split-brain"]);
    bench.perjury(&["cluster", "down", "nobody"]).expect(3, &["nobody"]);
    bench.perjury(&["cluster", "status"]).expect(0, &[]);
}
