//! Whatever ends the agent or its controller, the node is healed.
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGKILL, SIGTERM};
use perjury_agent::protocol::{Answer, Body, FailureKind, Hello, MakeDir, Signal};
use support::{AGENT, Agent, eventually, kill, path, service, shell, state};

/// A node with a stopped service in a directory that has to go.
struct Broken {
    pids: Vec<u32>,
    data: String,
}

impl Broken {
    fn make(agent: &mut Agent, folder: &Path) -> Broken {
        let data = path(folder, "data");
        let make = MakeDir { path: data.clone(), mode: 0o755, owner: None, remove_on_heal: true };
        agent.ask(Body::MakeDir(make)).unwrap();
        let mut db = service("db", folder, "echo data > file; setsid sleep 300 & sleep 301");
        db.cwd = Some(data.clone());
        agent.start_service(&db);
        eventually("it runs", || Path::new(&data).join("file").exists());
        std::thread::sleep(Duration::from_millis(50));
        let stop = Body::Signal { name: "db".to_string(), signal: Signal::Stop };
        let Answer::Signalled { processes } = agent.ask(stop).unwrap() else { panic!() };
        assert_eq!(processes.len(), 3, "{processes:?}");
        Broken { pids: processes.iter().map(|seen| seen.pid).collect(), data }
    }

    fn is_healed(&self) -> bool {
        self.pids.iter().all(|pid| state(*pid).is_none()) && !Path::new(&self.data).exists()
    }
}

fn broken_node() -> (tempfile::TempDir, Agent, Broken) {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(&folder.path().join("state"));
    let broken = Broken::make(&mut agent, folder.path());
    assert!(folder.path().join("state/journal.jsonl").exists() && !broken.is_healed());
    (folder, agent, broken)
}

