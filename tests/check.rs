//! `perjury check` from the outside: many inputs, one answer each, certificates, exit codes.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::path::PathBuf;

use common::Bench;

const GOOD: &str = "{:process 0 :type :invoke :f :write :value 1}\n\
    {:process 0 :type :ok :f :write :value 1}\n\
    {:process 1 :type :invoke :f :read}\n{:process 1 :type :ok :f :read :value 1}\n";

struct Files {
    bench: Bench,
}

impl Files {
    fn new() -> Files {
        Files { bench: Bench::new() }
    }

    fn put(&self, name: &str, text: &str) -> String {
        let path = self.bench.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.path().join(name)
    }
}

fn bad() -> String {
    GOOD.replace(":read :value 1", ":read :value 2")
}

#[test]
fn folders_are_searched_and_the_worst_input_decides() {
    let files = Files::new();
    files.put("in/a.edn", GOOD);
    files.put("in/deep/b.edn", GOOD);
    files.put("in/README.md", "no history");
    let ended = files.bench.perjury(&["check", "in", "--json"]);
    ended.expect(0, &["in/a.edn: valid (register, ", "in/deep/b.edn: valid"]);
    let objects: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["verdict"], "valid");
    assert_eq!(objects[0]["path"], "in/a.edn");
    assert_eq!(objects[0]["operations"], 2);
    assert!(objects[0]["seconds"].is_number() && objects[0]["states"].is_number());
    // What cannot be read never hides an anomaly, and is not passed over either.
    files.put("in/broken.edn", "{:process");
    files.bench.perjury(&["check", "in"]).expect(3, &["broken.edn:1"]);
    files.put("in/c.edn", &bad());
    files.bench.perjury(&["check", "in"]).expect(1, &["c.edn: invalid", "phantom-value"]);
    files.bench.perjury(&["check", "/nowhere", "in/c.edn"]).expect(1, &["/nowhere"]);
    let empty = files.path("empty");
    std::fs::create_dir(&empty).unwrap();
    files.bench.perjury(&["check", "empty"]).expect(64, &["no run, and no history"]);
}

#[test]
fn patterns_are_expanded_in_order() {
    let files = Files::new();
    for at in 0..12 {
        files.put(&format!("h/{at:02}.edn"), GOOD);
    }
    let ended = files.bench.perjury(&["check", "h/0*.edn"]);
    ended.expect(0, &[]);
    let order: Vec<&str> = ended.stderr.lines().map(|line| &line[..8]).collect();
    let wanted: Vec<String> = (0..10).map(|at| format!("h/{at:02}.edn")).collect();
    assert_eq!(order, wanted);
    files.bench.perjury(&["check", "**/1[01].edn"]).expect(0, &["h/10.edn", "h/11.edn"]);
    files.bench.perjury(&["check", "h/*.txt"]).expect(64, &["h/*.txt: nothing matches"]);
}

#[test]
fn a_certificate_is_written_and_verified_and_a_tampered_one_refused() {
    let files = Files::new();
    files.put("good.edn", GOOD);
    files.put("bad.edn", &bad());
    let check = ["check", "good.edn", "--certificate", "proof.jsonl"];
    files.bench.perjury(&check).expect(0, &["certificate proof.jsonl"]);
    let verify = ["check", "--verify", "proof.jsonl", "good.edn"];
    files.bench.perjury(&verify).expect(0, &["good.edn: verified: linearizable as register"]);
    files
        .bench
        .perjury(&["check", "--verify", "proof.jsonl", "bad.edn"])
        .expect(2, &["refused: where #2 is listed its answer does not fit"]);
    let text = std::fs::read_to_string(files.path("proof.jsonl")).unwrap();
    files.put("proof.jsonl", &text.replace("[0,2]", "[2,0]"));
    files.bench.perjury(&verify).expect(2, &["refused"]);
    files.put("proof.jsonl", &text.replace("[0,2]", "[0]"));
    files.bench.perjury(&verify).expect(2, &["refused: #2 was answered, yet it is not listed"]);
    files.put("proof.jsonl", "no certificate");
    files.bench.perjury(&verify).expect(2, &["line 1 of the certificate"]);
    // Several inputs: a folder, in which what is illegal leaves nothing.
    let check = ["check", "good.edn", "bad.edn", "--certificate", "proofs"];
    files.bench.perjury(&check).expect(1, &["bad.edn: no certificate"]);
    assert!(files.path("proofs/good.edn.certificate.jsonl").is_file());
    assert!(!files.path("proofs/bad.edn.certificate.jsonl").exists());
}

#[test]
fn the_strongest_specification_is_named() {
    let files = Files::new();
    let stale = GOOD.replace(":read :value 1", ":read :value nil");
    files.put("stale.edn", &stale);
    let ended = files.bench.perjury(&["check", "stale.edn", "--strongest", "--json"]);
    ended.expect(1, &["strongest: 2-atomic and sequential; reads were late by up to 1 ns"]);
    let told = &ended.json()["strongest"];
    assert_eq!(told["strongest"], serde_json::json!(["2-atomic", "sequential"]));
    assert_eq!(told["specifications"]["regular"]["answer"], "broken");
    files.put("good.edn", GOOD);
    let ended = files.bench.perjury(&["check", "good.edn", "--strongest"]);
    ended.expect(0, &["good.edn: strongest: linearizable\n"]);
}

