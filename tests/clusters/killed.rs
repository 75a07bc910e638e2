//! What is left of a maker that was killed, and how it goes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use perjury::clusters::{self, LeftoverKind, LocalSpec, Places, Spec};

use crate::bench::{CHILD_NAME, CHILD_STATE, alive_with, bench, mounted_below, name, say};

/// Not a test: what a child does for the tests below.
#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_up() {
    let (Some(places), Ok(name)) = (child_places(), std::env::var(CHILD_NAME)) else { return };
    let spec = LocalSpec { name, nodes: 3, ..LocalSpec::default() };
    clusters::up(&places, &Spec::Local(spec), &say).unwrap();
}

fn child_places() -> Option<Places> {
    let state = PathBuf::from(std::env::var_os(CHILD_STATE)?);
    Some(Places { state, ..Places::from_env() })
}

#[test]
fn a_maker_that_is_killed_leaves_nothing_that_down_does_not_remove() {
    let Some(bench) = bench("kill -9 of the maker", &[]) else { return };
    // The base tree is built first: its minutes are not what is cut here.
    let warm = name("warm");
    bench.up(&bench.local(&warm, 1));
    bench.down(&warm);
    // Each of these appears at another moment of `up`.
    for moment in [
        "record.json",
        "keys/known_hosts",
        "node.sh",
        "nodes/n1/log",
        "nodes/n3/life.json",
        "inventory.json",
    ] {
        let name = name("killed");
        let mut child = bench.child("child_up", &name);
        let seen = bench.places.state.join("clusters").join(&name).join(moment);
        await_file(&seen, &mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        let whole = clusters::inventory(&bench.places, &name).unwrap().is_some();
        let left = clusters::leftovers(&bench.places);
        eprintln!("  killed at {moment}: whole {whole}, left {left:?}");
        assert_eq!(left.iter().any(|left| left.what.contains(&name) && left.ours), !whole);
        bench.down(&name);
        bench.assert_nothing_left(&name);
    }
}

#[test]
fn a_build_that_is_cut_leaves_a_folder_that_nobody_takes_for_whole() {
    let Some(mut bench) = bench("a cut build", &[]) else { return };
    bench.places.cache = bench.folder.path().join("cache");
    let name = name("cut");
    let mut child = bench.child("child_up", &name);
    let begun = || {
        let entries = fs::read_dir(&bench.places.cache).into_iter().flatten().flatten();
        let logs = entries.filter_map(|entry| fs::metadata(entry.path()).ok());
        logs.into_iter().any(|log| log.is_file() && log.len() > 0)
    };
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it built anything");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let cache = bench.places.cache.display().to_string();
    let deadline = Instant::now() + Duration::from_secs(5);
    while !alive_with(&cache).is_empty() {
        assert!(Instant::now() < deadline, "{:?}", alive_with(&cache));
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(mounted_below(&cache), Vec::<String>::new());
    let left = clusters::leftovers(&bench.places);
    assert!(left.iter().any(|left| left.kind == LeftoverKind::Build), "{left:?}");
    clusters::down_all(&bench.places, &say).unwrap();
    bench.assert_nothing_left(&name);
    let folders = fs::read_dir(&bench.places.cache).unwrap().flatten();
    assert_eq!(folders.filter(|entry| entry.path().is_dir()).count(), 0);
}

fn await_file(path: &Path, child: &mut Child) {
    while !path.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before {}", path.display());
        thread::sleep(Duration::from_micros(200));
    }
}
