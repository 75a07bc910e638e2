//! The runs of a scorecard: f = 0, 1, 2, … liars for each lie and each seed, one after the other.
//!
//! What was made stands in `<database>.json` with the declaration that it was made by, and is not
//! made again; another declaration begins a new card.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use super::ScorecardError;
use super::cell::{Cell, Name};
use super::options::Scorecard;
use super::page::page;
use super::strategy::{self, Strategy};
use super::text::file_error;
use crate::cli::Exit;
use crate::cli::judge::judge_run;
use crate::cli::single::{carry_out, cluster};
use crate::clusters::{self, Inventory, Places};
use crate::config::{Expect, Names, RunSpec};
use crate::seed::Seed;
use crate::store::RunFolder;

/// The name of the run in which nobody lies.
pub(super) const NONE: &str = "none";

/// A database's card.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Card {
    pub(super) schema: u32,
    pub(super) database: String,
    pub(super) version: String,
    /// The command that makes it again.
    pub(super) command: String,
    /// The promise, its source, and what it exempts.
    pub(super) promise: String,
    pub(super) source: String,
    pub(super) exempt: Option<String>,
    pub(super) nodes: usize,
    /// How many nodes may lie by the claim.
    pub(super) claimed: usize,
    /// How many nodes may be down by the claim.
    #[serde(default)]
    pub(super) claimed_crashes: usize,
    pub(super) workload: String,
    pub(super) time_limit_ms: u64,
    pub(super) cells: Vec<Cell>,
}

impl Card {
    /// How many nodes may do that by the claim.
    pub(super) fn withstood(&self, strategy: &Strategy) -> usize {
        if strategy.is_byzantine() { self.claimed } else { self.claimed_crashes }
    }
}

/// Makes the cards. A run that the harness spoiled leaves them incomplete.
pub(super) fn run(options: &Scorecard) -> Result<Exit, ScorecardError> {
    let strategies = chosen(&options.lies)?;
    let places = Places::from_env();
    std::fs::create_dir_all(&options.out).map_err(file_error(&options.out))?;
    let signal = Arc::new(AtomicU8::new(0));
    let mut ours = Vec::new();
    let mut worst = Ok(Exit::Valid);
    for database in &options.databases {
        let sweep = Sweep { options, database, strategies: &strategies, signal: &signal };
        worst = match (worst, sweep.carry_out(&places, &mut ours)) {
            (Ok(before), Ok(exit)) => Ok(before.worst(exit)),
            (_, result) => result,
        };
        if worst.is_err() || signal.load(Relaxed) != 0 {
            break;
        }
    }
    for name in ours {
        clusters::down(&places, &name, &|text| eprintln!("{text}"))?;
    }
    worst
}

fn chosen(names: &[String]) -> Result<Vec<Strategy>, ScorecardError> {
    if names.is_empty() {
        return Ok(strategy::ALL.to_vec());
    }
    let known = || strategy::ALL.iter().map(|one| one.name).collect::<Vec<_>>().join(", ");
    let find = |name: &String| {
        let unknown = || ScorecardError::Lie { name: name.clone(), known: known() };
        Strategy::find(name).ok_or_else(unknown)
    };
    names.iter().map(find).collect()
}

/// The runs of one database.
struct Sweep<'a> {
    options: &'a Scorecard,
    database: &'a str,
    strategies: &'a [Strategy],
    signal: &'a Arc<AtomicU8>,
}

