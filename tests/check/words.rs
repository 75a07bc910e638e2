//! The words of sets from which elements are removed, of logs, of locks and of semaphores, in
//! Jepsen's EDN and in our own format: judged, judged entry by entry, proved and verified.

use super::Files;

/// Process, function, value asked, value told: `info` for what is in doubt.
type Line<'a> = (u64, &'a str, &'a str, &'a str);

fn edn(calls: &[Line<'_>]) -> String {
    let entry = |process: u64, kind: &str, f: &str, value: &str| {
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}\n")
    };
    let two = |(process, f, asked, told): &Line<'_>| {
        let end = match *told {
            "info" => entry(*process, "info", f, asked),
            told => entry(*process, "ok", f, told),
        };
        entry(*process, "invoke", f, asked) + &end
    };
    calls.iter().map(two).collect()
}

const ACQUIRE: Line<'_> = (0, "acquire", "nil", "nil");
const RELEASE: Line<'_> = (0, "release", "nil", "nil");

fn by(process: u64, (_, f, asked, told): Line<'static>) -> Line<'static> {
    (process, f, asked, told)
}

/// A model, what is legal, and what makes it illegal with a part of the sentence that says so.
type Case = (&'static str, Vec<Line<'static>>, Line<'static>, &'static str);

fn cases() -> Vec<Case> {
    let token = |process, token| (process, "acquire", "nil", token);
    vec![
        (
            "mutable-set",
            vec![
                (0, "add", "3", "3"),
                (0, "add", "3", "false"),
                (1, "remove", "3", "true"),
                (1, "contains", "3", "false"),
            ],
            (2, "contains", "3", "true"),
            "look for 3 in set: it was there",
        ),
        (
            "log",
            vec![
                (0, "append", "a", "a"),
                (1, "read-at", "0", ":a"),
                (1, "read-at", "1", "nil"),
                (1, "read-all", "nil", "[:a]"),
            ],
            (2, "read-at", "0", ":b"),
            "read log at position 0: \":b\"",
        ),
        (
            "fenced-lock",
            vec![token(0, "5"), RELEASE, token(1, "7")],
            token(2, "6"),
            "acquire lock: 6",
        ),
        ("owned-mutex", vec![ACQUIRE, RELEASE, by(1, ACQUIRE)], RELEASE, "Only the process that"),
        ("owned-mutex:2", vec![ACQUIRE, ACQUIRE, RELEASE], by(1, ACQUIRE), "up to 2 times in all"),
        ("owned-fenced-lock", vec![token(0, "5"), RELEASE], token(1, "5"), ": 5, between"),
        ("owned-fenced-lock:2", vec![token(0, "5"), token(0, "5")], token(0, "5"), "2 times"),
        ("semaphore:2", vec![ACQUIRE, by(1, ACQUIRE)], by(2, ACQUIRE), "There are 2 permits"),
        (
            "stack",
            vec![(0, "enqueue", "1", "1"), (0, "enqueue", "2", "2"), (0, "dequeue", "nil", "2")],
            (0, "dequeue", "nil", "2"),
            "dequeue from queue: 2",
        ),
        (
            "priority-queue",
            vec![(0, "enqueue", "2", "2"), (0, "enqueue", "1", "1"), (0, "dequeue", "nil", "1")],
            (0, "dequeue", "nil", "1"),
            "dequeue from queue: 1",
        ),
    ]
}

#[test]
fn every_word_is_judged_and_proved_from_both_formats() {
    let files = Files::new();
    for (model, mut calls, wrong, sentence) in cases() {
        let good = files.put("good.edn", &edn(&calls));
        calls.push(wrong);
        let bad = files.put("bad.edn", &edn(&calls));
        let own = |path: &str| {
            let to = format!("{path}.jsonl");
            files.bench.perjury(&["export", path, "--to", "perjury", "-o", &to]).expect(0, &[]);
            to
        };
        for (path, legal) in
            [(&own(&good), true), (&own(&bad), false), (&good, true), (&bad, false)]
        {
            let check = |more: &[&str]| {
                files.bench.perjury(&[&["check", path, "--model", model], more].concat())
            };
            let (code, word) = if legal { (0, "valid") } else { (1, "invalid") };
            let ended = check(&["--certificate", "proof.jsonl", "--json"]);
            ended.expect(code, &[&format!("{word} ({model}, "), if legal { "" } else { sentence }]);
            assert_eq!(ended.json()["model"], model);
            check(&["--online"]).expect(code, &[&format!("{word} ({model}, ")]);
            if legal {
                let verify = ["check", "--verify", "proof.jsonl"];
                let told = format!("verified: linearizable as {model}");
                files.bench.perjury(&[&verify[..], &[path]].concat()).expect(0, &[&told]);
                // It proves nothing of what is illegal.
                files.bench.perjury(&[&verify[..], &[&bad]].concat()).expect(2, &["refused: "]);
            } else {
                assert!(!files.path("proof.jsonl").exists());
            }
        }
    }
}

#[test]
fn the_words_of_a_file_suggest_its_model() {
    let files = Files::new();
    for (model, calls, ..) in cases() {
        let suggested = match model {
            "mutable-set" | "log" | "fenced-lock" => model,
            tokens if tokens.starts_with("owned-fenced-lock") => "fenced-lock",
            "stack" | "priority-queue" => "queue",
            _ => "mutex",
        };
        let path = files.put("words.edn", &edn(&calls));
        let ended = files.bench.perjury(&["check", &path, "--json"]);
        assert_eq!(ended.json()["model"], suggested, "{}", ended.stderr);
    }
    let path = files.put("keyed.edn", &edn(&[(0, "add", "[x 1]", "[x true]")]));
    let remove = edn(&[(0, "remove", "[y 1]", "[y false]"), (0, "contains", "[x 1]", "[x true]")]);
    let path = files.put("keyed.edn", &(std::fs::read_to_string(path).unwrap() + &remove));
    let ended = files.bench.perjury(&["check", &path]);
    ended.expect(0, &["valid (mutable-set", "on 2 objects"]);
}

#[test]
fn a_limit_is_a_part_of_the_word() {
    let files = Files::new();
    let path = files.put("lock.edn", &edn(&[ACQUIRE, RELEASE]));
    let check = |model: &str| files.bench.perjury(&["check", &path, "--model", model]);
    check("semaphore")
        .expect(64, &["a semaphore needs the number of its permits, as in semaphore:2"]);
    check("semaphore:0").expect(64, &["has to be a whole number from 1 to 4294967295"]);
    check("owned-mutex:many").expect(64, &["the limit of \"owned-mutex:many\" has to be a whole"]);
    check("mutex:2").expect(64, &["the model mutex has no limit; leave out :2"]);
    let all = [
        "unknown model \"tree:2\"",
        "mutable-set, ",
        "log, mutex, fenced-lock, owned-mutex[:TIMES], owned-fenced-lock[:TIMES], ",
        "semaphore:PERMITS, multi-register, bank",
    ];
    check("tree:2").expect(64, &all);
    check("owned-mutex:1").expect(0, &["valid (owned-mutex, "]);
    // A history of our own names its model with the limit.
    let header = "{\"perjury-history\":1,\"run\":\"r\",\"model\":\"semaphore:3\",\"nodes\":[]}\n";
    let path = files.put("named.jsonl", header);
    files.bench.perjury(&["check", &path]).expect(0, &["valid (semaphore:3, "]);
}

#[test]
fn the_owner_is_the_process() {
    let files = Files::new();
    let check = |calls: &[Line<'_>], more: &[&str]| {
        let path = files.put("owned.edn", &edn(calls));
        files.bench.perjury(&[&["check", &path, "--model", "owned-mutex"], more].concat())
    };
    let in_doubt = (0, "release", "nil", "info");
    for online in [&["--online"] as &[&str], &[]] {
        // A release in doubt may have freed the lock; without one it is held for ever.
        check(&[ACQUIRE, in_doubt, by(1, ACQUIRE)], online).expect(0, &["valid"]);
        check(&[ACQUIRE, in_doubt, by(1, RELEASE)], online).expect(1, &["invalid"]);
        let gone = (0, "acquire", "nil", "info");
        check(&[ACQUIRE, gone, by(1, ACQUIRE)], online).expect(1, &["invalid"]);
        check(&[gone, by(1, ACQUIRE), by(1, RELEASE)], online).expect(0, &["valid"]);
    }
}

/// What the tests of Hazelcast's locks record.
#[test]
fn a_client_that_goes_on_under_another_number_is_no_process() {
    let files = Files::new();
    let told = |client: &str, fence: u64| format!("{{:client \"{client}\" :fence {fence}}}");
    let (a, b, free) = (told("a", 5), told("b", 6), told("a", 0));
    let lines = [
        (0, "acquire", "\"u1\"", a.as_str()),
        (0, "release", "\"u2\"", "info"),
        (5, "release", "\"u3\"", &free),
        (1, "acquire", "\"u4\"", &b),
    ];
    let path = files.put("clients.edn", &edn(&lines));
    let check = |more: &[&str]| files.bench.perjury(&[&["check", &path], more].concat());
    check(&[]).expect(0, &["valid (fenced-lock"]);
    check(&["--model", "mutex"]).expect(0, &["valid (mutex"]);
    let why = "takes the process for the owner, but the client \"a\" is process 0 and process 5";
    for online in [&["--online"] as &[&str], &[]] {
        check(&[&["--model", "owned-fenced-lock"], online].concat()).expect(2, &[why]);
    }
    let path =
        files.put("clients.edn", &edn(&[lines[0], (0, "release", "\"u2\"", &free), lines[3]]));
    let check = |model| files.bench.perjury(&["check", &path, "--model", model]);
    check("owned-fenced-lock").expect(0, &["valid"]);
    check("semaphore:1").expect(0, &["valid"]);
}

#[test]
fn what_is_no_position_and_no_answer_is_named_with_its_line() {
    let files = Files::new();
    for (line, told) in [
        ((0, "read-at", "-1", "nil"), "a :read-at needs a position, a whole number from 0, not -1"),
        ((0, "contains", "3", "3"), "a :contains was answered with 3; expected true or false"),
        ((0, "acquire", "nil", "-2"), "a position or a token is a whole number from 0, not -2"),
        ((0, "plunder", "nil", "nil"), "known are :read, :write"),
    ] {
        let path = files.put("wrong.edn", &edn(&[line]));
        files.bench.perjury(&["check", &path]).expect(3, &["wrong.edn:", told]);
    }
}
