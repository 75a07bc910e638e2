//! `perjury test`: one run or a suite of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use perjury_history::{Finding, Verdict};
use serde_json::json;

use super::arguments::Test;
use super::judge::{Judged, judge_run};
use super::single::{carry_out, cluster};
use super::{Exit, account, complain};
use crate::clusters::{self, ClusterError, Inventory, Places};
use crate::config::{ConfigError, Expect, Kind, Names, RunSpec, Suite, load, load_run};
use crate::seed::Seed;
use crate::store::{Environment, RunFolder};

pub(super) fn run(options: &Test) -> Exit {
    let specs = match resolve(options) {
        Ok(specs) => specs,
        Err(error) => return Exit::Usage.because(&error),
    };
    let places = Places::from_env();
    let mut worst = Exit::Valid;
    let mut reports = Vec::new();
    let mut ours: Vec<String> = Vec::new();
    let signal = Arc::new(AtomicU8::new(0));
    for spec in &specs {
        let name = spec.cluster.name().to_owned();
        let exit = match cluster(&places, spec, &mut ours) {
            Ok(inventory) => one(spec, &inventory, options, &signal, &mut reports),
            Err(error) => of_cluster_error(&error),
        };
        if matches!(exit, Exit::Usage) && specs.len() > 1 {
            eprintln!("perjury: the run on {name} is left out");
        }
        worst = worst.worst(exit);
        if signal.load(Relaxed) != 0 {
            break;
        }
    }
    if !options.keep {
        for name in ours {
            if let Err(error) = clusters::down(&places, &name, &|text| eprintln!("{text}")) {
                worst = worst.worst(Exit::Infrastructure.because(&error));
            }
        }
    }
    for report in reports {
        eprintln!("{report}");
    }
    match signal.load(Relaxed) {
        0 => worst,
        number => Exit::Interrupted(number),
    }
}

fn of_cluster_error(error: &ClusterError) -> Exit {
    match error {
        ClusterError::Declaration { .. } => Exit::Usage.because(error),
        _ => Exit::Infrastructure.because(error),
    }
}

/// All runs that are asked for, resolved before any of them begins.
fn resolve(options: &Test) -> Result<Vec<RunSpec>, ConfigError> {
    let seed = options.seed.unwrap_or_else(draw_seed);
    if let Some(path) = &options.run {
        let mut spec = load_run(path)?.lasting(options.time_limit).judged_online(options.online);
        if let Some(seed) = options.seed {
            spec.seed = seed.to_string();
        }
        spec.seed()?;
        return Ok(vec![spec]);
    }
    let Some(suite) = &options.suite else {
        let names = Names {
            cluster: options.cluster.clone(),
            database: options.database.clone(),
            workload: options.workload.clone(),
            nemesis: options.nemesis.clone(),
        };
        let spec = RunSpec::resolve(names, Expect::Valid, seed)?.judged_online(options.online);
        return Ok(vec![spec.lasting(options.time_limit)]);
    };
    let suite: Suite = load(Kind::Suite, suite)?;
    let resolve = |(at, run): (usize, crate::config::SuiteRun)| {
        let names = Names {
            cluster: run.cluster,
            database: run.database,
            workload: run.workload,
            nemesis: run.nemesis,
        };
        // Every run its own seed, all of them from the one that is printed.
        let seed = Seed(seed.stream(&format!("run {at}")).draw());
        let spec = RunSpec::resolve(names, run.expect, seed)?;
        let spec = spec.judged_online(options.online || run.online);
        Ok(spec.lasting(options.time_limit.or(run.time_limit)))
    };
    suite.run.into_iter().enumerate().map(resolve).collect()
}

/// A seed from the system's randomness; the hasher of the standard library is keyed by it.
pub(super) fn draw_seed() -> Seed {
    use std::hash::{BuildHasher, Hasher};
    Seed(std::hash::RandomState::new().build_hasher().finish())
}

/// One run, judged and told.
fn one(
    spec: &RunSpec,
    inventory: &Inventory,
    options: &Test,
    signal: &Arc<AtomicU8>,
    reports: &mut Vec<String>,
) -> Exit {
    let names = &spec.names;
    eprintln!(
        "perjury: seed {}, {} on {}, {} under {}",
        spec.seed, names.database, names.cluster, names.workload, names.nemesis
    );
    let result = carry_out(spec, inventory, &options.results, Some(signal));
    let judged = result.and_then(|(folder, environment)| {
        let judged = judge_run(&folder, None, options.budget.build())?;
        Ok((folder, environment, judged))
    });
    match judged {
        Ok((folder, environment, judged)) => {
            let exit = expected(spec.expect, Exit::of(&judged.judgement));
            tell(spec, &folder, &environment, &judged, exit, options.json);
            reports.push(judged.report.display().to_string());
            exit
        }
        Err(error) => {
            complain(&error);
            Exit::Infrastructure
        }
    }
}

/// What an exit means where something else than no anomaly is expected.
fn expected(expect: Expect, exit: Exit) -> Exit {
    match (expect, exit) {
        (Expect::Invalid, Exit::Anomaly) => Exit::Valid,
        (Expect::Invalid, Exit::Valid) => {
            eprintln!("perjury: an anomaly was expected, and none was found");
            Exit::Anomaly
        }
        (Expect::Any, Exit::Anomaly | Exit::Unknown) => Exit::Valid,
        (_, exit) => exit,
    }
}

fn tell(
    spec: &RunSpec,
    folder: &RunFolder,
    environment: &Environment,
    judged: &Judged,
    exit: Exit,
    as_json: bool,
) {
    let judgement = &judged.judgement;
    eprintln!("perjury: {}: {}", judgement.verdict, judgement.sentence);
    if let Some(why) = &judgement.compromised {
        eprintln!("perjury: compromised: {why}");
    }
    if judgement.verdict == Verdict::Invalid {
        let first =
            judgement.findings.iter().flat_map(|finding: &Finding| &finding.anomalies).next();
        if let Some(anomaly) = first {
            eprintln!("perjury: {}: {}", anomaly.kind, anomaly.detail);
        }
    }
    for line in judgement.accounting.iter().flat_map(account::lines) {
        eprintln!("perjury: {line}");
    }
    let path = folder.path().display();
    eprintln!("perjury: report  {}", judged.report.display());
    eprintln!("perjury: judge again with: perjury check {path}");
    eprintln!("perjury: repeat with:      perjury test --run {path}/run.toml");
    if as_json {
        let object = json!({
            "schema": 1,
            "run": folder.id(),
            "folder": folder.path(),
            "report": judged.report,
            "seed": spec.seed,
            "names": spec.names,
            "expect": spec.expect,
            "version": environment.database_version,
            "judgement": judgement,
            "exit": exit.code(),
        });
        println!("{object}");
    }
}