impl Sweep<'_> {
    fn carry_out(&self, places: &Places, ours: &mut Vec<String>) -> Result<Exit, ScorecardError> {
        let first = self.options.seeds.first().copied().unwrap_or(Seed(1));
        let spec = self.spec(None, 0, first)?;
        let inventory = cluster(places, &spec, ours)?;
        let mut card = self.card(&spec, &inventory)?;
        let mut exit = Exit::Valid;
        for (strategy, f, seed) in self.runs(&card) {
            let lie = strategy.map_or(NONE, |strategy| strategy.name);
            let name = Name { lie: lie.to_owned(), f, seed: seed.to_string() };
            if let Some(at) = card.cells.iter().position(|cell| cell.name == name) {
                if self.options.judge_again {
                    card.cells[at] = self.again(&card.cells[at])?;
                }
                continue;
            }
            match self.signal.load(Relaxed) {
                0 => {}
                number => return Ok(Exit::Interrupted(number)),
            }
            eprintln!("perjury: {}: {lie}, f = {f}, seed {seed}", self.database);
            match self.cell(&name, &self.spec(strategy, f, seed)?, &inventory)? {
                Ok((cell, version)) => {
                    eprintln!("perjury: {lie}, f = {f}: {}, {}", cell.verdict, cell.outcome());
                    card.version = version;
                    card.cells.push(cell);
                    self.write(&card)?;
                }
                Err(why) => {
                    // The harness failed: this says nothing, and is made again the next time.
                    eprintln!("perjury: {lie}, f = {f}: compromised, no cell: {why}");
                    exit = Exit::Infrastructure;
                }
            }
        }
        print!("{}", self.write(&card)?);
        Ok(exit)
    }

    /// All runs in their order; without a strategy nobody lies. Liars go to one more than is
    /// claimed, crashes to one more than any protocol withstands.
    fn runs(&self, card: &Card) -> Vec<(Option<Strategy>, usize, Seed)> {
        let most = |strategy: &Strategy| {
            let beyond = match strategy.is_byzantine() {
                true => card.claimed + 1,
                false => card.nodes.saturating_sub(1) / 2 + 1,
            };
            self.options.max_f.unwrap_or(beyond).min(card.nodes)
        };
        let mut runs = Vec::new();
        for seed in &self.options.seeds {
            runs.push((None, 0, *seed));
            for f in 1..=card.nodes {
                let tried = self.strategies.iter().filter(|strategy| f <= most(strategy));
                runs.extend(tried.map(|strategy| (Some(*strategy), f, *seed)));
            }
        }
        runs
    }

    fn spec(
        &self,
        strategy: Option<Strategy>,
        f: usize,
        seed: Seed,
    ) -> Result<RunSpec, ScorecardError> {
        let names = Names {
            cluster: self.options.cluster.clone(),
            database: self.database.to_owned(),
            workload: self.options.workload.clone(),
            nemesis: NONE.to_owned(),
        };
        let length = self.options.time_limit;
        let mut spec = RunSpec::resolve(names, Expect::Any, seed)?.lasting(Some(length));
        if let Some(strategy) = strategy {
            spec.nemesis = strategy.nemesis(f, length);
            spec.names.nemesis = format!("{}-{f}", strategy.name);
        }
        Ok(spec)
    }

    /// What the run came to, with the database's version; else what failed in the harness.
    fn cell(
        &self,
        name: &Name,
        spec: &RunSpec,
        inventory: &Inventory,
    ) -> Result<Result<(Cell, String), String>, ScorecardError> {
        let runs = self.options.out.join("runs");
        let (folder, environment) = carry_out(spec, inventory, &runs, Some(self.signal))?;
        let judged = judge_run(&folder, None, self.options.budget.build())?;
        if let Some(why) = judged.judgement.compromised {
            return Ok(Err(why));
        }
        if environment.ended.is_some_and(|ended| ended.interrupted) {
            return Ok(Err("interrupted".into()));
        }
        let history = folder.history()?;
        let cell = Cell::new(name.clone(), folder.id(), &judged.judgement, &history);
        Ok(Ok((cell, environment.database_version)))
    }

    /// The cell of a run that is there.
    fn again(&self, cell: &Cell) -> Result<Cell, ScorecardError> {
        let folder = RunFolder::open(&self.options.out.join("runs").join(&cell.run))?;
        let judged = judge_run(&folder, None, self.options.budget.build())?;
        let history = folder.history()?;
        Ok(Cell::new(cell.name.clone(), folder.id(), &judged.judgement, &history))
    }

    /// The card as far as it was made before.
    fn card(&self, spec: &RunSpec, inventory: &Inventory) -> Result<Card, ScorecardError> {
        let claims = spec.database.build().claims();
        let nodes = inventory.nodes.len();
        let new = Card {
            schema: 1,
            database: self.name(),
            version: String::new(),
            command: self.command(),
            promise: claims.promise,
            source: claims.source,
            exempt: claims.exempt,
            nodes,
            claimed: claims.byzantine.most(nodes),
            claimed_crashes: claims.crashes.most(nodes),
            workload: self.options.workload.clone(),
            time_limit_ms: u64::try_from(self.options.time_limit.as_millis()).unwrap_or(u64::MAX),
            cells: Vec::new(),
        };
        let path = self.path("json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(new),
            Err(error) => return Err(file_error(&path)(error)),
        };
        let known: Card = serde_json::from_slice(&text)?;
        let same = (known.nodes, known.time_limit_ms, &known.workload)
            == (new.nodes, new.time_limit_ms, &new.workload);
        if !same {
            return Err(ScorecardError::Another(path));
        }
        Ok(Card { version: known.version, cells: known.cells, ..new })
    }

    /// The name of the database, without folders.
    fn name(&self) -> String {
        let stem = Path::new(self.database).file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    fn path(&self, end: &str) -> PathBuf {
        self.options.out.join(format!("{}.{end}", self.name()))
    }

    fn command(&self) -> String {
        let options = self.options;
        let seeds: Vec<String> = options.seeds.iter().map(Seed::to_string).collect();
        let mut command = format!(
            "perjury scorecard {} --cluster {} --workload {} --seeds {} --time-limit {}",
            self.name(),
            Path::new(&options.cluster).file_stem().unwrap_or_default().to_string_lossy(),
            options.workload,
            seeds.join(","),
            crate::duration::format(options.time_limit)
        );
        if !options.lies.is_empty() {
            command += &format!(" --lies {}", options.lies.join(","));
        }
        if let Some(most) = options.max_f {
            command += &format!(" --max-f {most}");
        }
        command
    }

    /// Writes the card as JSON and as a page, and answers the page.
    fn write(&self, card: &Card) -> Result<String, ScorecardError> {
        let mut json = serde_json::to_vec_pretty(card)?;
        json.push(b'\n');
        let text = page(card);
        for (end, bytes) in [("json", json.as_slice()), ("md", text.as_bytes())] {
            let (path, part) = (self.path(end), self.path(&format!("{end}.part")));
            let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, &path));
            written.map_err(file_error(&path))?;
        }
        Ok(text)
    }
}
