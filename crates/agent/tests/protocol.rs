//! The agent over a pipe: what it answers, and that it does nothing twice.
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use perjury_agent::protocol::{
    Answer, Body, Ended, FailureKind, MakeDir, Ran, Read, Run, Service, ServiceState, Signal, Write,
};
use support::{Agent, eventually, is_root, path, service, shell, skipped, state};

fn ran(answer: Answer) -> Ran {
    match answer {
        Answer::Ran(ran) => ran,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_says_who_it_is_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let state_dir = folder.path().join("a/state");
    let mut agent = Agent::start(&state_dir);
    let Answer::Hello(hello) = agent.ask(Body::Hello).unwrap() else { panic!() };
    assert_eq!(hello.version, perjury_agent::VERSION);
    assert!(hello.memory_bytes > 1 << 20 && hello.disk_free_bytes > 0);
    assert_eq!(agent.ask(Body::Renew), Ok(Answer::Done));
    assert_eq!(agent.close().code(), Some(0));
    assert!(!state_dir.exists());
}

#[test]
fn commands_end_as_they_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(&folder.path().join("state"));
    let out = ran(agent.ask(shell("echo out; echo err >&2; exit 3")).unwrap());
    assert_eq!((out.ended, out.stdout.text()), (Ended::Exited(3), "out\n".to_string()));
    assert_eq!(out.stderr.text(), "err\n");
    let out = ran(agent.ask(shell("kill -9 $$")).unwrap());
    assert_eq!(out.ended, Ended::Signaled("SIGKILL".to_string()));
    let cat = Run {
        argv: ["sh", "-c", "cat; pwd; echo $WORD"].map(str::to_string).to_vec(),
        stdin: "in ".into(),
        env: [("WORD".to_string(), "it's".to_string())].into(),
        cwd: Some("/usr".to_string()),
        timeout_ms: 5000,
        user: None,
    };
    let out = ran(agent.ask(Body::Run(cat)).unwrap());
    assert_eq!(out.stdout.text(), "in /usr\nit's\n");
    let out =
        ran(agent.ask(shell("head -c 3000000 /dev/zero; head -c 8000000 /dev/zero >&2")).unwrap());
    assert_eq!((out.stdout.0.len(), out.truncated), (Ran::MOST_OUTPUT, true));
    let absent = Run { argv: vec!["/no/such".to_string()], timeout_ms: 1000, ..Run::default() };
    assert_eq!(agent.ask(Body::Run(absent)).unwrap_err().kind, FailureKind::NotFound);
}

#[test]
fn a_slow_command_is_killed_as_a_group_and_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(&folder.path().join("state"));
    let pids = path(folder.path(), "pid");
    let script = format!("sleep 60 & echo $! > {pids}; wait");
    let argv = ["sh", "-c", &script].map(str::to_string).to_vec();
    let started = Instant::now();
    let slow = agent.send(Body::Run(Run { argv, timeout_ms: 700, ..Run::default() }));
    let quick = agent.send(Body::Renew);
    assert_eq!(agent.receive().id, quick);
    assert!(started.elapsed() < Duration::from_millis(500));
    let response = agent.receive();
    assert_eq!(response.id, slow);
    assert_eq!(ran(response.result.unwrap()).ended, Ended::TimedOut);
    let pid: u32 = fs::read_to_string(pids).unwrap().trim().parse().unwrap();
    eventually("the child of the command is gone", || state(pid).is_none());
}

#[test]
fn a_repeated_request_is_done_once_and_answered_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(&folder.path().join("state"));
    let file = path(folder.path(), "count");
    let count = || shell(&format!("echo x >> {file}; sleep 0.2; wc -l < {file}"));
    for _ in 0..3 {
        // While it runs as well as after it.
        agent.send_as(7, count());
    }
    let first = agent.receive();
    assert_eq!((agent.receive(), agent.receive()), (first.clone(), first.clone()));
    agent.send_as(7, count());
    assert_eq!(agent.receive(), first);
    assert_eq!(fs::read_to_string(&file).unwrap(), "x\n");
}

#[test]
fn junk_is_refused_and_foreign_streams_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(&folder.path().join("state"));
    let json = br#"{"id":9,"body":"no-such-thing"}"#;
    agent.send_raw(&[&(json.len() as u32).to_be_bytes()[..], json].concat());
    let response = agent.receive();
    assert_eq!(response.id, 9);
    assert_eq!(response.result.unwrap_err().kind, FailureKind::BadRequest);
    agent.send_raw(b"GET / HTTP/1.1\r\n");
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn files_are_written_in_one_step_and_read_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(&folder.path().join("state"));
    let file = path(folder.path(), "file");
    let write = |bytes: &[u8], append| {
        let bytes = bytes.to_vec().into();
        Body::Write(Write { path: file.clone(), bytes, mode: 0o640, owner: None, append })
    };
    assert_eq!(agent.ask(write(b"one\0\xff", false)), Ok(Answer::Done));
    assert_eq!(agent.ask(write(b"two", true)), Ok(Answer::Done));
    let read = |offset, max_bytes| Body::Read(Read { path: file.clone(), offset, max_bytes });
    let Answer::Chunk(chunk) = agent.ask(read(4, 2)).unwrap() else { panic!() };
    assert_eq!((chunk.bytes.0, chunk.size), (b"\xfft".to_vec(), 8));
    let Answer::Chunk(chunk) = agent.ask(read(8, 100)).unwrap() else { panic!() };
    assert!(chunk.bytes.0.is_empty());
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    let relative =
        Write { path: "x".into(), bytes: "".into(), mode: 0, owner: None, append: false };
    assert_eq!(agent.ask(Body::Write(relative)).unwrap_err().kind, FailureKind::BadRequest);
    let absent = Read { path: "/no/such".into(), offset: 0, max_bytes: 1 };
    assert_eq!(agent.ask(Body::Read(absent)).unwrap_err().kind, FailureKind::NotFound);
}

