//! The static binary in a root directory that holds nothing else.
//!
//! It is not built here: `PERJURY_STATIC_AGENT` names it (the Makefile sets it after `make agent`).
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

mod support;

use std::fs;
use std::process::Command;

use perjury_agent::protocol::{Ability, Answer, Body, Ended, FailureKind, Ran, Run, Write};
use support::{Agent, is_root, service, skipped};

#[test]
fn the_static_binary_works_in_an_empty_root() {
    let Some(binary) = std::env::var_os("PERJURY_STATIC_AGENT") else {
        return skipped("the empty root", "PERJURY_STATIC_AGENT does not name the static binary");
    };
    if !is_root() {
        return skipped("the empty root", "not root, so there is no chroot");
    }
    let size = fs::metadata(&binary).unwrap().len();
    assert!(size < 3_000_000, "{size} bytes");
    let root = tempfile::tempdir().unwrap();
    fs::copy(&binary, root.path().join("perjury-agent")).unwrap();
    let mut command = Command::new("chroot");
    command.arg(root.path()).arg("/perjury-agent");
    let mut agent = Agent::start_by(command, "/state".as_ref(), 30);
    let Answer::Hello(hello) = agent.ask(Body::Hello).unwrap() else { panic!() };
    assert_eq!((hello.uid, hello.version.as_str()), (0, perjury_agent::VERSION));
    assert!(matches!(hello.cut, Ability::No(why) if why.contains("neither nft")));
    assert!(matches!(hello.services, Ability::No(_)));
    let write = Write {
        path: "/file".to_string(),
        bytes: "x".into(),
        mode: 0o600,
        owner: Some(perjury_agent::protocol::Account { uid: 12345, gid: 54321 }),
        append: false,
    };
    assert_eq!(agent.ask(Body::Write(write)), Ok(Answer::Done));
    let argv = vec!["/perjury-agent".to_string(), "version".to_string()];
    let user = Some(perjury_agent::protocol::Account { uid: 12345, gid: 54321 });
    let version = Run { argv, user, timeout_ms: 5000, ..Run::default() };
    let Answer::Ran(Ran { ended, stdout, .. }) = agent.ask(Body::Run(version)).unwrap() else {
        panic!()
    };
    assert_eq!(ended, Ended::Exited(0));
    assert_eq!(stdout.text(), format!("perjury-agent {}\n", perjury_agent::VERSION));
    let start = Body::Start(service("db", "/".as_ref(), "true"));
    assert_eq!(agent.ask(start).unwrap_err().kind, FailureKind::Unsupported);
    let cut = Body::Cut { drop_from: vec!["10.0.0.1".parse().unwrap()] };
    assert_eq!(agent.ask(cut).unwrap_err().kind, FailureKind::Unsupported);
    assert_eq!(agent.close().code(), Some(0));
    assert!(!root.path().join("state").exists());
}
