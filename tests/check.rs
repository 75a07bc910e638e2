//! `perjury check` from the outside: many inputs, one answer each, certificates, exit codes.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;
#[path = "check/words.rs"]
mod words;

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
fn the_published_bundles_are_judged_as_the_readme_says() {
    let bench = Bench::new();
    let bundles = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/bundles");
    let copied = std::process::Command::new("cp").arg("-r").args([&bundles, bench.path()]).status();
    assert!(copied.unwrap().success());
    let lied = ["invalid", "fabricated-value", "equivocation", "divergence", "beyond the bound"];
    bench.perjury(&["check", "bundles/etcd-lying-link", "--json"]).expect(1, &lied);
    let masked = ["valid (cas-register", "No anomaly"];
    bench.perjury(&["check", "bundles/hotstuff-lying-link"]).expect(0, &masked);
    bench.perjury(&["check", "bundles/malachite-lying-link"]).expect(0, &masked);
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
    ended.expect(0, &["good.edn: valid (register, ", "4 entries were read, at most "]);
    files.put("bad.edn", &(bad() + GOOD));
    let ended = files.bench.perjury(&["check", "bad.edn", "--online", "--json"]);
    let told = "proved at #3, 5 entries were read\nbad.edn: phantom-value: Process 1 read 2";
    ended.expect(1, &[told]);
    assert_eq!(ended.json()["entries-read"], 5);
    assert_eq!(ended.json()["proved-at"], 3);
    files.put("ill.edn", &GOOD.replace(":f :read", ":f :add"));
    files.bench.perjury(&["check", "ill.edn", "--online", "--model", "register"]).expect(
        2,
        &[
            "ill.edn: unknown (register, ",
            "cannot be judged: the model register knows read, write, but #2 is a",
        ],
    );
    files.bench.perjury(&["check", "nothing.edn", "--online"]).expect(3, &["nothing.edn"]);
}

/// A history of our own: so many writes and reads, the last one wrong if it is to be.
fn own(operations: u64, wrong: bool) -> String {
    let mut text =
        "{\"perjury-history\":1,\"run\":\"r\",\"model\":\"register\",\"nodes\":[]}\n".to_owned();
    for at in 0..operations {
        let is_write = at % 2 == 0;
        let (word, node) = (if is_write { "write" } else { "read" }, "n1");
        let asked = if is_write { format!(",\"value\":{at}") } else { String::new() };
        let lie = wrong && at + 1 == operations;
        let seen = if lie { 0 } else { at - u64::from(!is_write) };
        let answer = if is_write { String::new() } else { format!(",\"value\":{seen}") };
        let reply = if is_write { "done" } else { "value" };
        let head = |index: u64, kind: &str| {
            format!("{{\"index\":{index},\"time\":{},\"type\":\"{kind}\",\"process\":1", 10 * index)
        };
        text += &head(2 * at, "invoke");
        text += &format!(",\"node\":\"{node}\",\"f\":\"{word}\",\"key\":\"x\"{asked}}}\n");
        text += &head(2 * at + 1, "ok");
        text += &format!(",\"call\":{},\"f\":\"{reply}\"{answer}}}\n", 2 * at);
    }
    text
}

/// Compresses the file to another one.
fn compress(path: &str, into: &str) {
    use std::io::Write;
    let bytes = std::fs::read(path).unwrap();
    let file = std::fs::File::create(into).unwrap();
    if into.ends_with(".gz") {
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap();
    } else {
        zstd::stream::copy_encode(bytes.as_slice(), file, 1).unwrap();
    }
}

