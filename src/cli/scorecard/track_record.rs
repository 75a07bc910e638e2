//! The checkers on trial: the toy with each of its lies switched on has to be found, its liar and
//! nobody else has to be named, and without a lie nothing may be found.
//!
//! Every run is a real one: processes, sockets, agents. Several are carried out at once, each on
//! addresses of its own. What a run came to is a line in `track-record.jsonl`; a run that stands
//! there is not made again. The folder of a run that went as it should is removed.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use perjury_history::{Confidence, Judgement, NodeName, Verdict};
use serde::{Deserialize, Serialize};

use super::ScorecardError;
use super::options::Scorecard;
use super::text::{Table, file_error};
use crate::cli::Exit;
use crate::cli::judge::judge_alone;
use crate::cli::single::carry_out;
use crate::clusters::{self, Inventory, Places, ProcessesSpec};
use crate::config::{Expect, Kind, Names, RUN_SCHEMA, RunSpec, WorkloadSpec, load};
use crate::databases::{Spec, toy};
use crate::seed::Seed;
use crate::{nemeses, workloads};

/// How many nodes the toy has.
const NODES: u16 = 4;
/// A key is left after so many operations: lies need other keys and old values.
const OPS_PER_KEY: u64 = 24;
/// The same for lies about keys that are not there yet, and the share of reads.
const NEW_KEYS: (u64, u64) = (6, 8);

/// One run that is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Trial {
    lie: Option<toy::Lie>,
    seed: String,
    /// The place of the liar, from 0.
    liar: usize,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Outcome {
    #[serde(flatten)]
    trial: Trial,
    /// How many lies the liar wrote down.
    told: u64,
    /// How many anomalies were proved.
    anomalies: u64,
    verdict: Verdict,
    /// Who was named, proved or implicated.
    named: BTreeSet<NodeName>,
}

impl Outcome {
    fn liar(&self) -> NodeName {
        NodeName::from(format!("n{}", self.trial.liar + 1))
    }

    /// Did it go as it should?
    fn is_right(&self) -> bool {
        match self.told {
            0 => self.verdict == Verdict::Valid,
            _ => self.anomalies > 0 && self.named == BTreeSet::from([self.liar()]),
        }
    }
}

