//! Memory and files are corrupted where it was asked, reported with what stood there, and reverted
//! where that was promised.
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

mod support;

use std::fs;
use std::path::Path;

use perjury_agent::Bytes;
use perjury_agent::corruption::{
    Aim, Copies, Corrupted, Damage, FileDamage, MemoryFlip, Place, Snapshot,
};
use perjury_agent::protocol::{Answer, Body, Failure, FailureKind, MakeDir, Signal, Write};
use perjury_agent::proxy::Pattern;
use support::{Agent, eventually, path, service};

const OLD: &str = "pj1runaaaaakeyaaaaaaaaaabprocemacmacmacmacm";
const NEW: &str = "pj1runaaaaakeyaaaaaaaaa2procemacmacmacmacm2";
const OTHER: &str = "pj1runaaaaakeybbbaaaaaaabprocemacmacmacmac";

fn live(keys: u32, copies: Copies) -> Aim {
    Aim::Live { pattern: Pattern::default(), keys, copies }
}

/// A node with one file of a database.
struct Node {
    folder: tempfile::TempDir,
    agent: Agent,
}

impl Node {
    fn with(name: &str, content: &[u8]) -> Node {
        let folder = tempfile::tempdir().unwrap();
        let mut agent = Agent::start(&folder.path().join("state"));
        let data = path(folder.path(), "data");
        let make = MakeDir { path: data.clone(), mode: 0o755, owner: None, remove_on_heal: true };
        agent.ask(Body::MakeDir(make)).unwrap();
        let mut node = Node { folder, agent };
        node.write(name, content);
        node
    }

    fn data(&self) -> String {
        path(self.folder.path(), "data")
    }

    fn write(&mut self, name: &str, content: &[u8]) {
        let path = format!("{}/{name}", self.data());
        let (bytes, owner) = (Bytes(content.to_vec()), None);
        let write = Write { path, bytes, mode: 0o644, owner, append: false };
        self.agent.ask(Body::Write(write)).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(Path::new(&self.data()).join(name)).unwrap()
    }

    fn damage(&mut self, kind: Damage, seed: u64) -> Corrupted {
        let suffix = String::new();
        let request = FileDamage { path: self.data(), suffix, kind, seed, revert: true };
        corrupted(self.agent.ask(Body::DamageFiles(request)))
    }

    fn heal(&mut self) -> Vec<String> {
        let Ok(Answer::Healed(healed)) = self.agent.ask(Body::Heal { services: false }) else {
            panic!("not healed");
        };
        assert_eq!(healed.failed, Vec::<String>::new());
        healed.undone
    }
}

fn corrupted(answer: Result<Answer, Failure>) -> Corrupted {
    match answer {
        Ok(Answer::Corrupted(corrupted)) => corrupted,
        other => panic!("{other:?}"),
    }
}

/// How many bits differ.
fn bits(left: &[u8], right: &[u8]) -> u32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(left, right)| (left ^ right).count_ones()).sum()
}

fn pages(count: u8) -> Vec<u8> {
    (1..=count).flat_map(|page| [page; 4096]).collect()
}

