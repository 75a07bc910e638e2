//! Files that something has happened to: whatever can still be read is judged without a panic, the
//! same entry by entry and as a whole, and a reader of entries sees what a reader of files sees.

use std::fs;
use std::path::{Path, PathBuf};

use perjury_checkers::{Budget, ModelName, Online, Options, judge};
use perjury_history::import::{self, Dialect};
use perjury_history::{Entries, Entry, Event, History, Phase, Verdict, read_file};

use crate::prng::Prng;

const SAMPLES: [&str; 5] =
    ["mutated.edn", "mutated.json", "mutated.log", "mutated-kv.txt", "mutated.jsonl"];

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn folder(name: &str) -> Folder {
    let folder = std::env::temp_dir().join(format!("perjury-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    Folder(folder)
}

fn sample(name: &str) -> Vec<u8> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../history/src/import/tests");
    fs::read(samples.join(name)).unwrap()
}

/// Doubles, swaps and drops whole lines, and overwrites single digits: much of that can be read.
fn mutate(bytes: &[u8], prng: &mut Prng) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..1 + prng.below(4) {
        let count = lines.len() as u64;
        let (one, other) = (prng.below(count) as usize, prng.below(count) as usize);
        match prng.below(5) {
            0 if lines.len() > 2 => drop(lines.remove(one)),
            1 => lines.insert(other, lines[one].clone()),
            2 => lines.swap(one, other),
            _ => {
                let is_digit = |at: &usize| lines[one][*at].is_ascii_digit();
                let digits: Vec<usize> = (0..lines[one].len()).filter(is_digit).collect();
                if let Some(at) = digits.get(prng.below(1 + digits.len() as u64) as usize) {
                    lines[one][*at] = b'0' + prng.below(10) as u8;
                }
            }
        }
    }
    lines.join(&b'\n')
}

/// The verdict entry by entry; `None` if it cannot be judged.
fn online(history: &History, options: &Options) -> Option<Verdict> {
    let mut online = Online::new(options.clone());
    let load = |entry: &&Entry| !matches!(entry.event, Event::Phase(Phase::Scrub));
    for entry in history.entries.iter().take_while(load) {
        if online.push(entry).ok()?.is_some() {
            return Some(Verdict::Invalid);
        }
    }
    Some(online.finish().verdict)
}

#[test]
fn what_can_be_read_of_a_damaged_file_is_judged_without_a_panic() {
    let folder = folder("mutated");
    let path = folder.0.join("history");
    let mut prng = Prng(77);
    let (mut judged, mut invalid) = (0, 0);
    for name in SAMPLES {
        let bytes = sample(name);
        for _ in 0..300 {
            fs::write(&path, mutate(&bytes, &mut prng)).unwrap();
            let Ok(imported) = import::read(&path, None, &Dialect::default()) else { continue };
            let named = imported.model.as_deref().and_then(|word| word.parse().ok());
            let Some(model): Option<ModelName> = named else { continue };
            let budget = Budget { states: Some(20_000), ..Budget::default() };
            let options = Options { budget, ..Options::new(model) };
            let findings = judge(&imported.history, &options);
            let decided = |finding: &&perjury_history::Finding| {
                ["linearizable", "set-full"].contains(&finding.checker.as_str())
            };
            let whole = findings.iter().find(decided).map(|finding| finding.verdict);
            let told = online(&imported.history, &options);
            judged += 1;
            let (Some(whole), Some(told)) = (whole, told) else { continue };
            let text = || String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            if whole != Verdict::Unknown && told != Verdict::Unknown {
                assert_eq!(told, whole, "{name} as {model}:\n{}", text());
            }
            invalid += u32::from(whole == Verdict::Invalid);
        }
    }
    assert!(judged > 300 && invalid > 20, "{judged} were judged, {invalid} were invalid");
}

#[test]
fn entry_by_entry_a_damaged_file_reads_as_it_does_as_a_whole() {
    let folder = folder("streamed");
    let path = folder.0.join("history.jsonl");
    let mut prng = Prng(78);
    let bytes = sample("mutated.jsonl");
    let mut read = 0;
    for round in 0..600 {
        let mut bytes = mutate(&bytes, &mut prng);
        if round % 3 == 0 {
            bytes.truncate(prng.below(bytes.len() as u64) as usize);
        }
        fs::write(&path, bytes).unwrap();
        let whole = read_file(&path).map(|history| history.entries).ok();
        let one_by_one = || {
            let mut entries = Entries::open(&path).ok()?;
            let mut all = Vec::new();
            while let Some(entry) = entries.read().ok()? {
                all.push(entry);
            }
            Some(all)
        };
        read += u32::from(whole.is_some());
        let text = || String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        assert_eq!(one_by_one(), whole, "{}", text());
    }
    assert!(read > 10, "{read} could be read");
}