#[test]
fn a_file_is_judged_entry_by_entry() {
    let files = Files::new();
    files.put("good.edn", GOOD);
    let ended = files.bench.perjury(&["check", "good.edn", "--online"]);
    ended.expect(0, &["good.edn: valid (register, ", "read 4 of 4 entries"]);
    files.put("bad.edn", &(bad() + GOOD));
    let ended = files.bench.perjury(&["check", "bad.edn", "--online", "--json"]);
    ended.expect(1, &["read 5 of 8 entries", "Before them register can only have held 1"]);
    assert_eq!(ended.json()["entries-read"], 5);
}

#[test]
fn counters_and_queues_are_known() {
    let files = Files::new();
    files.put(
        "counter.edn",
        "{:process 0 :type :invoke :f :add :value 2}{:process 0 :type :ok :f :add :value 2}\n\
         {:process 0 :type :invoke :f :read}{:process 0 :type :ok :f :read :value 3}\n",
    );
    files.bench.perjury(&["check", "counter.edn"]).expect(1, &["invalid (counter", "read"]);
    files.bench.perjury(&["check", "counter.edn", "--initial", "1"]).expect(0, &["valid"]);
    files.put(
        "queue.edn",
        "{:process 0 :type :invoke :f :enqueue :value 1}{:process 0 :type :ok :f :enqueue}\n\
         {:process 0 :type :invoke :f :enqueue :value 2}{:process 0 :type :ok :f :enqueue}\n\
         {:process 0 :type :invoke :f :dequeue}{:process 0 :type :ok :f :dequeue :value 2}\n",
    );
    files.bench.perjury(&["check", "queue.edn"]).expect(1, &["invalid (queue"]);
    let bag = ["check", "queue.edn", "--model", "unordered-queue"];
    files.bench.perjury(&bag).expect(0, &["valid (unordered-queue"]);
}

const LONG_FORK: &str = "w 0 1\n=====\nw 1 1\n=====\nr 0 1\nr 1 0\n=====\nr 1 1\nr 0 0\n";

#[test]
fn a_history_without_real_time_is_read_and_not_judged() {
    let files = Files::new();
    files.put("fork.txt", LONG_FORK);
    let why = "not which of two sessions was earlier";
    let ended = files.bench.perjury(&["check", "fork.txt", "--json"]);
    ended.expect(2, &["unknown (multi-register", why, "read as awdit: 4 transactions of 4 sessio"]);
    let object = ended.json();
    assert_eq!((&object["verdict"], &object["format"]), (&"unknown".into(), &"awdit".into()));
    assert_eq!((&object["operations"], &object["processes"]), (&4.into(), &4.into()));
    assert_eq!(object["order"], "sessions");
    files.bench.perjury(&["check", "fork.txt", "--format", "awdit"]).expect(2, &[why]);
    files.bench.perjury(&["check", "fork.txt", "--strongest"]).expect(2, &["strongest: unknown"]);
    let registers = ["check", "fork.txt", "--online", "--model", "register"];
    files.bench.perjury(&registers).expect(2, &["unknown", why]);
    files.put("plume.txt", "w(0,1,1,1)\nr(0,1,2,2)\n");
    files.bench.perjury(&["check", "plume.txt"]).expect(2, &["as plume: 2 transactions of 2 ses"]);
    files.bench.perjury(&["check", "plume.txt", "--format", "awdit"]).expect(3, &["plume.txt:1:"]);
}

#[test]
fn a_history_without_real_time_is_exported_to_what_can_say_so() {
    let files = Files::new();
    files.put("fork.txt", LONG_FORK);
    let out = files.put("out", "kept");
    let arguments = ["export", "fork.txt", "-o", &out];
    files.bench.perjury(&arguments).expect(64, &["only the order in each session is known"]);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "kept");
    let arguments = ["export", "fork.txt", "--to", "perjury", "-o", "fork.jsonl"];
    files.bench.perjury(&arguments).expect(0, &[]);
    let told = ["read as perjury: 4 transactions of 4 sessions"];
    files.bench.perjury(&["check", "fork.jsonl"]).expect(2, &told);
}

#[test]
fn a_model_without_a_checker_is_unknown() {
    let files = Files::new();
    files.put(
        "bank.edn",
        "{:process 0 :type :invoke :f :transfer :value {:from 0 :to 1 :amount 5}}\n\
         {:process 0 :type :ok :f :transfer :value {:from 0 :to 1 :amount 5}}\n\
         {:process 0 :type :invoke :f :read}{:process 0 :type :ok :f :read :value {0 5, 1 5}}\n",
    );
    let told = "unknown: there is no checker for \"bank\"; read as";
    let ended = files.bench.perjury(&["check", "bank.edn", "--json"]);
    ended.expect(2, &[told, "jepsen-edn: 2 operations of 1 client"]);
    assert_eq!(ended.json()["verdict"], "unknown");
    files.put(
        "list.edn",
        "{:type :invoke :value [[:append 1 1]]}{:type :ok :value [[:append 1 1]]}\n\
         {:type :invoke :value [[:r 1 nil]]}{:type :ok :value [[:r 1 [1]]]}\n",
    );
    let told = ["there is no checker for \"list-append\"", "2 transactions of 1 client"];
    files.bench.perjury(&["check", "list.edn"]).expect(2, &told);
    for (from, to) in [("bank", "bank.jsonl"), ("list", "list.jsonl")] {
        let from = format!("{from}.edn");
        files.bench.perjury(&["export", &from, "--to", "perjury", "-o", to]).expect(0, &[]);
        files.bench.perjury(&["check", to]).expect(2, &["there is no checker", "as perjury: 2"]);
    }
    let proof = files.put("proof.jsonl", "");
    files.bench.perjury(&["check", "list.edn", "--verify", &proof]).expect(2, &[]);
}