#[test]
fn a_live_value_in_the_memory_of_a_service_is_flipped_and_flipped_back() {
    let mut node = Node::with("value", NEW.as_bytes());
    let mut db = service("db", node.folder.path(), "");
    let script =
        "v=$(cat value); while :; do echo $v > said.new; mv said.new said; sleep 0.05; done";
    db.argv = ["sh", "-c", script].map(str::to_string).to_vec();
    db.cwd = Some(node.data());
    node.agent.start_service(&db);
    let said = Path::new(&node.data()).join("said");
    let says = |value: &str| fs::read_to_string(&said).is_ok_and(|said| said.trim() == value);
    eventually("it serves", || says(NEW));
    let flip = |aim: Aim| {
        Body::FlipMemory(MemoryFlip { service: "db".into(), aim, seed: 7, revert: true })
    };
    let done = corrupted(node.agent.ask(flip(live(1, Copies::All))));
    assert!(done.shortfall.is_empty() && done.searched_bytes > 0, "{done:?}");
    for Place { before, after, length, at } in &done.places {
        assert_eq!((before.text().as_str(), *length), (NEW, 43));
        assert!(bits(&before.0, &after.0) == 1 && at.starts_with("process "), "{at}");
    }
    let lie = done.places[0].after.text();
    eventually("it serves the lie", || says(&lie));
    let undone = node.heal();
    assert!(undone.iter().any(|text| text.ends_with("flipped back")), "{undone:?}");
    eventually("it serves the truth", || says(NEW));

    let nothing = corrupted(
        node.agent.ask(flip(Aim::Bytes { bytes: "nobody wrote this".into(), copies: Copies::All })),
    );
    assert!(nothing.places.is_empty() && nothing.shortfall.contains("nothing"), "{nothing:?}");
    let random = corrupted(node.agent.ask(flip(Aim::Random { bits: 3 })));
    assert_eq!(random.places.iter().map(|p| bits(&p.before.0, &p.after.0)).sum::<u32>(), 3);
}

#[test]
fn a_service_that_is_stopped_stays_stopped_while_its_memory_is_flipped() {
    let mut node = Node::with("value", NEW.as_bytes());
    let pid = node.agent.start_service(&service("db", node.folder.path(), "sleep 300"));
    let stop = Body::Signal { name: "db".into(), signal: Signal::Stop };
    node.agent.ask(stop).unwrap();
    let aim = Aim::Random { bits: 1 };
    let flip = MemoryFlip { service: "db".into(), aim, seed: 1, revert: true };
    assert_eq!(corrupted(node.agent.ask(Body::FlipMemory(flip))).places.len(), 1);
    assert_eq!(support::state(pid), Some('T'));
    node.heal();
    assert_ne!(support::state(pid), Some('T'));
}

#[test]
fn only_what_the_agent_brought_is_corrupted() {
    let mut node = Node::with("value", NEW.as_bytes());
    let outside = path(node.folder.path(), "outside");
    fs::write(&outside, NEW).unwrap();
    std::os::unix::fs::symlink(&outside, Path::new(&node.data()).join("link")).unwrap();
    for path in [outside.clone(), format!("{}/link", node.data()), "/etc".into()] {
        let kind = Damage::Zero { blocks: 1 };
        let request = FileDamage { path, suffix: String::new(), kind, seed: 1, revert: false };
        let refused = node.agent.ask(Body::DamageFiles(request)).unwrap_err();
        assert_eq!(refused.kind, FailureKind::NotPermitted, "{refused}");
    }
    // Nor through a link inside, while its neighbour is.
    assert_eq!(node.damage(Damage::Flip(live(9, Copies::All)), 1).places.len(), 1);
    assert_eq!(fs::read_to_string(&outside).unwrap(), NEW);
    let aim = Aim::Random { bits: 1 };
    let flip = MemoryFlip { service: "init".into(), aim, seed: 1, revert: false };
    let refused = node.agent.ask(Body::FlipMemory(flip)).unwrap_err();
    assert_eq!(refused.kind, FailureKind::NotFound);
}

#[test]
fn the_newest_value_of_a_key_is_flipped_on_disk_in_all_copies_or_in_one() {
    let content = format!("{OLD}..{NEW}.{OTHER}aa...{NEW}");
    let mut node = Node::with("db", content.as_bytes());
    let all = node.damage(Damage::Flip(live(9, Copies::All)), 3);
    // OTHER is one byte short of its width; what follows it fills that up, so it is a value.
    let flipped: Vec<String> = all.places.iter().map(|place| place.before.text()).collect();
    assert_eq!(flipped.iter().filter(|text| *text == NEW).count(), 2, "{flipped:?}");
    assert!(!flipped.iter().any(|text| text == OLD), "{flipped:?}");
    assert_eq!(bits(&node.read("db"), content.as_bytes()), u32::try_from(flipped.len()).unwrap());
    node.heal();
    assert_eq!(node.read("db"), content.as_bytes());
    let again = node.damage(Damage::Flip(live(9, Copies::All)), 3);
    assert_eq!(again, all, "the same seed corrupts the same");
    node.heal();
    assert_eq!(node.damage(Damage::Flip(live(1, Copies::One)), 3).places.len(), 1);
}