#[test]
fn a_directory_that_was_there_before_is_never_promised_to_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(&folder.path().join("state"));
    let make = |path: &str| {
        let path = path.to_string();
        Body::MakeDir(MakeDir { path, mode: 0o755, owner: None, remove_on_heal: true })
    };
    for bad in [folder.path().to_str().unwrap(), "/var", "/", "var/x", "/var/x/../y"] {
        assert_eq!(agent.ask(make(bad)).unwrap_err().kind, FailureKind::BadRequest, "{bad}");
    }
    let made = path(folder.path(), "deep/er/data");
    assert_eq!(agent.ask(make(&made)), Ok(Answer::Done));
    assert_eq!(agent.ask(make(&made)), Ok(Answer::Done));
    fs::write(format!("{made}/file"), "x").unwrap();
    assert_eq!(agent.close().code(), Some(0));
    assert!(folder.path().exists() && !folder.path().join("deep").exists());
}

#[test]
fn a_service_lives_stops_continues_and_dies_with_its_whole_family() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(&folder.path().join("state"));
    assert_eq!(status(&mut agent, "db"), ServiceState::NeverStarted);
    // A child in its own session and one that lost its parent are still the service's.
    let script = "setsid sleep 61 & (sleep 62 &) ; echo ready; sleep 63";
    let db = service("db", folder.path(), script);
    let pid = agent.start_service(&db);
    assert_eq!(status(&mut agent, "db"), ServiceState::Running { pid });
    assert_eq!(agent.ask(Body::Start(db.clone())).unwrap_err().kind, FailureKind::BadRequest);
    eventually("it runs", || fs::read_to_string(&db.log).is_ok_and(|log| log == "ready\n"));
    std::thread::sleep(Duration::from_millis(50));
    let signal = |signal| Body::Signal { name: "db".to_string(), signal };
    let Answer::Signalled { processes } = agent.ask(signal(Signal::Stop)).unwrap() else {
        panic!()
    };
    assert_eq!(processes.len(), 4, "{processes:?}");
    assert!(processes.iter().all(|seen| seen.state == Some('T')), "{processes:?}");
    agent.ask(signal(Signal::Cont)).unwrap();
    assert!(processes.iter().all(|seen| state(seen.pid).is_some_and(|state| state != 'T')));
    agent.ask(signal(Signal::Stop)).unwrap();
    let Answer::Signalled { processes } = agent.ask(signal(Signal::Kill)).unwrap() else {
        panic!()
    };
    assert_eq!(processes.len(), 4);
    assert!(processes.iter().all(|seen| seen.state.is_none() && state(seen.pid).is_none()));
    let killed = Ended::Signaled("SIGKILL".to_string());
    assert_eq!(status(&mut agent, "db"), ServiceState::Ended { ended: killed });
    // A second life under the same name, ended by its own will.
    let second =
        service("db", folder.path(), "trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done");
    agent.start_service(&second);
    eventually("it runs", || fs::read_to_string(&db.log).is_ok_and(|log| log.ends_with("up\n")));
    let stop = Body::Stop { name: "db".to_string(), grace_ms: 5000 };
    let Answer::Service(ended) = agent.ask(stop).unwrap() else { panic!() };
    assert_eq!(ended, ServiceState::Ended { ended: Ended::Exited(4) });
}

fn status(agent: &mut Agent, name: &str) -> ServiceState {
    match agent.ask(Body::Status { name: name.to_string() }).unwrap() {
        Answer::Service(state) => state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_service_that_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(&folder.path().join("state"));
    let mut absent = service("db", folder.path(), "");
    absent.argv = vec!["/no/such/program".to_string()];
    let failure = agent.ask(Body::Start(absent)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound, "{failure}");
    let mut lost = service("db", folder.path(), "true");
    lost.cwd = Some("/no/such/place".to_string());
    assert_eq!(agent.ask(Body::Start(lost)).unwrap_err().kind, FailureKind::NotFound);
    assert_eq!(status(&mut agent, "db"), ServiceState::NeverStarted);
}

#[test]
fn limits_users_and_clean_signals_reach_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(&folder.path().join("state"));
    let script = "ulimit -n; id -u; id -G; grep -E 'Sig(Ign|Blk)' /proc/self/status; pwd; \
                  readlink /proc/$$/fd/0; set -- /proc/$$/fd/*; echo $#; \
                  env | grep -c PERJURY_SERVICE";
    let mut who: Service = service("who", folder.path(), script);
    who.limits.open_files = Some(123);
    let nobody = is_root();
    if nobody {
        who.user = Some(perjury_agent::protocol::Account { uid: 65534, gid: 65534 });
    } else {
        skipped("the user of a service", "not root");
    }
    agent.start_service(&who);
    let log = || fs::read_to_string(&who.log).unwrap_or_default();
    eventually("it ends", || log().lines().count() == 9);
    let text = log();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(lines[0], "123");
    if nobody {
        assert_eq!(lines[1..3], ["65534", "65534"]);
    }
    assert_eq!(lines[3], "SigBlk:\t0000000000000000");
    let ignored = u64::from_str_radix(lines[4].trim_start_matches("SigIgn:").trim(), 16).unwrap();
    let sigpipe = 1 << (13 - 1);
    assert_eq!(ignored & sigpipe, 0, "Rust ignores SIGPIPE; a service must not inherit that");
    assert_eq!(lines[5..7], ["/", "/dev/null"]);
    // Nothing of the agent's is inherited: only the three streams, and the shell looking at them.
    assert!(lines[7].parse::<u32>().unwrap() <= 4, "{text}");
}