#[test]
fn our_own_files_are_read_entry_by_entry_also_when_they_are_compressed() {
    let files = Files::new();
    for (wrong, code) in [(false, 0), (true, 1)] {
        let plain = files.put("h.jsonl", &own(500, wrong));
        for ending in ["", ".gz", ".zst"] {
            let path = format!("{plain}{ending}");
            if !ending.is_empty() {
                compress(&plain, &path);
            }
            let ended = files.bench.perjury(&["check", &path, "--online", "--json"]);
            let what = if wrong { "proved at #999" } else { "1000 entries were read" };
            ended.expect(code, &[what]);
            // The same as of the whole, and without keeping it.
            files.bench.perjury(&["check", &path]).expect(code, &[]);
            if !wrong {
                assert!(ended.json()["most-held"].as_u64().unwrap() < 200, "{}", ended.stdout);
            }
        }
        // What follows a proof is not looked at; what is cut off is said.
        let cut = own(500, wrong) + "{\"index\":1000,";
        files.put("cut.jsonl", &cut);
        let told = ["proved at #999", "cut off at line 1002: 14 bytes"][usize::from(!wrong)];
        files.bench.perjury(&["check", "cut.jsonl", "--online"]).expect(code, &[told]);
    }
    let damaged = own(5, false).replace("\"index\":6", "\"index\":9");
    files.put("damaged.jsonl", &damaged);
    let told = ["damaged.jsonl:8: entry 9 stands where 6 should"];
    files.bench.perjury(&["check", "damaged.jsonl", "--online"]).expect(3, &told);
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
fn a_bank_of_jepsen_is_judged() {
    let files = Files::new();
    let put = |name: &str, total: u8| {
        let moved = ":f :transfer :value {:from 0 :to 1 :amount 5}}";
        let found = |second| format!(":f :read :value {{0 5, 1 {second}}}}}");
        let (asked, told) = ("{:process 0 :type :invoke ", "{:process 0 :type :ok ");
        let read = |second| format!("{asked}:f :read}}{told}{}", found(second));
        let text = format!("{asked}{moved}{told}{moved}{}{}", read(5), read(total));
        files.put(name, &text);
    };
    put("kept.edn", 5);
    files.bench.perjury(&["check", "kept.edn"]).expect(0, &["the total stayed the same"]);
    files.bench.perjury(&["export", "kept.edn", "--to", "perjury", "-o", "k"]).expect(0, &[]);
    put("lost.edn", 4);
    files.bench.perjury(&["check", "lost.edn"]).expect(1, &["partial-write"]);
}

#[test]
fn a_model_without_a_checker_is_unknown() {
    let files = Files::new();
    files.put(
        "list.edn",
        "{:type :invoke :value [[:append 1 1]]}{:type :ok :value [[:append 1 1]]}\n\
         {:type :invoke :value [[:r 1 nil]]}{:type :ok :value [[:r 1 [1]]]}\n",
    );
    let told = ["there is no checker for \"list-append\"; read as", "2 transactions of 1 client"];
    let ended = files.bench.perjury(&["check", "list.edn", "--json"]);
    ended.expect(2, &told);
    assert_eq!(ended.json()["verdict"], "unknown");
    let to = "list.jsonl";
    files.bench.perjury(&["export", "list.edn", "--to", "perjury", "-o", to]).expect(0, &[]);
    files.bench.perjury(&["check", to]).expect(2, &["there is no checker", "as perjury: 2"]);
    let proof = files.put("proof.jsonl", "");
    files.bench.perjury(&["check", "list.edn", "--verify", &proof]).expect(2, &[]);
}

const JSON: &str = "[{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":1},\n\
    {\"process\":0,\"type\":\"ok\",\"f\":\"write\",\"value\":1},\n\
    {\"process\":1,\"type\":\"invoke\",\"f\":\"read\",\"value\":null},\n\
    {\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"value\":1}]";

const LOG: &str = "INFO  jepsen.util - 0\t:invoke\t:write\t1\n\
    INFO  jepsen.util - 0\t:ok\t:write\t1\nINFO  jepsen.util - 1\t:invoke\t:read\tnil\n\
    INFO  jepsen.util - 1\t:ok\t:read\t1\n";

const KV: &str = "{:process 0, :type :invoke, :f :put, :key \"k\", :value \"1\"}\n\
    {:process 0, :type :ok, :f :put, :key \"k\", :value \"1\"}\n\
    {:process 1, :type :invoke, :f :get, :key \"k\", :value nil}\n\
    {:process 1, :type :ok, :f :get, :key \"k\", :value \"1\"}\n";

#[test]
fn every_format_is_told_from_its_content_or_by_its_name() {
    let files = Files::new();
    for (format, text) in [
        ("perjury", own(4, false)),
        ("jepsen-edn", GOOD.to_owned()),
        ("jepsen-json", JSON.to_owned()),
        ("jepsen-log", LOG.to_owned()),
        ("porcupine-kv", KV.to_owned()),
    ] {
        let plain = files.put(&format!("{format}.txt"), &text);
        for ending in ["", ".gz", ".zst"] {
            let path = format!("{plain}{ending}");
            if !ending.is_empty() {
                compress(&plain, &path);
            }
            for word in [format, "auto"] {
                let ended = files.bench.perjury(&["check", &path, "--format", word, "--json"]);
                ended.expect(0, &["valid ("]);
                assert_eq!(ended.json()["format"], format, "{word}");
                let ended = files.bench.perjury(&["check", &path, "--format", word, "--online"]);
                ended.expect(0, &["valid ("]);
            }
        }
    }
    let ended = files.bench.perjury(&["check", "jepsen-edn.txt", "--format", "pickle"]);
    ended.expect(64, &["unknown history format \"pickle\"; expected auto, perjury"]);
    files.put("garbage.txt", "this is no history");
    files.bench.perjury(&["check", "garbage.txt"]).expect(3, &["garbage.txt:1: "]);
}

#[test]
fn every_model_is_known_by_its_word() {
    let files = Files::new();
    let edn = |calls: &[(&str, &str, &str)]| -> String {
        let entry = |kind: &str, f: &str, value: &str| {
            format!("{{:process 0 :type {kind} :f {f} :value {value}}}\n")
        };
        let two = |(f, asked, told): &(&str, &str, &str)| {
            entry(":invoke", f, asked) + &entry(":ok", f, told)
        };
        calls.iter().map(two).collect()
    };
    let register = [(":write", "1", "1"), (":read", "nil", "1"), (":read", "nil", "2")];
    let queue = [(":enqueue", "1", "1"), (":dequeue", "nil", "1"), (":dequeue", "nil", "1")];
    for (model, calls) in [
        ("register", register),
        ("cas-register", [(":write", "1", "1"), (":cas", "[1 2]", "[1 2]"), (":read", "nil", "1")]),
        ("kv", register),
        ("kv-append", [(":append", "1", "1"), (":read", "nil", "1"), (":read", "nil", "2")]),
        ("set", [(":add", "1", "1"), (":read", "nil", "#{1}"), (":read", "nil", "#{}")]),
        ("counter", [(":add", "1", "1"), (":read", "nil", "1"), (":read", "nil", "2")]),
        ("queue", queue),
        ("unordered-queue", queue),
        (
            "mutex",
            [(":acquire", "nil", "nil"), (":release", "nil", "nil"), (":release", "nil", "nil")],
        ),
        (
            "multi-register",
            [
                (":txn", "[[:w x 1]]", "[[:w x 1]]"),
                (":txn", "[[:r x nil]]", "[[:r x 1]]"),
                (":txn", "[[:r x nil]]", "[[:r x 2]]"),
            ],
        ),
    ] {
        let valid = files.put(&format!("{model}-good.edn"), &edn(&calls[..2]));
        let invalid = files.put(&format!("{model}-bad.edn"), &edn(&calls));
        for online in [&["--online"] as &[&str], &[]] {
            for (path, code, word) in [(&valid, 0, "valid"), (&invalid, 1, "invalid")] {
                let words = [&["check", path, "--model", model], online].concat();
                files.bench.perjury(&words).expect(code, &[&format!("{word} ({model}, ")]);
            }
        }
    }
    let ended = files.bench.perjury(&["check", "set-good.edn", "--model", "tree"]);
    ended.expect(64, &["unknown model \"tree\"; expected one of register, cas-register"]);
    files.put("empty.edn", "");
    files.bench.perjury(&["check", "empty.edn"]).expect(64, &["name it with --model"]);
}

#[test]
fn the_initial_value_and_the_meaning_of_nil_can_be_said() {
    let files = Files::new();
    let read = |value: &str| {
        format!(
            "{{:process 0 :type :invoke :f :read}}{{:process 0 :type :ok :f :read :value {value}}}"
        )
    };
    files.put("five.edn", &read("5"));
    files.put("nil.edn", &(GOOD.to_owned() + &read("nil")));
    for online in [&["--online"] as &[&str], &[]] {
        let check = |words: &[&str]| files.bench.perjury(&[&["check"], words, online].concat());
        check(&["five.edn"]).expect(1, &["phantom-value"]);
        check(&["five.edn", "--initial", "nil"]).expect(1, &["invalid"]);
        check(&["five.edn", "--initial", "5"]).expect(0, &["valid"]);
        check(&["five.edn", "--initial", "5x"]).expect(64, &["expected a number or nil"]);
        check(&["nil.edn"]).expect(1, &["invalid"]);
        check(&["nil.edn", "--nil-read", "value"]).expect(1, &["invalid"]);
        check(&["nil.edn", "--nil-read", "unknown"]).expect(0, &["valid"]);
        check(&["nil.edn", "--nil-read", "maybe"]).expect(64, &["value", "unknown"]);
    }
}

#[test]
fn the_verdict_comes_with_its_time_the_path_and_the_states() {
    let files = Files::new();
    files.put("zones.edn", GOOD);
    let ended = files.bench.perjury(&["check", "zones.edn", "--json"]);
    ended.expect(0, &[" s, by "]);
    assert!(
        ended.json()["taken"].as_str().is_some_and(|path| path != "search"),
        "{}",
        ended.stdout
    );
    // The same value twice: only the search knows.
    files.put("search.edn", &(GOOD.to_owned() + GOOD));
    let ended = files.bench.perjury(&["check", "search.edn", "--json"]);
    ended.expect(0, &[" s, by search of ", " states)"]);
    assert_eq!(ended.json()["taken"], "search");
    assert!(ended.json()["states"].as_u64().unwrap() > 0);
}

#[test]
fn the_worst_exit_code_wins_and_an_anomaly_over_all() {
    let files = Files::new();
    files.put("good.edn", GOOD);
    files.put("bad.edn", &bad());
    files.put("ill.edn", &GOOD.replace(":f :read", ":f :add"));
    files.put("broken.edn", "{:process");
    let check = |names: &[&str]| {
        let words = [&["check", "--model", "register"], names].concat();
        files.bench.perjury(&words)
    };
    check(&["good.edn"]).expect(0, &[]);
    check(&["good.edn", "ill.edn"]).expect(2, &["ill.edn: unknown", "good.edn: valid"]);
    check(&["broken.edn", "good.edn"]).expect(3, &["broken.edn"]);
    // What could not be decided may be an anomaly; what could not be read may be tried again.
    check(&["ill.edn", "broken.edn", "good.edn"]).expect(2, &["broken.edn"]);
    check(&["missing.edn", "bad.edn", "ill.edn", "broken.edn"]).expect(1, &["bad.edn: invalid"]);
    let ended = files.bench.perjury(&["check", ".", "--model", "register", "--online"]);
    ended.expect(1, &["bad.edn: invalid", "ill.edn: unknown", "good.edn: valid", "broken.edn"]);
}