fn heal(state: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(AGENT);
    let output = command.args(["heal", "--state"]).arg(state).args(more).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_end_of_the_input_heals() {
    let (folder, agent, broken) = broken_node();
    assert_eq!(agent.close().code(), Some(0));
    assert!(broken.is_healed() && !folder.path().join("state").exists());
}

#[test]
fn an_upload_is_removed_at_once_and_works_on() {
    let folder = tempfile::tempdir().unwrap();
    let upload = folder.path().join("perjury-agent-1-2");
    let bring = || {
        fs::create_dir(&upload).unwrap();
        fs::copy(AGENT, upload.join("perjury-agent")).unwrap();
        upload.join("perjury-agent")
    };
    let state_dir = folder.path().join("state");
    let mut command = Command::new(bring());
    command.args(["serve", "--state"]).arg(&state_dir).args(["--lease", "30", "--uploaded"]);
    let mut agent = Agent::start_by_whole(command);
    // It starts services by its own program, which has no file any more.
    let broken = Broken::make(&mut agent, folder.path());
    assert!(!upload.exists());
    agent.kill_both();
    assert!(!broken.is_healed() && state_dir.exists());
    let mut heal = Command::new(bring());
    let output = heal.args(["heal", "--state"]).arg(&state_dir).arg("--uploaded").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(broken.is_healed() && !upload.exists() && !state_dir.exists());
}

#[test]
fn a_killed_controller_heals() {
    let folder = tempfile::tempdir().unwrap();
    // Between us and the agent stands a process that holds its input, and is killed.
    let mut between = Command::new("sh");
    between.args(["-c", r#"cat <&3 | "$0" "$@" >&4 & wait"#, AGENT]);
    between.args(["serve", "--state"]).arg(folder.path().join("state")).args(["--lease", "30"]);
    let mut through = Command::new("sh");
    through.args(["-c", r#"exec 3<&0 4>&1; exec "$0" "$@""#]).arg(between.get_program());
    through.args(between.get_args());
    let mut agent = Agent::start_by_whole(through);
    let broken = Broken::make(&mut agent, folder.path());
    let text = support::must(&["ps", "-o", "pid=,comm=", "--ppid", &agent.child.id().to_string()]);
    let holder = text.lines().find(|line| line.trim().ends_with("cat")).unwrap();
    kill(holder.split_whitespace().next().unwrap().parse().unwrap(), SIGKILL);
    eventually("it is healed", || broken.is_healed());
    assert_eq!(agent.wait().code(), Some(0));
    assert!(!folder.path().join("state").exists());
}

#[test]
fn the_lease_heals() {
    let folder = tempfile::tempdir().unwrap();
    let state_dir = folder.path().join("state");
    let mut agent = Agent::start_by(Command::new(AGENT), &state_dir, 1);
    let broken = Broken::make(&mut agent, folder.path());
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(250));
        assert_eq!(agent.ask(Body::Renew), Ok(Answer::Done));
    }
    assert!(!broken.is_healed());
    let started = Instant::now();
    assert_eq!(agent.wait().code(), Some(0));
    assert!(broken.is_healed() && started.elapsed() > Duration::from_millis(900));
}

#[test]
fn signals_heal() {
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        let (folder, mut agent, broken) = broken_node();
        let guardian = i32::try_from(agent.child.id()).unwrap();
        kill(guardian, signal);
        assert_eq!(agent.wait().code(), Some(0), "{signal}");
        assert!(broken.is_healed() && !folder.path().join("state").exists());
    }
}

#[test]
fn the_guardian_heals_after_a_killed_worker() {
    let (folder, mut agent, broken) = broken_node();
    kill(agent.worker(), SIGKILL);
    // The controller hears of it at once, not after the healing.
    assert!(perjury_agent::frame::read(&mut agent.stdout).unwrap().is_none());
    assert_eq!(agent.wait().code(), Some(4));
    assert!(broken.is_healed() && !folder.path().join("state").exists());
}

#[test]
fn the_worker_heals_after_a_killed_guardian() {
    let (_folder, mut agent, broken) = broken_node();
    kill(i32::try_from(agent.child.id()).unwrap(), SIGKILL);
    eventually("it is healed", || broken.is_healed());
    agent.wait();
}

#[test]
fn after_both_are_killed_heal_works_from_the_journal() {
    let (folder, mut agent, broken) = broken_node();
    let state_dir = folder.path().join("state");
    agent.kill_both();
    assert!(!broken.is_healed());
    // A line that was being written when the power went.
    let journal = state_dir.join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, format!("{text}{{\"begin\":{{\"seq\":9,\"chan")).unwrap();
    let (code, said) = heal(&state_dir, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("service db killed (3 processes)"), "{said}");
    assert!(broken.is_healed() && !state_dir.exists());
    assert_eq!(heal(&state_dir, &[]).0, Some(0));
}

#[test]
fn the_next_agent_heals_what_a_dead_one_left() {
    let (folder, mut agent, broken) = broken_node();
    agent.kill_both();
    let mut next = Agent::start(&folder.path().join("state"));
    let Answer::Hello(Hello { healed, .. }) = next.ask(Body::Hello).unwrap() else { panic!() };
    assert_eq!((healed.undone.len(), healed.failed.len()), (3, 0), "{healed:?}");
    assert!(broken.is_healed());
}

#[test]
fn heal_leaves_a_working_agent_alone_or_takes_over() {
    let (folder, mut agent, broken) = broken_node();
    let state_dir = folder.path().join("state");
    let (code, said) = heal(&state_dir, &[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&agent.child.id().to_string()) && !broken.is_healed(), "{said}");
    assert_eq!(agent.ask(Body::Renew), Ok(Answer::Done));
    assert_eq!(heal(&state_dir, &["--take-over"]).0, Some(0));
    assert!(broken.is_healed());
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn a_second_agent_is_refused_and_the_first_works_on() {
    let (folder, mut first, broken) = broken_node();
    let mut command = Command::new(AGENT);
    command.args(["serve", "--state"]).arg(folder.path().join("state")).args(["--lease", "1"]);
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("in use") && said.contains(&first.child.id().to_string()), "{said}");
    assert!(!broken.is_healed());
    assert_eq!(first.ask(Body::Renew), Ok(Answer::Done));
    assert_eq!(first.close().code(), Some(0));
    assert!(broken.is_healed());
}

#[test]
fn a_request_can_heal_the_faults_and_keep_the_services() {
    let (_folder, mut agent, broken) = broken_node();
    let Answer::Healed(healed) = agent.ask(Body::Heal { services: false }).unwrap() else {
        panic!()
    };
    assert_eq!(healed.undone, ["service db continued (3 processes)"]);
    assert!(broken.pids.iter().all(|pid| state(*pid).is_some_and(|state| state != 'T')));
    let Answer::Healed(healed) = agent.ask(Body::Heal { services: true }).unwrap() else {
        panic!()
    };
    assert_eq!((healed.undone.len(), healed.failed.len()), (2, 0), "{healed:?}");
    assert!(broken.is_healed());
    // It is still at work.
    assert!(agent.ask(shell("true")).is_ok());
    let Answer::Healed(healed) = agent.ask(Body::Heal { services: true }).unwrap() else {
        panic!()
    };
    assert!(healed.undone.is_empty());
}

#[test]
fn a_running_command_does_not_outlive_the_agent() {
    for killed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut agent = Agent::start(&folder.path().join("state"));
        let pid = path(folder.path(), "pid");
        // What an earlier command left running on purpose is none of the agent's business.
        let daemon = "setsid sleep 50 >/dev/null 2>&1 </dev/null & echo $!";
        let Answer::Ran(ran) = agent.ask(shell(daemon)).unwrap() else { panic!() };
        let daemon: i32 = ran.stdout.text().trim().parse().unwrap();
        agent.send(shell(&format!("sleep 60 & echo $! > {pid}; wait")));
        let read = || fs::read_to_string(&pid).ok()?.trim().parse().ok();
        eventually("it runs", || read().is_some_and(|pid| state(pid).is_some()));
        if killed {
            std::thread::sleep(Duration::from_millis(20));
            kill(agent.worker(), SIGKILL);
            assert_eq!(agent.wait().code(), Some(4));
        } else {
            assert_eq!(agent.close().code(), Some(0));
        }
        eventually("it is gone", || state(read().unwrap()).is_none());
        assert!(state(daemon.try_into().unwrap()).is_some());
        kill(daemon, SIGKILL);
    }
}