#[test]
fn a_value_across_two_pieces_of_a_file_is_found_once() {
    let mut content = vec![b'.'; (1 << 20) - 20];
    content.extend_from_slice(NEW.as_bytes());
    content.extend_from_slice(&[b'.'; 100]);
    let mut node = Node::with("db", &content);
    assert_eq!(node.damage(Damage::Flip(live(9, Copies::All)), 3).places.len(), 1);
}

#[test]
fn blocks_are_zeroed_misdirected_torn_and_cut_off_and_come_back() {
    let content = pages(8);
    let mut node = Node::with("db", &content);
    let zeroed = node.damage(Damage::Zero { blocks: 2 }, 1);
    assert_eq!(node.read("db").iter().filter(|byte| **byte == 0).count(), 2 * 4096);
    assert!(zeroed.places.iter().all(|place| place.length == 4096 && place.before.0.len() == 64));
    node.heal();
    assert_eq!(node.read("db"), content);

    node.damage(Damage::Misdirect { blocks: 1 }, 2);
    let now = node.read("db");
    let changed: Vec<usize> = (0..8).filter(|p| now[p * 4096] != content[p * 4096]).collect();
    assert!(changed.len() == 1 && !now.contains(&0) && now.len() == content.len());
    node.heal();
    assert_eq!(node.read("db"), content);

    node.damage(Damage::Torn, 3);
    let zeros = node.read("db").iter().rev().take_while(|byte| **byte == 0).count();
    assert!(zeros % 512 == 0 && (512..4096).contains(&zeros), "{zeros}");
    node.heal();
    assert_eq!(node.read("db"), content);

    node.damage(Damage::Truncate { bytes: 100 }, 4);
    assert_eq!(node.read("db"), content[..content.len() - 100]);
    node.heal();
    assert_eq!(node.read("db"), content);

    assert_eq!(node.damage(Damage::Flip(Aim::Random { bits: 5 }), 5).places.len(), 5);
    assert_eq!(bits(&node.read("db"), &content), 5);
    node.heal();
    assert_eq!(node.read("db"), content);
}

#[test]
fn what_was_overwritten_since_is_not_reverted() {
    let mut node = Node::with("db", &pages(1));
    node.damage(Damage::Zero { blocks: 1 }, 1);
    node.write("db", &[9; 4096]);
    let undone = node.heal();
    assert!(undone[0].ends_with("overwritten since"), "{undone:?}");
    assert_eq!(node.read("db"), [9; 4096]);
    let empty = node.damage(Damage::Flip(live(1, Copies::All)), 1);
    assert!(empty.places.is_empty() && !empty.shortfall.is_empty(), "{empty:?}");
}

#[test]
fn an_older_copy_of_a_directory_comes_back_and_leaves_nothing_behind() {
    let mut node = Node::with("db", b"older");
    let copy = || Snapshot { path: String::new(), name: "before".into() };
    let copy = |node: &Node| Snapshot { path: node.data(), ..copy() };
    let missing = node.agent.ask(Body::RestoreCopy(copy(&node))).unwrap_err();
    assert_eq!(missing.kind, FailureKind::NotFound);
    node.agent.ask(Body::TakeCopy(copy(&node))).unwrap();
    node.write("db", b"newer");
    node.write("log", b"more");
    node.agent.ask(Body::RestoreCopy(copy(&node))).unwrap();
    assert_eq!(node.read("db"), b"older");
    assert!(!Path::new(&node.data()).join("log").exists());
    let Node { folder, agent } = node;
    assert_eq!(agent.close().code(), Some(0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
}