/// Makes the runs and writes the table; an anomaly is a run that did not go as it should.
pub(super) fn run(options: &Scorecard, seeds: u32) -> Result<Exit, ScorecardError> {
    std::fs::create_dir_all(&options.out).map_err(file_error(&options.out))?;
    let ledger = options.out.join("track-record.jsonl");
    let mut outcomes = known(&ledger)?;
    let root = options.seeds.first().copied().unwrap_or(Seed(1));
    let all: Vec<Trial> = trials(root, seeds);
    let missing: Vec<&Trial> =
        all.iter().filter(|trial| !outcomes.iter().any(|one| one.trial == **trial)).collect();
    eprintln!("perjury: {} runs, {} of them to be made", all.len(), missing.len());
    let file = std::fs::File::options().create(true).append(true).open(&ledger);
    let file = Mutex::new(file.map_err(file_error(&ledger))?);
    let next = AtomicUsize::new(0);
    let made = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let worker = |block: u8| {
            let (next, made, file, missing) = (&next, &made, &file, &missing);
            move || -> Result<(), ScorecardError> {
                let bench = Bench::up(block)?;
                while let Some(trial) = missing.get(next.fetch_add(1, Relaxed)) {
                    let Some(outcome) = bench.carry_out(trial, options)? else { continue };
                    let mut line = serde_json::to_vec(&outcome)?;
                    line.push(b'\n');
                    locked(file).write_all(&line).map_err(file_error(&options.out))?;
                    let mut made = locked(made);
                    made.push(outcome);
                    if made.len().is_multiple_of(50) {
                        eprintln!("perjury: {} of {} runs", made.len(), missing.len());
                    }
                }
                Ok(())
            }
        };
        let threads: Vec<_> =
            (1..=options.parallel).map(|block| scope.spawn(worker(block))).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    outcomes.extend(locked(&made).drain(..));
    outcomes.retain(|outcome| all.contains(&outcome.trial));
    let text = page(&outcomes, root, seeds, options);
    let path = options.out.join("track-record.md");
    std::fs::write(&path, &text).map_err(file_error(&path))?;
    print!("{text}");
    Ok(match () {
        () if outcomes.len() < all.len() => Exit::Infrastructure,
        () if outcomes.iter().all(Outcome::is_right) => Exit::Valid,
        () => Exit::Anomaly,
    })
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What was made before.
fn known(ledger: &Path) -> Result<Vec<Outcome>, ScorecardError> {
    match std::fs::read_to_string(ledger) {
        // A line that breaks off is a run that is made again.
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(file_error(ledger)(error)),
    }
}

/// Each lie and none, with so many seeds each.
fn trials(root: Seed, seeds: u32) -> Vec<Trial> {
    let lies: Vec<Option<toy::Lie>> =
        std::iter::once(None).chain(toy::Lie::ALL.map(Some)).collect();
    // Seed by seed, so that a part of the record says something of every lie.
    let one = |at: u32, lie: Option<toy::Lie>| {
        let name = lie.map_or("none", toy::Lie::name);
        let mut stream = root.stream(&format!("track record {name} {at}"));
        let seed = Seed(stream.draw()).to_string();
        let liar = stream.below(u64::from(NODES)) as usize;
        Trial { lie, seed, liar }
    };
    (0..seeds).flat_map(|at| lies.iter().map(move |lie| one(at, *lie))).collect()
}

/// A cluster of processes for one run after the other.
struct Bench {
    places: Places,
    inventory: Inventory,
    cluster: clusters::Spec,
}

impl Bench {
    fn up(block: u8) -> Result<Bench, ScorecardError> {
        let places = Places::from_env();
        let name = format!("track-record-{block}");
        let cluster = clusters::Spec::Processes(ProcessesSpec { name, nodes: NODES, block });
        // What an interrupted record left.
        if clusters::list(&places).iter().any(|known| known == cluster.name()) {
            clusters::down(&places, cluster.name(), &|_| ())?;
        }
        let inventory = clusters::up(&places, &cluster, &|_| ())?;
        Ok(Bench { places, inventory, cluster })
    }

    /// Nothing if the harness spoiled the run: it is made again the next time.
    fn carry_out(
        &self,
        trial: &Trial,
        options: &Scorecard,
    ) -> Result<Option<Outcome>, ScorecardError> {
        let spec = self.spec(trial, options)?;
        let (folder, _) = carry_out(&spec, &self.inventory, &options.out.join("runs"), None)?;
        let judgement = judge_alone(&folder, None, options.budget.build())?;
        if let Some(why) = judgement.compromised {
            eprintln!("perjury: {}: compromised: {why}", folder.path().display());
            return Ok(None);
        }
        let truth = folder.node_files().into_iter().filter(|(_, name, _)| name == toy::TRUTH);
        let lines =
            |path: &Path| std::fs::read_to_string(path).map(|text| text.lines().count() as u64);
        let mut told = 0;
        for (_, _, path) in truth {
            told += lines(&path).map_err(file_error(&path))?;
        }
        let outcome = Outcome {
            trial: trial.clone(),
            told,
            anomalies: judgement.findings.iter().map(|finding| finding.anomaly_count).sum(),
            verdict: judgement.verdict,
            named: named(&judgement),
        };
        if outcome.is_right() {
            std::fs::remove_dir_all(folder.path()).map_err(file_error(folder.path()))?;
        } else {
            eprintln!("perjury: {}: {outcome:?}", folder.path().display());
        }
        Ok(Some(outcome))
    }

    fn spec(&self, trial: &Trial, options: &Scorecard) -> Result<RunSpec, ScorecardError> {
        let mut workload: WorkloadSpec = load(Kind::Workload, "register")?;
        workload.time_limit = options.time_limit;
        workload.rate = 300.0;
        if let workloads::Spec::Register(register) = &mut workload.load {
            register.ops_per_key = OPS_PER_KEY;
            if trial.lie == Some(toy::Lie::Default) {
                (register.ops_per_key, register.reads) = NEW_KEYS;
            }
        }
        Ok(RunSpec {
            schema: RUN_SCHEMA,
            seed: trial.seed.clone(),
            names: Names {
                cluster: self.cluster.name().to_owned(),
                database: format!("toy-{}", trial.lie.map_or("clean", toy::Lie::name)),
                workload: "register".into(),
                nemesis: "none".into(),
            },
            expect: if trial.lie.is_some() { Expect::Invalid } else { Expect::Valid },
            online: false,
            cluster: self.cluster.clone(),
            database: Spec::Toy(toy::Options {
                lie: trial.lie,
                liar: trial.liar,
                ..toy::Options::default()
            }),
            workload,
            nemesis: nemeses::Spec { settle: std::time::Duration::ZERO, ..Default::default() },
        })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(error) = clusters::down(&self.places, self.cluster.name(), &|_| ()) {
            eprintln!("perjury: {error}");
        }
    }
}

fn named(judgement: &Judgement) -> BTreeSet<NodeName> {
    let anomalies = judgement.findings.iter().flat_map(|finding| &finding.anomalies);
    let accused = anomalies.flat_map(|anomaly| &anomaly.accused);
    let sure = accused.filter(|one| one.confidence >= Confidence::Implicated);
    sure.map(|one| one.node.clone()).collect()
}

/// The table, with the command.
fn page(outcomes: &[Outcome], root: Seed, seeds: u32, options: &Scorecard) -> String {
    let head =
        ["lie", "runs", "told a lie", "found", "liar named", "others named", "recall", "precision"];
    let mut table = Table::new(&head);
    for lie in std::iter::once(None).chain(toy::Lie::ALL.map(Some)) {
        let of: Vec<&Outcome> = outcomes.iter().filter(|one| one.trial.lie == lie).collect();
        let told: Vec<&&Outcome> = of.iter().filter(|one| one.told > 0).collect();
        let found = of.iter().filter(|one| one.anomalies > 0).count();
        let right = told.iter().filter(|one| one.named.contains(&one.liar())).count();
        let blamed =
            |one: &&&Outcome| one.named.iter().any(|node| one.told == 0 || *node != one.liar());
        let wrong = of.iter().filter(blamed).count();
        let share = |part: usize, all: usize| match all {
            0 => "–".to_owned(),
            _ => format!("{:.3}", part as f64 / all as f64),
        };
        table.row([
            lie.map_or("none", toy::Lie::name).to_owned(),
            of.len().to_string(),
            told.len().to_string(),
            found.to_string(),
            right.to_string(),
            wrong.to_string(),
            share(right, told.len()),
            share(right, right + wrong),
        ]);
    }
    let length = crate::duration::format(options.time_limit);
    format!(
        "# Track record\n\n{INTRODUCTION}\n\n{}\n    perjury scorecard --track-record {seeds} \
         --seeds {root} --time-limit {length}\n\n{} runs of {}, perjury {}.\n",
        table.markdown(),
        outcomes.len(),
        seeds as usize * (toy::Lie::ALL.len() + 1),
        env!("CARGO_PKG_VERSION")
    )
}

const INTRODUCTION: &str = "\
The checkers on trial, over real clusters of the built-in toy: four processes, of which one (drawn
from the seed) lies in one way (`src/databases/toy/insider.rs`) and writes down what it said; and
the toy without a liar. *Found*: an anomaly was proved. *Liar named*: it was proved or implicated to
have lied. *Others named*: somebody else was. Recall is the share of the runs with a lie in which
the liar was named, precision the share of the namings that were right.";