#[test]
fn a_recycled_number_in_the_journal_is_not_signalled() {
    let folder = tempfile::tempdir().unwrap();
    let mut innocent = Command::new("setsid").args(["sleep", "60"]).spawn().unwrap();
    let pid = innocent.id();
    let family = format!(r#"{{"pid":{pid},"start":1,"mark":"of-another-time"}}"#);
    let line = format!(
        r#"{{"begin":{{"seq":1,"change":{{"service":{{"name":"db","family":{family}}}}}}}}}"#
    );
    fs::write(folder.path().join("journal.jsonl"), line + "\n").unwrap();
    let (code, said) = heal(folder.path(), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("had ended already"), "{said}");
    assert!(state(pid).is_some());
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}

#[test]
fn an_unreadable_journal_is_kept_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.jsonl");
    fs::write(&journal, "what is this\n").unwrap();
    let (code, said) = heal(folder.path(), &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("line 1") && journal.exists(), "{said}");
}

#[test]
fn a_full_disk_is_told_in_clear_words() {
    if !support::is_root() {
        return support::skipped("a full disk", "not root, so no tmpfs can be mounted");
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = path(folder.path(), "disk");
    fs::create_dir(&disk).unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", &disk];
    if !Command::new("mount").args(mount).status().is_ok_and(|status| status.success()) {
        return support::skipped("a full disk", "no tmpfs can be mounted");
    }
    let mut agent = Agent::start(&folder.path().join("state"));
    let file = format!("{disk}/file");
    let write = |bytes: Vec<u8>, append| {
        let write = perjury_agent::protocol::Write {
            path: file.clone(),
            bytes: bytes.into(),
            mode: 0o644,
            owner: None,
            append,
        };
        Body::Write(write)
    };
    let failure = agent.ask(write(vec![7; 1 << 20], false)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::DiskFull);
    assert!(failure.message.contains("disk is full") && failure.message.contains(&file));
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 0, "nothing half-written stays");
    agent.ask(write(vec![1; 5000], false)).unwrap();
    assert_eq!(agent.ask(write(vec![7; 1 << 20], true)).unwrap_err().kind, FailureKind::DiskFull);
    assert_eq!(fs::metadata(&file).unwrap().len(), 5000);
    drop(agent);
    // A journal that cannot be written stops the change, not the healing.
    let state_dir = format!("{disk}/state");
    let mut agent = Agent::start(Path::new(&state_dir));
    agent.ask(Body::Renew).unwrap();
    let fill = shell(&format!("cat /dev/zero > {disk}/fill; true"));
    agent.ask(fill).unwrap();
    // The page that the journal began has room for some more lines.
    let mut refused = None;
    for number in 0..100 {
        let made = path(folder.path(), &format!("{number}/x"));
        let make = MakeDir { path: made, mode: 0o755, owner: None, remove_on_heal: true };
        if let Err(failure) = agent.ask(Body::MakeDir(make)) {
            refused = Some((number, failure));
            break;
        }
    }
    let (number, failure) = refused.unwrap();
    assert_eq!(failure.kind, FailureKind::DiskFull, "{failure}");
    assert!(!folder.path().join(number.to_string()).exists());
    assert_eq!(agent.close().code(), Some(0));
    assert!(!folder.path().join("0").exists());
    support::must(&["umount", &disk]);
}
